"""From a stored clip to what a model is fed: choosing frames, cropping, and the spectrogram's augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from avbench.config import ClipShape
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.sampling import check, segments, window_length, window_offsets

__all__ = [
    "ClipReader",
    "augment",
    "check",
    "evaluation_frames",
    "evaluation_view",
    "multiscale_crop",
    "resize",
    "training_frames",
    "training_view",
]

ClipReader = Callable[[Sequence[int]], tuple[Tensor, Tensor]]
"""Stored frames by number, uint8 (n, 3, S, S), and the normalised spectrogram, float16 (T, F), of one clip."""

_CROP_SCALES = (1.0, 0.875, 0.75)
_LARGEST_DISTORTION = 1  # steps between the scales of width and height
# In quarters of the room left around the crop: corners, centre, middles of the sides, centres of the quadrants.
_CROP_OFFSETS = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


def training_view(
    read: ClipReader, preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape, generator: torch.Generator
) -> dict[str, Any]:
    """A randomly sampled, cropped and augmented view of a stored clip, in wire format without its id.

    Args:
        read: called once, with the numbers of the frames that are used.
        generator: on the CPU; every draw comes from it.

    Returns:
        `audio` float16 (1, T, F) and `video` uint8 (frames, 3, H, W).
    """
    frames, log_mel = read(training_frames(preprocessing, sampling, shape, generator))
    if sampling.crop == "multiscale":
        frames = multiscale_crop(frames, shape.image_size, generator)
    return {"audio": augment(log_mel, sampling, generator)[None], "video": resize(frames, shape.image_size)}


def evaluation_view(
    read: ClipReader, preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape
) -> dict[str, Any]:
    """The one fixed view of a stored clip, in wire format without its id; arguments as for `training_view`."""
    frames, log_mel = read(evaluation_frames(preprocessing, sampling, shape))
    return {"audio": log_mel[None], "video": resize(frames, shape.image_size)}


def training_frames(
    preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape, generator: torch.Generator
) -> list[int]:
    """Numbers of the stored frames of one training view.

    `window`: from a start uniform on the stored frames such that the window fits; at the paper's sizes one of
    {0, 1/8, ..., 47/8} s. `segments`: a random frame of each of `shape.frames` equal segments.
    """
    if sampling.frames == "window":
        offsets = window_offsets(preprocessing, sampling, shape)
        start = _draw(max(1, preprocessing.stored_frames - window_length(preprocessing, sampling, shape)), generator)
        return [start + offset for offset in offsets]
    return [low + _draw(high - low, generator) for low, high in segments(preprocessing, shape)]


def evaluation_frames(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> list[int]:
    """Numbers of the stored frames of the evaluation view: the central window (from 3 s on, at the paper's sizes), or
    the middle of each segment."""
    if sampling.frames == "window":
        start = max(0, preprocessing.stored_frames - window_length(preprocessing, sampling, shape)) // 2
        return [start + offset for offset in window_offsets(preprocessing, sampling, shape)]
    return [(low + high) // 2 for low, high in segments(preprocessing, shape)]


def multiscale_crop(frames: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """One random crop for all frames: width and height from three scales of the short side, thirteen fixed places.

    This is the GroupMultiScaleCrop of temporal segment networks without a flip, as STELLA uses it; the caller resizes.

    Args:
        frames: uint8 (n, 3, H, W).
        size: of the result the model wants; crops within 2 pixels of it are made exactly that size.
    """
    height, width = frames.shape[-2:]
    short = min(height, width)
    sides = [int(short * scale) for scale in _CROP_SCALES]
    sides = [size if abs(side - size) < 3 and size <= short else side for side in sides]
    pairs = [(w, h) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= _LARGEST_DISTORTION]
    crop_width, crop_height = pairs[_draw(len(pairs), generator)]
    steps_x, steps_y = _CROP_OFFSETS[_draw(len(_CROP_OFFSETS), generator)]
    x, y = steps_x * ((width - crop_width) // 4), steps_y * ((height - crop_height) // 4)
    return frames[..., y : y + crop_height, x : x + crop_width]


def resize(frames: Tensor, size: int) -> Tensor:
    """uint8 (n, 3, H, W) -> contiguous uint8 (n, 3, size, size), bilinear with antialiasing as Pillow does it."""
    if frames.shape[-2:] != (size, size):
        frames = functional.interpolate(frames, size=(size, size), mode="bilinear", antialias=True)
    return frames.contiguous()


def augment(log_mel: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Uniform noise of a random amplitude, then a circular shift in time (official STELLA loader, `[-roll, roll)`).

    Args:
        log_mel: float16 (T, F), normalised; left as it is.

    Returns:
        float16 (T, F), computed in float32.
    """
    if sampling.noise:
        amplitude = sampling.noise * torch.rand((), generator=generator)
        log_mel = torch.rand(log_mel.shape, generator=generator).mul_(amplitude).add_(log_mel).half()
    if sampling.roll:
        log_mel = log_mel.roll(_draw(2 * sampling.roll, generator) - sampling.roll, dims=0)
    return log_mel


def _draw(choices: int, generator: torch.Generator) -> int:
    return int(torch.randint(choices, (), generator=generator))

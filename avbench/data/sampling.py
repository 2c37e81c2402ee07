"""Where frames may be taken from a stored clip: plain arithmetic, so that a configuration is checked without torch."""

from __future__ import annotations

from itertools import pairwise

from avbench.config import ClipShape
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.errors import UsageError


def check(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> None:
    """Whether clips stored like this can be sampled like that.

    Raises:
        UsageError: the spectrograms differ in size, or there are too few stored frames.
    """
    for name in ("audio_frames", "mel_bins"):
        stored, wanted = getattr(preprocessing, name), getattr(shape, name)
        if stored != wanted:
            raise UsageError(f"clip.{name} = {wanted}, but clips are stored with {name} = {stored}; make them equal")
    needed = window_offsets(preprocessing, sampling, shape)[-1] + 1 if sampling.frames == "window" else shape.frames
    if needed > preprocessing.stored_frames:
        raise UsageError(
            f"{shape.frames} frames need {needed} stored frames, but clips have {preprocessing.stored_frames}; "
            "lower clip.frames or window_step_seconds, or raise stored_frames"
        )


def window_offsets(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> list[int]:
    """Numbers of a window's frames, counted from its first."""
    step = sampling.window_step_seconds * preprocessing.stored_frames / preprocessing.clip_seconds
    return [round(index * step) for index in range(shape.frames)]


def window_length(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> int:
    """Stored frames that a window takes up: its frames times their spacing."""
    seconds = shape.frames * sampling.window_step_seconds
    return round(seconds * preprocessing.stored_frames / preprocessing.clip_seconds)


def segments(preprocessing: Preprocessing, shape: ClipShape) -> list[tuple[int, int]]:
    """Bounds `[low, high)`, in stored frames, of each of `shape.frames` equal stretches of the clip."""
    bounds = [index * preprocessing.stored_frames // shape.frames for index in range(shape.frames + 1)]
    return list(pairwise(bounds))

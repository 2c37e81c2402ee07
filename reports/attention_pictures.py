"""Maps drawn over the frames and the spectrogram they belong to, as data addresses for a page that loads nothing."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.evaluation.maps import enlarged

FRAME_SIDE = 80  # pixels of one drawn frame
_HEIGHT = 80  # of a drawn spectrogram
_BAR = 4  # pixels, height of the bar that says when a source acts
_COVER = 0.8  # opacity of a map where it is highest
_ACTIVE, _INACTIVE = (0.45, 0.8, 1.0), (0.0, 0.0, 0.0)
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # of RGB (ITU-R BT.601)

Picture = NDArray[np.float64]  # (height, width, 3), 0..1
Bools = NDArray[np.bool_]


def frames_strip(video: NDArray[np.uint8], heat: NDArray[Any] | None = None, sources: Bools | None = None) -> str:
    """The frames of a clip side by side: in colour, or in grey under their map.

    Args:
        video: (frames, 3, H, W).
        heat: (frames, rows, columns), scaled over all frames.
        sources: bool (frames, H, W), what sounds; outlined in white.
    """
    frames = [_resized(frame.transpose(1, 2, 0), FRAME_SIDE, FRAME_SIDE) for frame in video]
    strip = np.concatenate(frames, axis=1)
    if heat is not None:
        level = enlarged(heat[None], (FRAME_SIDE, FRAME_SIDE))[0]
        strip = _covered(strip, np.concatenate(list(level), axis=1))
    if sources is not None:
        strip[np.concatenate([_outline(mask) for mask in sources], axis=1)] = 1
    return _uri(strip)


def spectrogram_strip(audio: NDArray[Any], heat: NDArray[Any] | None = None, active: Bools | None = None) -> str:
    """A spectrogram in grey, low frequencies at the bottom, under its map.

    Args:
        audio: log-mel (1, T, F).
        heat: (time, frequency).
        active: bool (T,), when a source acts; a pale blue bar below.
    """
    width = 4 * FRAME_SIDE
    level = _levels(audio[0].T[::-1].astype(np.float64))
    strip = _resized(_bytes(np.repeat(level[:, :, None], 3, axis=2)), width, _HEIGHT)
    if heat is not None:
        strip = _covered(strip, enlarged(heat.T[::-1][None, None], (_HEIGHT, width))[0, 0])
    if active is not None:
        columns = active[np.arange(width) * len(active) // width]
        strip[-_BAR:] = np.where(columns[:, None], _ACTIVE, _INACTIVE)
    return _uri(strip)


def _covered(picture: Picture, level: NDArray[np.float64]) -> Picture:
    """A grey, dimmed picture under a map in 0..1: the higher the map, the more it covers."""
    import matplotlib

    grey = picture @ _LUMINANCE
    grey = 0.75 * grey / max(float(grey.max()), 0.25)
    colour = matplotlib.colormaps["inferno"](0.3 + 0.65 * level)[..., :3]
    cover = (_COVER * level)[..., None]
    return np.asarray(grey[..., None] * (1 - cover) + colour * cover)


def _outline(mask: Bools) -> Bools:
    """The inner edge of a mask (H, W), enlarged to the drawn frame."""
    rows, columns = (np.arange(FRAME_SIDE) * side // FRAME_SIDE for side in mask.shape)
    large = np.pad(mask[rows][:, columns], 1)
    inside = large[:-2, 1:-1] & large[2:, 1:-1] & large[1:-1, :-2] & large[1:-1, 2:]
    return np.asarray(large[1:-1, 1:-1] & ~inside)


def _levels(log_mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 the quietest and 1 the loudest half percent."""
    low, high = np.percentile(log_mel, [0.5, 99.5])
    return np.asarray(np.clip((log_mel - low) / max(float(high - low), 1e-6), 0, 1))


def _bytes(picture: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(255 * picture).astype(np.uint8)


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> Picture:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image) / 255


def _uri(picture: Picture) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_bytes(picture)).save(buffer, format="WEBP", quality=62, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"

"""Maps over the patches of clips, as plain arrays: their kinds, their enlargement, and how far two of them agree.

Reports draw them without PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.results.localisation import Kind as Kind

KINDS: tuple[Kind, ...] = ("matching", "cosine")  # in the order of preference for a drawing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Maps:
    """How much each patch of B clips has to do with the other modality; only comparisons within a clip have a meaning.

    Attributes:
        audio: float32 (B, time, frequency).
        video: float32 (B, frames, rows, columns).
    """

    audio: NDArray[np.float32]
    video: NDArray[np.float32]


def enlarged(maps: NDArray[Any], size: Sequence[int]) -> Floats:
    """(B, frames, rows, columns) -> (B, frames, H, W), bilinear between the middles of patches, 0..1 over each clip.

    A constant map becomes zeros.
    """
    rows, columns = (_weights(cells, side) for cells, side in zip(maps.shape[2:], size, strict=True))
    large = rows @ maps.astype(np.float64) @ columns.T
    low = large.min(axis=(1, 2, 3), keepdims=True)
    span = large.max(axis=(1, 2, 3), keepdims=True) - low
    return np.asarray((large - low) / np.where(span > 0, span, 1))


@lru_cache(maxsize=16)
def _weights(cells: int, size: int) -> Floats:
    """(size, cells): how much of each cell a pixel gets; beyond the middle of an outer cell it gets all of that one."""
    place = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    return np.asarray(np.maximum(1 - np.abs(place[:, None] - np.arange(cells)), 0))


def agreement(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Pearson correlation of two maps of each clip, (B, ...) twice -> (B,) in -1..1; 0 where one is constant."""
    flat = [maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second)]
    one, other = (values - values.mean(axis=1, keepdims=True) for values in flat)
    norm = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.where(norm > 0, norm, 1))

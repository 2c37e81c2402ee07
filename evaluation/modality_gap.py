"""The modality gap: how far apart audio and video lie in the space where retrieval compares them.

Liang et al., Mind the Gap, NeurIPS 2022: the Euclidean distance between the mean of the normalised audio embeddings and
that of the video embeddings, from 0 to 2. STELLA, Figures 6 and 10, shows how it changes along the stream. How it was
computed there is not released; this definition agrees with the printed values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # reports need `decline`, and torch takes seconds to import
    from torch import Tensor

Decline = Literal["largest", "mean"]


def modality_gap(z_audio: Tensor, z_video: Tensor) -> float:
    """The gap between N clips' embeddings, (N, D) each, not necessarily normalised; from 0 to 2.

    Raises:
        ValueError: there is no clip.
    """
    from torch.nn.functional import normalize

    if not len(z_audio) or z_audio.shape != z_video.shape:
        raise ValueError(f"a modality gap needs embeddings of the same clips, not {z_audio.shape} and {z_video.shape}")
    centres = [normalize(z.double(), dim=1).mean(dim=0) for z in (z_audio, z_video)]
    return float((centres[0] - centres[1]).norm())


def gap_per_task(z_audio: Tensor, z_video: Tensor, task_of: NDArray[np.int64], tasks: int) -> list[float]:
    """The gap of each task's clips; `task_of` (N,) says which task a clip belongs to."""
    import torch

    rows = [torch.from_numpy(np.flatnonzero(task_of == task)) for task in range(tasks)]
    return [modality_gap(z_audio[row], z_video[row]) for row in rows]


def accumulated_gap(z_audio: Tensor, z_video: Tensor, task_of: NDArray[np.int64], trained: int) -> float:
    """The gap of all clips of the first `trained` tasks together (STELLA, Figure 6)."""
    import torch

    rows = torch.from_numpy(np.flatnonzero(task_of < trained))
    return modality_gap(z_audio[rows], z_video[rows])


def decline(matrix: Sequence[Sequence[float]], variant: Decline = "largest") -> float | None:
    """How much the gap of earlier tasks has shrunk at the end of the stream; None for fewer than two experiences.

    Args:
        matrix: `matrix[t][i]` is the gap of task i after experience t; square.
        variant: `largest` averages over tasks i < T the largest drop, max over t < T of gap[t][i] - gap[T][i], as the
            released tool computes it; `mean` takes the mean over i <= t < T in place of the maximum.

    Raises:
        ValueError: the matrix is not square.
    """
    terms = decline_per_task(matrix, variant)
    return sum(terms) / len(terms) if terms else None


def decline_per_task(matrix: Sequence[Sequence[float]], variant: Decline = "largest") -> list[float]:
    """The terms of `decline`, one for each task but the last.

    Raises:
        ValueError: the matrix is not square.
    """
    tasks = len(matrix)
    if any(len(row) != tasks for row in matrix):
        raise ValueError(f"{tasks} experiences don't fit {[len(row) for row in matrix]} tasks")
    drops = [[matrix[time][task] - matrix[-1][task] for time in range(tasks - 1)] for task in range(tasks - 1)]
    if variant == "largest":
        return [max(row) for row in drops]
    return [sum(row[task:]) / len(row[task:]) for task, row in enumerate(drops)]

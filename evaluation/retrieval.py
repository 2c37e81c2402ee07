"""Zero-shot retrieval between the audio and the video of the same clips.

Protocol of the published tables (STELLA, section 5 and its released evaluation): embed every clip of the retrieval
stream, take cosine similarities, rank the true partner among all clips of the benchmark, and average over the queries
of one task. Here tied candidates count half each, so that a collapsed model gets the middle rank, not the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avbench.errors import AvbenchError

Direction = Literal["audio2video", "video2audio"]
DIRECTIONS: tuple[Direction, ...] = ("audio2video", "video2audio")

# Two similarities closer than this are tied: far above the rounding of a float64 dot product of unit vectors (1e-15),
# far below what float32 embeddings resolve (1e-7). Equal clips tie whichever way the matrix product was blocked.
TIE = 1e-12
_CANDIDATES = 2048  # of the gallery at a time


@dataclass(frozen=True)
class RetrievalResult:
    """Ranks of the true partner for N queries in both directions.

    Attributes:
        tasks: number of tasks T.
        task_of: int (N,), the task of each clip, 0 to T - 1.
        ranks: per direction float (N,), 1 is best; halves come from ties.
        gallery: "pool", ranks among all N clips, or "task", among the clips of the query's task.
        recall_at: the K for which recalls are reported.
    """

    tasks: int
    task_of: NDArray[np.int64]
    ranks: dict[str, NDArray[np.float64]]
    gallery: str = "pool"
    recall_at: tuple[int, ...] = (1, 5, 10)

    @property
    def queries(self) -> list[int]:
        """Number of queries of each task."""
        return [int(count) for count in np.bincount(self.task_of, minlength=self.tasks)]

    def recall(self, direction: str, k: int) -> list[float]:
        """R@K of each task in percent: the share of its queries whose partner ranks K or better."""
        return [100.0 * float(np.mean(ranks <= k)) for ranks in self._by_task(direction)]

    def median_rank(self, direction: str) -> list[float]:
        """Median rank of the true partner for each task's queries, 1 to the size of the gallery."""
        return [float(np.median(ranks)) for ranks in self._by_task(direction)]

    def recalls(self) -> dict[str, dict[str, list[float]]]:
        """All recalls as journal and results keep them: {direction: {"R@K": [percent per task]}}."""
        return {way: {f"R@{k}": self.recall(way, k) for k in self.recall_at} for way in DIRECTIONS}

    def _by_task(self, direction: str) -> list[NDArray[np.float64]]:
        return [self.ranks[direction][self.task_of == task] for task in range(self.tasks)]


def evaluate(
    z_audio: Tensor,
    z_video: Tensor,
    task_of: Sequence[int] | NDArray[np.int64] | Tensor,
    gallery: Literal["pool", "task"] = "pool",
    recall_at: Sequence[int] = (1, 5, 10),
    tasks: int | None = None,
) -> RetrievalResult:
    """Retrieval in both directions from the embeddings of N clips.

    Args:
        z_audio: (N, D) audio embeddings, not necessarily normalised.
        z_video: (N, D) video embeddings of the same clips in the same order.
        task_of: (N,) task of each clip, 0-based; every task must have a clip.
        gallery: rank among all N clips (the published protocol) or among those of the query's task.
        tasks: number of tasks; by default one more than the largest in `task_of`.

    Raises:
        AvbenchError: an embedding is not finite.
        ValueError: shapes that don't fit, or a task without queries.
    """
    task = np.asarray(task_of, dtype=np.int64)
    count = int(task.max()) + 1 if tasks is None and len(task) else tasks or 0
    _check(z_audio, z_video, task, count)
    groups = [np.arange(len(task))] if gallery == "pool" else [np.flatnonzero(task == t) for t in range(count)]
    result: dict[str, NDArray[np.float64]] = {way: np.empty(len(task)) for way in DIRECTIONS}
    for rows in groups:
        audio, video = z_audio[torch.from_numpy(rows)], z_video[torch.from_numpy(rows)]
        result["audio2video"][rows] = ranks(audio, video).numpy()
        result["video2audio"][rows] = ranks(video, audio).numpy()
    return RetrievalResult(count, task, result, gallery, tuple(recall_at))


def ranks(query: Tensor, gallery: Tensor, chunk: int = 512) -> Tensor:
    """Rank of gallery row i for query row i by cosine similarity: 1 + #(better) + half of #(equally good others).

    Memory beyond the normalised copies of the inputs is one block of chunk queries by 2,048 candidates: it stays in a
    processor's cache, which is several times faster than whole rows.

    Args:
        query: (N, D), gallery: (N, D), N >= 1, on one device.
        chunk: queries at a time.

    Returns:
        float64 (N,) on the CPU.

    Raises:
        AvbenchError: an embedding is not finite.
        ValueError: shapes that don't fit.
    """
    if query.ndim != 2 or query.shape != gallery.shape or not len(query):
        raise ValueError(f"query and gallery must both be (N, D) with N >= 1, not {query.shape} and {gallery.shape}")
    require_finite(query, "query")
    require_finite(gallery, "gallery")
    query, gallery = _unit(query), _unit(gallery)
    true = (query * gallery).sum(dim=1)
    halves = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    for rows in _chunks(len(query), chunk):
        for columns in _chunks(len(gallery), _CANDIDATES):
            gap = query[rows] @ gallery[columns].T
            gap -= true[rows, None]
            halves[rows] += _count(gap > TIE) + _count(gap >= -TIE)  # a better candidate is in both counts
    # The partner, which ties with itself, is one of the halves.
    return (1 + (halves.double() - 1) / 2).cpu()


def similarity_matrix(z_audio: Tensor, z_video: Tensor) -> Tensor:
    """Cosine similarities, float32 (N, N) on the CPU: rows are audio clips, columns video clips, within [-1, 1]."""
    return (_unit(z_audio) @ _unit(z_video).T).clamp_(-1, 1).float().cpu()


def require_finite(embeddings: Tensor, what: str) -> None:
    """Refuse embeddings from which no number may be computed.

    Raises:
        AvbenchError: a value is NaN or infinite; says how many clips are concerned.
    """
    broken = int((~torch.isfinite(embeddings).all(dim=1)).sum())
    if broken:
        raise AvbenchError(
            f"{broken} of {len(embeddings)} {what} embeddings are not finite: the model has diverged, so there is no "
            "retrieval score. Lower training.learning_rate, set training.clip_gradient, or use --precision fp32."
        )


def _unit(embeddings: Tensor) -> Tensor:
    # float64: nearly collapsed embeddings differ in the last digits of a float32 similarity.
    return torch.nn.functional.normalize(embeddings.double(), dim=1)


def _chunks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _count(mask: Tensor) -> Tensor:
    # As bytes: seven times faster than the sum of a boolean tensor.
    return mask.view(torch.uint8).sum(dim=1, dtype=torch.int32)


def _check(z_audio: Tensor, z_video: Tensor, task_of: NDArray[np.int64], tasks: int) -> None:
    require_finite(z_audio, "audio")
    require_finite(z_video, "video")
    if len(z_audio) != len(task_of):
        raise ValueError(f"{len(z_audio)} embeddings, but {len(task_of)} task indices")
    if task_of.min(initial=0) < 0 or task_of.max(initial=0) >= tasks:
        raise ValueError(f"task indices must lie between 0 and {tasks - 1}")
    empty = [task for task in range(tasks) if task not in set(task_of.tolist())]
    if empty:
        raise ValueError(f"no retrieval queries for task index {', '.join(map(str, empty))}; its score is undefined")

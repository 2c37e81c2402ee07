"""Transfer between tasks, from accuracy matrices alone.

Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017, section 2; with T tasks, acc[t,i] the score on task i
after training on task t (0 before any training), all 1-based:

- backward transfer, BWT = 1/(T-1) * sum over i < T of (acc[T,i] - acc[i,i]);
- forward transfer, FWT = 1/(T-1) * sum over 2 <= i <= T of (acc[i-1,i] - acc[0,i]).

BWT is what learning later tasks did to a task once it was learned; negative means forgotten. It differs from F, which
compares with the best earlier score. FWT is what learning earlier tasks did for a task just before it is learned; the
paper compares with a randomly initialised network, here it is the network before the stream, pre-trained or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Row = Sequence[float]
Matrix = Sequence[Row]


def backward_per_task(after: Matrix) -> list[float]:
    """The terms of BWT: acc[T,i] - acc[i,i] for every task but the last, in percentage points.

    Args:
        after: `after[t][i]` is the score on task i after experience t, 0-based, in percent; square.

    Raises:
        ValueError: the matrix is not square.
    """
    tasks = _square(after)
    return [after[-1][task] - after[task][task] for task in range(tasks - 1)]


def forward_per_task(before: Row, after: Matrix) -> list[float]:
    """The terms of FWT: acc[i-1,i] - acc[0,i] for every task but the first, in percentage points.

    Args:
        before: the scores before any training, one for each task.
        after: as in `backward_per_task`.

    Raises:
        ValueError: the matrix is not square, or `before` does not fit it.
    """
    tasks = _square(after)
    if len(before) != tasks:
        raise ValueError(f"{len(before)} scores before training don't fit {tasks} tasks")
    return [row[task] - before[task] for task, row in enumerate(after[:-1], start=1)]


def backward_transfer(after: Matrix) -> float | None:
    """BWT in percentage points; None for a single task."""
    return _mean(backward_per_task(after))


def forward_transfer(before: Row, after: Matrix) -> float | None:
    """FWT in percentage points; None for a single task."""
    return _mean(forward_per_task(before, after))


def acceptance_rates(visits: Sequence[int], accepted: Sequence[int]) -> list[float | None]:
    """Between successive moments, the share of clips offered to the memory that it stored, 0 to 1.

    Args:
        visits, accepted: clips offered and stored up to each moment, never falling.

    Returns:
        One rate for each pair of neighbours; None where nothing was offered.
    """
    moments = list(zip(visits, accepted, strict=True))
    return [(b[1] - a[1]) / (b[0] - a[0]) if b[0] > a[0] else None for a, b in pairwise(moments)]


def reservoir_rate(capacity: int, visits: float) -> float:
    """The chance that a reservoir of `capacity` slots stores the visit that follows `visits` others (Algorithm R)."""
    return min(1.0, capacity / (visits + 1))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _square(after: Matrix) -> int:
    if not after or any(len(row) != len(after) for row in after):
        raise ValueError(f"{len(after)} experiences don't fit rows of {sorted({len(row) for row in after})} tasks")
    return len(after)

"""Summary numbers of continual learning, from accuracy matrices alone.

An accuracy matrix has one row after each experience and one column per task, both in training order, in percent:
`matrix[t][i]` is the score on task i after training on task t. Formulas: STELLA, section 5 (evaluation metrics). Two
published readings of forgetting exist and are named, never implicit:

- `paper`, the printed formula: F = 1/(T-1) * sum over i < T of max over t < T of (acc[t,i] - acc[T,i]), 1-based;
- `official`, the released tool: the same with the last task's own term added, still divided by T-1.

The maximum runs over all t < T, so also over the time before task i was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Matrix = Sequence[Sequence[float]]
Variant = Literal["paper", "official"]


def average_accuracy(matrix: Matrix) -> float:
    """A: the unweighted mean over tasks of the last row."""
    _check(matrix)
    return _mean(matrix[-1])


def average_forgetting(matrix: Matrix, variant: Variant = "paper") -> float | None:
    """F in percentage points; positive means forgotten. None for a single task, where nothing can be forgotten.

    Raises:
        ValueError: the matrix is not square: forgetting needs every experience and every task.
    """
    tasks = _check_square(matrix)
    if tasks < 2:
        return None
    counted = range(tasks if variant == "official" else tasks - 1)
    return sum(_drop(matrix, task) for task in counted) / (tasks - 1)


def learned(matrix: Matrix) -> float:
    """Mean score of each task just after it was trained: the mean of the diagonal.

    Raises:
        ValueError: the matrix is not square.
    """
    tasks = _check_square(matrix)
    return _mean([matrix[task][task] for task in range(tasks)])


def forgetting_per_task(matrix: Matrix) -> list[float]:
    """The terms of the sum in F, one for each task including the last, in percentage points.

    Raises:
        ValueError: the matrix is not square, or has a single task.
    """
    tasks = _check_square(matrix)
    if tasks < 2:
        raise ValueError("forgetting needs at least two tasks")
    return [_drop(matrix, task) for task in range(tasks)]


def along_the_stream(matrix: Matrix) -> list[tuple[float, float | None]]:
    """After each experience, (A, F in the `paper` variant) of the tasks trained so far: those of the leading blocks.

    The matrix may have fewer rows than columns, as in an unfinished run.
    """
    blocks = [[row[: count + 1] for row in matrix[: count + 1]] for count in range(len(matrix))]
    return [(average_accuracy(block), average_forgetting(block)) for block in blocks]


def summarise(
    matrices: Mapping[str, Matrix], tasks: int, experiences: int | None = None
) -> dict[str, dict[str, float | None]]:
    """The headline table of one direction: a row for each R@K and one, "Avg", for their mean.

    Args:
        matrices: {"R@1": matrix, ...}, the rows being the experiences finished so far.
        tasks: T, the number of tasks of the benchmark.
        experiences: how many experiences the stream has, by default one per task.

    Returns:
        {"R@1": {"accuracy", "forgetting_paper", "forgetting_official", "learned"}, ..., "Avg": ...}. Before the last
        experience has been evaluated no number is defined, and all are None; so is forgetting when T = 1. Where the
        stream is one experience of all tasks, only accuracy is defined.
    """
    rows = {name: _summary(matrix, tasks, experiences or tasks) for name, matrix in matrices.items()}
    if rows:
        columns = {name: [row[name] for row in rows.values()] for name in next(iter(rows.values()))}
        rows["Avg"] = {name: _mean_or_none(values) for name, values in columns.items()}
    return rows


def _summary(matrix: Matrix, tasks: int, experiences: int) -> dict[str, float | None]:
    undefined = dict.fromkeys(("accuracy", "forgetting_paper", "forgetting_official", "learned"))
    if len(matrix) < experiences:
        return undefined
    if experiences != tasks:
        return undefined | {"accuracy": average_accuracy(matrix)}
    return {
        "accuracy": average_accuracy(matrix),
        "forgetting_paper": average_forgetting(matrix, "paper"),
        "forgetting_official": average_forgetting(matrix, "official"),
        "learned": learned(matrix),
    }


def _drop(matrix: Matrix, task: int) -> float:
    return max(row[task] for row in matrix[:-1]) - matrix[-1][task]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if known and len(known) == len(values) else None


def _check(matrix: Matrix) -> None:
    if not matrix or not matrix[0] or len({len(row) for row in matrix}) != 1:
        raise ValueError("an accuracy matrix has at least one row, and all rows are as long as there are tasks")


def _check_square(matrix: Matrix) -> int:
    _check(matrix)
    if len(matrix) != len(matrix[0]):
        raise ValueError(f"{len(matrix)} experiences but {len(matrix[0])} tasks: the run is not finished")
    return len(matrix)

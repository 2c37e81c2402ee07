"""Forgetting: golden vectors and the properties any reading of it must have."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.evaluation.forgetting import (
    along_the_stream,
    average_accuracy,
    average_forgetting,
    forgetting_per_task,
    learned,
    summarise,
)

GOLDEN = [[5.0, 1.0, 1.0], [3.0, 6.0, 2.0], [2.0, 4.0, 7.0]]
square = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(st.floats(0, 100), min_size=n, max_size=n), min_size=n, max_size=n)
)


def test_golden_vectors() -> None:
    assert average_forgetting(GOLDEN, "paper") == 2.5
    assert average_forgetting(GOLDEN, "official") == 0.0
    assert average_accuracy(GOLDEN) == pytest.approx(13 / 3)
    assert learned(GOLDEN) == 6.0
    assert forgetting_per_task(GOLDEN) == [3.0, 2.0, -5.0]


def test_the_peak_counts_even_before_the_task_was_learned() -> None:
    assert average_forgetting([[5.0, 9.0, 0.0], [5.0, 6.0, 0.0], [5.0, 4.0, 7.0]], "paper") == (0 + 5) / 2


@given(square)
def test_forgetting_equals_the_printed_sum(matrix: list[list[float]]) -> None:
    tasks = len(matrix)
    total = 0.0
    for i in range(1, tasks):
        total += max(matrix[t - 1][i - 1] - matrix[tasks - 1][i - 1] for t in range(1, tasks))
    paper = average_forgetting(matrix, "paper")
    official = average_forgetting(matrix, "official")
    assert paper is not None and official is not None
    assert paper == pytest.approx(total / (tasks - 1))
    last = max(row[-1] for row in matrix[:-1]) - matrix[-1][-1]
    assert official - paper == pytest.approx(last / (tasks - 1), abs=1e-9)


@given(square, st.floats(-50, 50))
def test_a_constant_shift_moves_accuracy_and_leaves_forgetting(matrix: list[list[float]], shift: float) -> None:
    moved = [[value + shift for value in row] for row in matrix]
    assert average_accuracy(moved) == pytest.approx(average_accuracy(matrix) + shift, abs=1e-9)
    assert average_forgetting(moved) == pytest.approx(average_forgetting(matrix), abs=1e-9)


def test_a_model_that_never_changes_forgets_nothing() -> None:
    assert average_forgetting([[3.0, 4.0]] * 2, "paper") == average_forgetting([[3.0, 4.0]] * 2, "official") == 0.0


def test_one_task_has_accuracy_and_no_forgetting() -> None:
    assert average_forgetting([[7.0]]) is None
    assert average_accuracy([[7.0]]) == learned([[7.0]]) == 7.0
    with pytest.raises(ValueError, match="two tasks"):
        forgetting_per_task([[7.0]])


def test_unfinished_or_ragged_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="2 experiences but 3 tasks"):
        average_forgetting(GOLDEN[:2])
    with pytest.raises(ValueError, match="as long as"):
        average_accuracy([[1.0, 2.0], [1.0]])
    with pytest.raises(ValueError, match="at least one row"):
        average_accuracy([])


def test_the_average_column_is_the_mean_of_the_recall_columns() -> None:
    matrices = {f"R@{k}": [[k * value for value in row] for row in GOLDEN] for k in (1, 5, 10)}
    summary = summarise(matrices, tasks=3)
    assert list(summary) == ["R@1", "R@5", "R@10", "Avg"]
    for name in ("accuracy", "forgetting_paper", "forgetting_official", "learned"):
        columns = [summary[row][name] for row in ("R@1", "R@5", "R@10")]
        assert summary["Avg"][name] == pytest.approx(sum(value for value in columns if value is not None) / 3)
    assert summary["R@5"]["forgetting_paper"] == 12.5


def test_nothing_is_summarised_before_the_end() -> None:
    for rows in (0, 2):
        summary = summarise({"R@1": GOLDEN[:rows]}, tasks=3)
        assert all(value is None for row in summary.values() for value in row.values())
    single = summarise({"R@1": [[40.0]]}, tasks=1)["Avg"]
    assert single == {"accuracy": 40.0, "forgetting_paper": None, "forgetting_official": None, "learned": 40.0}
    assert not any(math.isnan(value) for value in single.values() if value is not None)


def test_along_the_stream_only_tasks_seen_so_far_count() -> None:
    assert along_the_stream(GOLDEN) == [(5.0, None), (4.5, 2.0), (average_accuracy(GOLDEN), 2.5)]
    assert along_the_stream(GOLDEN[:2]) == [(5.0, None), (4.5, 2.0)]
    assert along_the_stream([]) == []

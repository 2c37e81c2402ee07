"""Transfer with intervals: the definitions of `avbench.evaluation.transfer`, from hits."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.evaluation.statistics import Hits, estimate, tiers
from avbench.evaluation.transfer import backward_transfer, forward_transfer

TASKS, PER_TASK, COLUMNS = 4, 30, 2
TASK_OF = np.repeat(np.arange(TASKS), PER_TASK)


def simulated(random: np.random.Generator, rows: int, gain: float = 0.0) -> Hits:
    """Three seeds whose recall is 20 % plus `gain` in the last row."""
    level = np.full((3, rows, 1, 1), 20.0)
    level[:, -1] += gain
    return Hits((0, 1, 2), 100.0 * random.binomial(1, level / 100, (3, rows, len(TASK_OF), COLUMNS)), TASK_OF)


def matrices(hits: Hits) -> list[list[list[float]]]:
    """One for each seed and column: recall of each task, a row for each evaluation."""
    rows = hits.values.shape[1]
    return [
        hits.values[seed, :, :, column].reshape(rows, TASKS, PER_TASK).mean(axis=2).tolist()
        for seed in range(3)
        for column in range(COLUMNS)
    ]


def test_backward_transfer_is_that_of_the_accuracy_matrices_averaged() -> None:
    hits = simulated(np.random.default_rng(0), TASKS)
    expected = np.mean([backward_transfer(matrix) for matrix in matrices(hits)])
    assert estimate(hits, "backward").value == pytest.approx(expected)


def test_forward_transfer_is_that_of_the_accuracy_matrices_with_the_row_before_training() -> None:
    hits = simulated(np.random.default_rng(1), 1 + TASKS)
    expected = np.mean([forward_transfer(matrix[0], matrix[1:]) for matrix in matrices(hits)])
    assert estimate(hits, "forward").value == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["backward", "forward"])
def test_evaluations_of_another_number_than_the_definition_needs_are_refused(metric: str) -> None:
    hits = simulated(np.random.default_rng(2), TASKS + (metric == "backward"))
    with pytest.raises(ValueError, match=f"{metric} needs"):
        estimate(hits, metric)  # type: ignore[arg-type]


def test_what_was_not_learned_transfers_nothing_within_the_interval() -> None:
    found = estimate(simulated(np.random.default_rng(3), TASKS), "backward")
    assert found.low < 0 < found.high
    gained = estimate(simulated(np.random.default_rng(3), TASKS, gain=30.0), "backward")
    assert gained.low > 15 and gained.value == pytest.approx(30, abs=8)


def test_more_backward_transfer_is_the_better_tier() -> None:
    random = np.random.default_rng(4)
    assert tiers({"keeps": simulated(random, TASKS, 30.0), "loses": simulated(random, TASKS)}, "backward") == {
        "keeps": 1,
        "loses": 2,
    }

"""Backward and forward transfer against plain loops over their definitions; the reservoir's rate against itself."""

import numpy as np
import pytest
import torch

from avbench.evaluation.forgetting import average_forgetting
from avbench.evaluation.transfer import (
    acceptance_rates,
    backward_per_task,
    backward_transfer,
    forward_per_task,
    forward_transfer,
    reservoir_rate,
)
from avbench.training.memory import Field, TensorStore

BEFORE = [1.0, 2.0, 3.0]
AFTER = [[5.0, 1.0, 1.0], [3.0, 6.0, 2.0], [2.0, 4.0, 7.0]]


def test_a_matrix_worked_out_by_hand() -> None:
    assert backward_per_task(AFTER) == [2 - 5, 4 - 6]
    assert backward_transfer(AFTER) == -2.5
    assert forward_per_task(BEFORE, AFTER) == [1 - 2, 2 - 3]
    assert forward_transfer(BEFORE, AFTER) == -1.0


@pytest.mark.parametrize("tasks", [2, 5, 8])
def test_against_the_printed_sums(tasks: int) -> None:
    accuracy = np.random.default_rng(tasks).uniform(0, 100, (tasks + 1, tasks))  # row t: after task t, 0 before any
    backward = sum(accuracy[tasks, i - 1] - accuracy[i, i - 1] for i in range(1, tasks)) / (tasks - 1)
    forward = sum(accuracy[i - 1, i - 1] - accuracy[0, i - 1] for i in range(2, tasks + 1)) / (tasks - 1)
    before, after = accuracy[0].tolist(), accuracy[1:].tolist()
    assert backward_transfer(after) == pytest.approx(backward)
    assert forward_transfer(before, after) == pytest.approx(forward)


def test_what_is_never_forgotten_has_no_negative_backward_transfer() -> None:
    rising = [[10.0, 0.0], [30.0, 20.0]]
    assert backward_transfer(rising) == 20.0
    # Where every task is at its best just after it was learned, BWT is -F.
    falling = [[50.0, 0.0, 0.0], [40.0, 60.0, 0.0], [10.0, 30.0, 70.0]]
    forgetting = average_forgetting(falling)
    assert forgetting is not None and backward_transfer(falling) == -forgetting


def test_one_task_has_no_transfer_and_misfits_are_refused() -> None:
    assert backward_transfer([[3.0]]) is None
    assert forward_transfer([1.0], [[3.0]]) is None
    with pytest.raises(ValueError, match="don't fit"):
        backward_transfer(AFTER[:2])
    with pytest.raises(ValueError, match="don't fit"):
        forward_transfer([1.0], AFTER)


def test_a_reservoir_accepts_as_often_as_its_formula_says() -> None:
    store = TensorStore(20, {"x": Field((1,))}, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    visits, accepted = [0], [0]
    for _ in range(400):
        store.add({"x": torch.zeros(10, 1)}, ["c"] * 10, generator)
        visits.append(store.visits)
        accepted.append(store.accepted)
    rates = acceptance_rates(visits, accepted)
    assert rates[:2] == [1.0, 1.0]
    # Expected number of stored visits: the sum of the rates; a few fall into one slot of one batch.
    expected = sum(reservoir_rate(20, visit) for visit in range(4000))
    assert store.accepted == pytest.approx(expected, rel=0.15)
    assert acceptance_rates([5, 5], [2, 2]) == [None]

"""Amounts on the command line: one budget, plain digits, and what is too large is told to be."""

from __future__ import annotations

import pytest

from avbench.cli.options import memory_budget, training_budget
from avbench.config import Budget, TrainingConfig, validate
from avbench.errors import UsageError
from avbench.training.strategy import ReplayConfig


@pytest.mark.parametrize("unit", ["steps", "clips", "compute"])
def test_a_budget_is_read_as_typed(unit: str) -> None:
    section = {"budget": training_budget([f"{unit}=40"])}
    assert validate(TrainingConfig, section, "training").budget == Budget(unit=unit, amount=40)


def test_several_budgets_are_refused_rather_than_one_chosen() -> None:
    with pytest.raises(UsageError, match=r"--budget 'steps=3' --budget 'compute=2': a run has one budget"):
        training_budget(["steps=3", "compute=2"])


@pytest.mark.parametrize(
    "text", ["steps=٣", "steps=3٣", "steps=", "steps", "steps=3x", "steps=-1", "steps=1.5", "steps=3 "]
)
def test_an_amount_is_plain_digits(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not of the form steps=N, clips=N or compute=N"):
        training_budget([text])


@pytest.mark.parametrize("digits", ["99999999999", str(2**31), "9" * 900])
def test_what_is_too_large_is_told_to_be(digits: str) -> None:
    with pytest.raises(UsageError, match=r"options\.memory.*too large: at most 2147483647 clips"):
        validate(ReplayConfig, {"memory": memory_budget(digits)}, "options")
    with pytest.raises(UsageError, match=r"training\.budget\.amount.*should be less than 2147483648"):
        validate(TrainingConfig, {"budget": training_budget([f"steps={digits}"])}, "training")


@pytest.mark.parametrize("text", ["٣", "٣GiB", "2٣", "٣.5GiB", "2.٣GiB"])
def test_a_memory_is_plain_digits(text: str) -> None:
    with pytest.raises(UsageError, match=r"options\.memory.*such as 2000"):
        validate(ReplayConfig, {"memory": memory_budget(text)}, "options")

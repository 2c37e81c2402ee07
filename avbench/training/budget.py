"""Budgets: stop training early so that methods spend equally, each task getting its share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from avbench.config import Budget
from avbench.training.compute import ComputeMeter
from avbench.training.template import AudioVideoPretraining, Progress


class Allowance:
    """How much of a budget each experience may use.

    The budget is a ceiling on the whole stream. Experience k may go on until the stream has used the share of it that
    the experiences up to k have of all planned steps; what one experience leaves over, the next may use. An experience
    ends with the first step that reaches its share.

    Args:
        budget: the ceiling, or None for none.
        steps: planned steps of each experience.
        compute: the run's meter.
    """

    def __init__(self, budget: Budget | None, steps: Sequence[int], compute: ComputeMeter) -> None:
        self.budget, self.compute = budget, compute
        self.total = sum(steps)
        self.shares = [done / max(self.total, 1) for done in accumulate(steps)]

    def spent(self, progress: Progress) -> float:
        """What the run has used so far, in the budget's unit."""
        assert self.budget is not None
        unit = self.budget.unit
        return progress.step if unit == "steps" else progress.clips if unit == "clips" else self.compute.units

    def exhausted(self, template: AudioVideoPretraining) -> bool:
        """Whether the current experience has used its share."""
        progress = template.progress
        if self.budget is None:
            return False
        return self.spent(progress) >= self.shares[progress.experience] * self.budget.amount

    def expected_steps(self, progress: Progress) -> int:
        """How many steps the run will have, estimated from its pace so far where the budget counts something else."""
        if self.budget is None or not progress.step:
            return self.total
        return min(self.total, round(progress.step * self.budget.amount / max(self.spent(progress), 1e-9)))

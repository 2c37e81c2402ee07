"""The terms of a loss: what a step may log, and what was logged of the last steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from avbench.errors import AvbenchError
from avbench.wording import kind_of

if TYPE_CHECKING:
    from avbench.model.mae import Output

# The terms of every method, by the names the model's output has them under; `loss` is their sum with all others.
LOSSES = ("reconstruction_audio", "reconstruction_video", "contrastive")
RESERVED = ("loss", *LOSSES)


def fault_of_term(name: Any, value: Any) -> str:
    """Why `value` can't be logged as the term `name`; empty when it can."""
    if not isinstance(name, str) or not name:
        return f"the name of a term must be a string, found {kind_of(name)}"
    if name in RESERVED:
        return f"the name {name!r} is taken by a term of every method; choose another"
    if not isinstance(value, Tensor) or value.ndim or value.is_complex():
        return f"the term {name!r} must be a tensor (), found {kind_of(value)}"
    return ""


class Terms(MutableMapping[str, Tensor]):
    """What is logged of a step beside its loss, by name: the terms of the loss, and what else a method notes.

    Raises:
        ValueError: a name belongs to the terms of every method, or a value is no tensor ().
    """

    def __init__(self) -> None:
        self._values: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        if fault := fault_of_term(name, value):
            raise ValueError(fault)
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __ior__(self, others: Mapping[str, Tensor]) -> Terms:
        self.update(others)
        return self

    def note_losses(self, output: Output) -> None:
        """The terms of every method: the mean losses of the pass that is trained on."""
        self._values |= {name: getattr(output, name).mean() for name in LOSSES}


class LossNotFinite(AvbenchError):
    """The loss of a step, or a term of it, is no finite number: the run can't recover.

    Attributes:
        what: the step and the terms.
        diverged: terms of every method are among them, as when the learning rate is too high; otherwise only terms
            or weights of the method's own are.
    """

    remedy = "lower training.learning_rate or set training.clip_gradient, then start anew"

    def __init__(self, what: str, diverged: bool) -> None:
        super().__init__(f"{what}; {self.remedy}")
        self.what, self.diverged = what, diverged


class TermLog:
    """The loss and the terms of the last steps, left where they are: reading them every step would stop a GPU."""

    def __init__(self) -> None:
        self._steps: list[tuple[tuple[str, ...], Tensor]] = []

    def clear(self) -> None:
        """Forget them."""
        self._steps.clear()

    def add(self, loss: Tensor, terms: Mapping[str, Tensor]) -> None:
        """One step's loss and terms, each ()."""
        values = [value.detach().to(loss.device, torch.float32, non_blocking=True) for value in (loss, *terms.values())]
        self._steps.append((("loss", *terms), torch.stack(values)))

    def read(self, last: int, steps: int) -> dict[str, float]:
        """The sum of each over the logged steps, divided by `steps`; then start anew. `last` is the newest step.

        Raises:
            LossNotFinite: names the first step with such a term, and the terms.
        """
        logged, self._steps = self._steps, []
        if not logged:
            return {}
        rows = torch.cat([values for _, values in logged]).cpu().split([len(names) for names, _ in logged])
        totals: dict[str, Tensor] = {}
        for step, ((names, _), values) in enumerate(zip(logged, rows, strict=True), last - len(logged) + 1):
            if not values.isfinite().all():
                raise _not_finite(step, dict(zip(names, values.tolist(), strict=True)))
            for name, value in zip(names, values, strict=True):
                totals[name] = totals.get(name, torch.zeros(())) + value
        return {name: float(total / steps) for name, total in totals.items()}


def _not_finite(step: int, values: Mapping[str, float]) -> LossNotFinite:
    wrong = [name for name, value in values.items() if not math.isfinite(value) and name != "loss"]
    named = ", ".join(f"`{name}` = {values[name]}" for name in wrong)
    what = named or f"{values['loss']}, although its terms are finite: look at the weights of its clips"
    return LossNotFinite(f"the loss is not finite at step {step}: {what}", bool(set(wrong) & set(LOSSES)))

"""What an import does, tensor by tensor: rules, how they are carried out, and the account of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from avbench.errors import DataError

Status = Literal["used", "adapted", "filled", "initial"]
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Rule:
    """Where one tensor of the model comes from.

    Attributes:
        target: its name in the model.
        sources: names in the checkpoint, in the order that `change` takes them; none where the value is made here.
        how: what is done, for people; empty where the one source is taken as it is.
        change: source tensors -> the model's tensor. Without sources it gets the model's initial value.
    """

    target: str
    sources: tuple[str, ...] = ()
    how: str = ""
    change: Callable[..., Tensor] | None = None

    @property
    def status(self) -> Status:
        """What kind of rule this is: `filled` without a source, `initial` where the model's own value stays."""
        if self.sources:
            return "adapted" if self.how else "used"
        return "filled" if self.change else "initial"


@dataclass(frozen=True)
class Plan:
    """All rules, one per tensor of the model, and the checkpoint's tensors that are left out knowingly, with why."""

    rules: Sequence[Rule]
    ignored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What became of one tensor of the model."""

    tensor: str
    sources: tuple[str, ...]
    status: Status
    how: str


@dataclass(frozen=True)
class Imported:
    """The model's tensors, float32, and the account.

    Attributes:
        tensors: by name in the model; those taken as they are share memory with the checkpoint's.
        entries: one per tensor of the model.
        ignored: tensors of the checkpoint that were not used, with why.
    """

    tensors: dict[str, Tensor]
    entries: tuple[Entry, ...]
    ignored: dict[str, str]


@dataclass(frozen=True)
class Allowed:
    """What is let pass, and reported, instead of being an error."""

    missing: bool = False
    unexpected: bool = False


def carry_out(
    plan: Plan, checkpoint: Mapping[str, Tensor], initial: Mapping[str, Tensor], allowed: Allowed = Allowed()
) -> Imported:
    """The model's tensors as `plan` says.

    Args:
        checkpoint: the other model's tensors.
        initial: the model's tensors before the import; they give names, shapes and what no source gives.

    Raises:
        DataError: tensors are missing, unexpected, of another shape, no floating-point numbers, or not finite; all of
            one kind are counted and the first are named.
    """
    assert [rule.target for rule in plan.rules] == list(dict.fromkeys(rule.target for rule in plan.rules))
    assert {rule.target for rule in plan.rules} == initial.keys(), "a plan says something about every tensor"
    used = {name for rule in plan.rules for name in rule.sources}
    missing = sorted(used - checkpoint.keys())
    if missing and not allowed.missing:
        _refuse(missing, "missing from the checkpoint", "--allow-missing leaves them at their initial values")
    unexpected = sorted(checkpoint.keys() - used - plan.ignored.keys())
    if unexpected and not allowed.unexpected:
        _refuse(unexpected, "unknown to this kind of checkpoint", "--allow-unexpected leaves them out")
    _check_values({name: checkpoint[name] for name in checkpoint if name in used})
    tensors, entries, misshapen = {}, [], []
    for rule in plan.rules:
        entry, value = _apply(rule, checkpoint, initial[rule.target])
        entries.append(entry)
        tensors[rule.target] = value
        if value.shape != initial[rule.target].shape:
            misshapen.append(f"{rule.target} is {tuple(value.shape)}, not {tuple(initial[rule.target].shape)}")
    if misshapen:
        _refuse(misshapen, "of another shape than the model's", "check --from and the sizes of the model")
    reasons = {name: plan.ignored.get(name, "unknown, left out as --allow-unexpected says") for name in checkpoint}
    return Imported(tensors, tuple(entries), {name: reasons[name] for name in checkpoint if name not in used})


def _apply(rule: Rule, checkpoint: Mapping[str, Tensor], initial: Tensor) -> tuple[Entry, Tensor]:
    absent = [name for name in rule.sources if name not in checkpoint]
    if absent:
        how = f"the checkpoint has no {', '.join(absent)}"
        return Entry(rule.target, (), "initial", how), initial.float()
    given = [checkpoint[name].float() for name in rule.sources] or [initial]
    try:
        value = rule.change(*given) if rule.change else given[0]
    except (RuntimeError, IndexError) as error:
        shapes = ", ".join(f"{name} {tuple(checkpoint[name].shape)}" for name in rule.sources)
        raise DataError(f"{shapes} can't become {rule.target} {tuple(initial.shape)}: {error}") from None
    return Entry(rule.target, rule.sources, rule.status, rule.how), value.float().contiguous()


def _check_values(used: Mapping[str, Tensor]) -> None:
    numbers = {name: tensor for name, tensor in used.items() if tensor.is_floating_point()}
    if wrong := sorted(used.keys() - numbers.keys()):
        _refuse(wrong, "no floating-point numbers", "import the weights as they were before quantisation")
    if broken := sorted(name for name, tensor in numbers.items() if not bool(torch.isfinite(tensor.float()).all())):
        _refuse(broken, "not finite (NaN or infinite)", "the training that wrote them diverged; use an earlier one")


def _refuse(names: Sequence[str], what: str, remedy: str) -> None:
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    are = "tensor is" if len(names) == 1 else "tensors are"
    raise DataError(f"{len(names)} {are} {what}: {shown}; {remedy}")


def left_initial(names: Iterable[str], why: str) -> list[Rule]:
    """Rules that leave tensors of the model as they are."""
    return [Rule(name, how=why) for name in names]

"""The rehearsal memory: a preallocated store of tensors, filled by reservoir sampling over visits.

Reservoir sampling (Vitter's Algorithm R) needs no task boundaries: after n visits every visit is in a memory of M slots
with probability M / n. Visits, not distinct clips, are counted, so a clip seen in several epochs may be stored twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import AfterValidator
from torch import Tensor

from avbench.wording import kind_of

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_bytes(text: str) -> int:
    """`2GiB` -> 2147483648; units are B, kB, MB, GB, KiB, MiB and GiB, decimals are allowed.

    Raises:
        ValueError: the text is no positive amount of bytes.
    """
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([kKMG]?i?B)\s*", text)
    unit = UNITS.get(found[2].upper()) if found else None
    amount = int(float(found[1]) * unit) if found and unit else 0
    if amount < 1:
        raise ValueError("a rehearsal memory is a number of clips, such as 2000, or of bytes, such as 2GiB")
    return amount


def _check_budget(value: int | str) -> int | str:
    if isinstance(value, str):
        parse_bytes(value)
    elif value < 1:
        raise ValueError("must be at least 1 clip")
    elif value >= 2**31:
        raise ValueError("too large: at most 2147483647 clips")
    return value


# Clips, or bytes with a unit.
MemoryBudget = Annotated[int | str, AfterValidator(_check_budget)]


class OfferError(ValueError):
    """What was offered to a memory does not fit its fields, or the clips it was offered for."""


@dataclass(frozen=True)
class Field:
    """One value kept per clip. `beside_model` fields live on the compute device: they come from it, every step."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    beside_model: bool = True

    @property
    def nbytes(self) -> int:
        """Bytes per clip."""
        return math.prod(self.shape) * self.dtype.itemsize


def capacity_of(budget: int | str, fields: Mapping[str, Field]) -> int:
    """How many clips with `fields` a budget holds: itself if it counts clips, else as many as fit its bytes."""
    if isinstance(budget, int):
        return budget
    return parse_bytes(budget) // sum(field.nbytes for field in fields.values())


class TensorStore:
    """At most `capacity` clips, each a value for every field.

    Args:
        capacity: slots.
        fields: what is stored per clip, by name.
        device: where `beside_model` fields live; the others stay in (pinned, for CUDA) host memory.
    """

    def __init__(self, capacity: int, fields: Mapping[str, Field], device: torch.device) -> None:
        self.capacity = capacity
        self.fields = dict(fields)
        self.visits = 0
        self.accepted = 0  # visits that were stored, also those overwritten since
        self.clip_ids: list[str] = []
        pin = device.type == "cuda"
        self._values = {
            name: torch.zeros(capacity, *field.shape, dtype=field.dtype, device=device)
            if field.beside_model
            else torch.zeros(capacity, *field.shape, dtype=field.dtype, pin_memory=pin)
            for name, field in self.fields.items()
        }

    def __len__(self) -> int:
        return len(self.clip_ids)

    @property
    def nbytes(self) -> int:
        """Bytes of all slots, filled or not."""
        return self.capacity * sum(field.nbytes for field in self.fields.values())

    def add(
        self,
        values: Mapping[str, Tensor],
        clip_ids: Sequence[str],
        generator: torch.Generator,
        keep: Tensor | None = None,
    ) -> None:
        """Offer a batch, one visit per clip, in order.

        Args:
            values: (B, *shape) per field.
            clip_ids: B names.
            generator: source of the reservoir's draws; one per visit, whatever becomes of it.
            keep: bool (B,) on the CPU; clips with False are not offered (and are no visit).

        Raises:
            OfferError: a value or `keep` is missing, of another shape, or of a type that would lose what it says.
        """
        self._check(values, len(clip_ids), keep)
        offered = range(len(clip_ids)) if keep is None else keep.nonzero().flatten().tolist()
        places = self._places(offered, generator)
        if not places:
            return
        self.accepted += len(places)
        slots, sources = torch.tensor(list(places)), torch.tensor(list(places.values()))
        local = _on_each_device(sources, values.values())
        self.write(slots, {name: value.detach()[local[value.device]] for name, value in values.items()})
        for slot, source in places.items():
            if slot == len(self.clip_ids):
                self.clip_ids.append(clip_ids[source])
            else:
                self.clip_ids[slot] = clip_ids[source]

    def _check(self, values: Any, clips: int, keep: Any) -> None:
        if not isinstance(values, Mapping) or set(values) != set(self.fields):
            given = sorted(map(str, values)) if isinstance(values, Mapping) else type(values).__name__
            raise OfferError(f"the memory holds {sorted(self.fields)}, but was given {given}")
        for name, field in self.fields.items():
            value, size = values[name], (clips, *field.shape)
            if not isinstance(value, Tensor) or tuple(value.shape) != size:
                raise OfferError(
                    f"the field {name!r} must be a tensor {size}, for {clips} clips; found {kind_of(value)}"
                )
            # Rounding to a narrower float is what a field of one asks for.
            if not torch.can_cast(value.dtype, field.dtype):
                wanted = str(field.dtype).removeprefix("torch.")
                raise OfferError(f"the field {name!r} is kept as {wanted}, but was given {kind_of(value)}; convert it")
        if keep is not None and not (
            isinstance(keep, Tensor) and keep.dtype == torch.bool and tuple(keep.shape) == (clips,)
        ):
            raise OfferError(
                f"which clips to offer must be None or a bool tensor {(clips,)}, True for those to offer; found "
                f"{kind_of(keep)}"
            )

    def _places(self, offered: Sequence[int], generator: torch.Generator) -> dict[int, int]:
        # slot -> clip of the batch; when two clips of one batch draw the same slot, the later one stands.
        draws = torch.rand(len(offered), generator=generator, dtype=torch.float64).tolist()
        places: dict[int, int] = {}
        for source, draw in zip(offered, draws, strict=True):
            slot = self.visits if self.visits < self.capacity else int(draw * (self.visits + 1))
            if slot < self.capacity:
                places[slot] = source
            self.visits += 1
        return places

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`min(count, len(self))` distinct slots, uniformly, in drawn order: int64 on the CPU."""
        return torch.randperm(len(self), generator=generator)[:count]

    def read(self, slots: Tensor) -> dict[str, Tensor]:
        """The values of `slots`, each field where it lives."""
        local = _on_each_device(slots, self._values.values())
        return {name: value[local[value.device]] for name, value in self._values.items()}

    def write(self, slots: Tensor, values: Mapping[str, Tensor]) -> None:
        """Overwrite fields of distinct `slots`."""
        local = _on_each_device(slots, self._values.values())
        for name, value in values.items():
            target = self._values[name]
            target.index_copy_(0, local[target.device], value.detach().to(target.device, target.dtype))

    def state_dict(self) -> dict[str, Tensor]:
        """The filled slots of every field (CPU)."""
        return {name: value[: len(self)].cpu().contiguous() for name, value in self._values.items()}

    def load_state_dict(
        self, state: Mapping[str, Tensor], clip_ids: Sequence[str], visits: int, accepted: int = 0
    ) -> None:
        """Restore a store of the same fields and capacity."""
        if set(state) != set(self.fields) or len(clip_ids) > self.capacity:
            raise ValueError("the saved rehearsal memory is of another method or capacity")
        self.clip_ids, self.visits, self.accepted = list(clip_ids), visits, accepted
        for name, value in state.items():
            self._values[name][: len(self)].copy_(value)


def _on_each_device(index: Tensor, values: Iterable[Tensor]) -> dict[torch.device, Tensor]:
    # Moved once per device, from pinned memory: a copy from pageable memory would make the host wait for the GPU.
    devices = {value.device for value in values}
    pinned = index.pin_memory() if any(device.type == "cuda" for device in devices) else index
    return {device: pinned.to(device, non_blocking=True) for device in devices}

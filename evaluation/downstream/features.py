"""What a frozen backbone says of the examples of a split, batch by batch; of fixed views computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from avbench.batch import Batch
from avbench.evaluation.downstream.task import Split, Workbench
from avbench.model.precision import computing_in
from avbench.training.loader import make_loader


@dataclass
class Room:
    """The bytes of memory that are left for features, of all splits of an evaluation together."""

    left: int


class Features:
    """Those of one split, (B, V, ...) float of B examples, on the device.

    Views are loaded by the run's loader processes. Kept features lie on the CPU.

    Args:
        encode: clips -> (clips, ...), computed without gradients and in the run's precision.
        room: where features of fixed views are kept from their first use on, if they fit; None where they are used only
            once.
    """

    def __init__(
        self, encode: Callable[[Batch], Tensor], split: Split, bench: Workbench, room: Room | None = None
    ) -> None:
        self.encode, self.split, self.bench, self.room = encode, split, bench, room
        self._kept: Tensor | None = None

    def batches(self, rows: Sequence[Tensor], draws: Tensor | None = None) -> Iterator[Tensor]:
        """The features of each batch of rows.

        Args:
            rows: of the split, each (B,).
            draws: (N,), what the random view of each example of the split follows from; None takes the fixed views.
        """
        if draws is not None:
            yield from self._compute([list(zip(r.tolist(), draws[r].tolist(), strict=True)) for r in rows])
            return
        if self._kept is None and self.room is not None:
            self._kept = self._keep(self.room)
        if self._kept is None:
            yield from self._compute([batch.tolist() for batch in rows])
            return
        for batch in rows:
            self.bench.check_stop()
            yield self._kept[batch].to(self.bench.device)

    def _keep(self, room: Room) -> Tensor | None:
        """Those of all examples, or None where they would take too much memory, now and whenever asked again."""
        kept: Tensor | None = None
        done, total = 0, len(self.split)
        for found in self._compute([rows.tolist() for rows in torch.arange(total).split(self._batch_size)]):
            if kept is None:
                size = found[0].nbytes * total
                if size > room.left:
                    self.room = None
                    return None
                room.left -= size
                kept = torch.empty(total, *found.shape[1:])
            kept[done : done + len(found)] = found.cpu()
            done += len(found)
            self.bench.announce("features", done=done, total=total)
        return kept

    @property
    def _batch_size(self) -> int:
        return self.bench.config.evaluation.batch_size

    @torch.no_grad()
    def _compute(self, keys: Sequence[Sequence[Any]]) -> Iterator[Tensor]:
        """Of batches of examples, each named as `Split.views` wants it."""
        device, config = self.bench.device, self.bench.config
        for wire in make_loader(_Named(self.split), keys, config.workers, pin=device.type == "cuda"):
            self.bench.check_stop()
            examples, views = wire["audio"].shape[:2]
            names = [name for name in wire["clip_id"] for _ in range(views)]
            clips = Batch.from_wire(wire["audio"].flatten(0, 1), wire["video"].flatten(0, 1), names, device)
            with computing_in(config.precision, device):
                found = self.encode(clips).float()
            yield found.unflatten(0, (examples, views))


class _Named(Dataset[dict[str, Any]]):
    """The views of a split as loaders collate them."""

    def __init__(self, split: Split) -> None:
        self.views, self.names = split.views, split.names

    def __getitem__(self, key: Any) -> dict[str, Any]:
        row = key[0] if isinstance(key, tuple) else key
        return {**self.views[key], "clip_id": self.names[row]}

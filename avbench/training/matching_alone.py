"""Further training of the matching module alone, on a finished, frozen backbone.

STELLA's released commands do so before continual pre-training starts: Adam, learning rate 1e-4, batches of 48, for 15
epochs (Continual-VS) or 8 (Continual-AS).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.training.loader import batches_per_epoch, epoch_batches, make_loader
from avbench.training.pretraining import BasePretraining
from avbench.training.session import Session, load_optimizer, optimizer_tensors
from avbench.training.terms import TermLog


class MatchingAlone:
    """The epochs of the matching module, which can be left and taken up again behind every step.

    Args:
        session: of `strategy`; its backbone is not changed.
        store: holds the clips.
        rows: of the store, what is trained on.

    Attributes:
        step: updates so far; `steps` is the number of all.
        loss: the matching loss of the steps since it was last read.
    """

    def __init__(self, session: Session, strategy: BasePretraining, store: Any, rows: Sequence[int]) -> None:
        config = session.config
        self.session, self.strategy, self.store, self.rows = session, strategy, store, rows
        self.epochs, self.batch_size = config.pretraining.matching_extra_epochs, config.training.batch_size
        self.steps = self.epochs * batches_per_epoch(len(rows), self.batch_size)
        self.epoch = self.batch = self.step = 0
        self.loss = TermLog()
        rate, betas = config.pretraining.matching_learning_rate, config.training.betas
        self.optimizer = torch.optim.Adam(strategy.matching.parameters(), lr=rate, betas=betas)
        self._epoch_state = session.generators["data"].get_state()

    def train(self, after_step: Callable[[], None]) -> None:
        """All epochs, or what is left of them."""
        generator, device = self.session.generators["data"], self.session.device
        while self.epoch < self.epochs:
            self._epoch_state = generator.get_state()
            batches = epoch_batches(self.rows, self.batch_size, generator)[self.batch :]
            for wire in make_loader(self.store, batches, self.session.config.workers, pin=device.type == "cuda"):
                self._update(Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], device))
                after_step()
            self.epoch, self.batch = self.epoch + 1, 0

    def _update(self, batch: Batch) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with self.session.template.autocast():
            loss = self.strategy.matching_loss(batch)
        loss.backward()
        self.optimizer.step()
        self.batch, self.step = self.batch + 1, self.step + 1
        self.loss.add(loss, {})

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside the session's."""
        return {"data": self._epoch_state} | {f"adam.{k}": v for k, v in optimizer_tensors(self.optimizer).items()}

    def state_dict(self) -> dict[str, int]:
        """Where it stands."""
        return {"epoch": self.epoch, "batch": self.batch, "step": self.step}

    def load(self, tensors: Mapping[str, Tensor], state: Mapping[str, int]) -> None:
        """Restore both, after the session's own state; an unfinished epoch begins with the order it had."""
        self.epoch, self.batch, self.step = (int(state[name]) for name in ("epoch", "batch", "step"))
        adam = {name.removeprefix("adam."): value for name, value in tensors.items() if name.startswith("adam.")}
        load_optimizer(self.optimizer, adam)
        if self.batch:
            self.session.generators["data"].set_state(tensors["data"])

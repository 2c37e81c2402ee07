"""ESMER: error-sensitive replay. Clips that surprise a slow teacher count less and are kept out of the memory.

Sarfraz et al., Error Sensitivity Modulation based Experience Replay, ICLR 2023, section 3. With l the teacher's loss of
a stream clip and mu its running mean, a clip with l >= beta mu is weighed by mu / l, and one with l > beta mu is not
offered to the memory. The embeddings of replayed clips are held to the teacher's. After the update

    mu <- a mu + (1 - a) mean(l that are at most one deviation above their mean),    a = min(1 - 1 / (t + 1), alpha_l).

While mu is zero, all clips count fully and are offered. As in STELLA's experiments, l is the whole loss of a clip,
contrast included, under masks of the teacher's own (`masks: fresh`); the working network is evaluated where the paper
deploys the teacher; and there is no first epoch of each task without storing, which would need boundaries.

With beta = 1 (STELLA, Table 5) about half of all clips are refused, and more while mu still climbs from zero: watch the
logged share `accepted`. `start: first-batch` gives mu the first batch's mean instead; that, shared masks, a mean of its
own for the memory's loss, and the evaluated teacher are `variant: faithful`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Option
from torch import Tensor

from avbench.config import Fraction
from avbench.strategies.consistency import Consistency, ConsistencyConfig
from avbench.training.strategy import Context, Step
from avbench.training.teacher import Teacher


class ESMERConfig(ConsistencyConfig):
    """Options of ESMER; the defaults are STELLA, Table 5 (Continual-VS)."""

    faithful: ClassVar[Mapping[str, Any]] = {"start": "first-batch", "evaluate": "teacher"}

    consistency_weight: float = Option(0.15, ge=0)  # gamma
    loss_margin: float = Option(1.0, gt=0)  # beta
    loss_decay: Fraction = 0.99  # alpha_l
    start: Literal["zero", "first-batch"] = "zero"  # of mu
    decay: Fraction = 0.999  # alpha, of the teacher
    update_probability: Fraction = 0.2  # r, of the teacher
    evaluate: Literal["working", "teacher"] = "working"


class ESMER(Consistency):
    """ER with a teacher that judges the stream (cost: about 7.6 forward units a step, and the network's memory)."""

    Config = ESMERConfig

    def setup(self, context: Context) -> None:
        """Copy the network; no loss has been seen yet."""
        super().setup(context)
        self.teachers = {"teacher": Teacher(self.net, self.config.decay, self.config.update_probability)}
        self.mean_loss = torch.zeros((), device=context.device)  # mu

    @torch.no_grad()
    def weigh(self, step: Step) -> Tensor:
        """mu / l for stream clips that surprise the teacher, one for all others; notes what may be remembered."""
        count = len(step.stream)
        losses = self.clip_loss(self.teachers["teacher"].net(step.stream, self.teacher_masks(step, 0, count)))
        if self.config.start == "first-batch":
            self.mean_loss = torch.where(self.mean_loss > 0, self.mean_loss, losses.mean())
        mean, limit = self.mean_loss, self.config.loss_margin * self.mean_loss
        accepted = (losses <= limit) | (mean == 0)
        step.notes |= {"teacher_loss": losses, "accepted": accepted}
        # Logged, not part of the loss: the share of the stream's clips that is offered to the memory.
        step.terms["accepted"] = accepted.float().mean()
        weights = torch.where((losses >= limit) & (mean > 0), mean / losses, 1.0)
        return torch.cat([weights, torch.ones(len(step.joint) - count, device=losses.device)])

    @torch.no_grad()
    def targets(self, step: Step) -> tuple[Tensor, Tensor]:
        """The teacher's embeddings."""
        assert step.replay is not None
        masks = self.teacher_masks(step, len(step.stream), len(step.joint))
        taught = self.teachers["teacher"].net(step.replay.batch, masks, parts={"contrastive"})
        return taught.z_audio, taught.z_video

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """Offer what did not surprise the teacher; on a GPU this waits for the step, the one time in it."""
        payload, _ = super().remember(step)
        return payload, step.notes["accepted"].cpu()

    def after_update(self, strategy: Any, **kwargs: Any) -> None:
        """Memory and teacher first, then mu."""
        super().after_update(strategy, **kwargs)
        rate = min(1 - 1 / (self.teachers["teacher"].steps + 1), self.config.loss_decay)
        self.mean_loss = rate * self.mean_loss + (1 - rate) * typical_loss(strategy.step.notes["teacher_loss"])

    def state_dict(self) -> dict[str, Tensor]:
        """mu."""
        return {"mean_loss": self.mean_loss}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore mu."""
        self.mean_loss = state["mean_loss"].to(self.context.device)


def typical_loss(losses: Tensor) -> Tensor:
    """The mean, a scalar, of those losses (B,) that are at most one standard deviation above the mean of all."""
    deviation = losses.std(correction=min(1, len(losses) - 1))  # that of one loss is zero
    typical = losses <= losses.mean() + deviation
    return torch.where(typical, losses, 0.0).sum() / typical.sum()

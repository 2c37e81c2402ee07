"""The base of methods that look one update ahead: what would training on the stream alone do to the past?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field as Option
from torch import Tensor
from torch.nn.utils import get_total_norm

from avbench.batch import Batch
from avbench.model.masking import Noise
from avbench.training.strategy import AudioVideoStrategy, ReplayConfig
from avbench.training.virtual import Kind, gradients, virtual_parameters


class LookaheadConfig(ReplayConfig):
    """Options of the virtual update, beside those of replay."""

    faithful: ClassVar[Mapping[str, Any]] = {"masks": "shared"}

    # The passes before and after the virtual update draw masks of their own, or share them: then the difference of the
    # two is the update's doing alone.
    masks: Literal["fresh", "shared"] = "fresh"
    virtual_step: Kind = "optimizer"  # the update training would make, or plain gradient descent
    virtual_learning_rate: float | None = Option(None, ge=0, le=1000)  # None: the optimizer's


class Lookahead(AudioVideoStrategy):
    """Experience replay with a virtual update; all that it draws comes from `aux`."""

    Config = LookaheadConfig

    def parameters_ahead(self, stream: Batch) -> dict[str, Tensor]:
        """The network's parameters by name, after one update on the stream's clips alone that is never made.

        Gradients are clipped as in training; parameters, their `.grad` and the optimizer's state stay as they are.
        """
        loss = self.clip_loss(self.net(stream, self.draw_noise(len(stream)))).mean()
        gradient, limit = gradients(loss, self.net), self.context.training.clip_gradient
        if limit is not None:
            scale = (limit / (get_total_norm(gradient.values()) + 1e-6)).clamp(max=1.0)
            gradient = {name: value * scale for name, value in gradient.items()}
        kind, rate = self.config.virtual_step, self.config.virtual_learning_rate
        return virtual_parameters(self.net, self.optimizer, gradient, kind, rate)

    def masks_around(self, clips: int) -> tuple[Noise, Noise]:
        """The masks of a pass over `clips` clips before the virtual update, and of one after it."""
        before = self.draw_noise(clips)
        return before, before if self.config.masks == "shared" else self.draw_noise(clips)

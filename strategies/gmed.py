"""GMED: gradient-based memory editing. Replayed clips are first made harder, and stay so in the memory.

Jin et al., Gradient-based Editing of Memory Examples for Online Task-free Continual Learning, NeurIPS 2021. A clip x is
edited along the gradient of how much an update on the stream would raise its loss l:

    x <- x + alpha gamma^k ((g_ahead - g_now) + sign beta g_now),    g = d mean(l) / dx,

k being how often it was edited before. The memory keeps clips as float32 model input, since edits vanish in 8 bits.

The paper's objective keeps the present loss low, sign = -1, the default of `variant: faithful`; its released code and
STELLA's experiments evaluate to +1. STELLA's experiments also drew new masks for the two gradients (`masks: fresh`) and
never decayed edits (gamma = 1). As the loss is a mean, its gradient falls with the batch size; alpha was tuned at 12
clips, so edits are scaled to what a batch of `edit_reference_batch` clips would get.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Option
from torch import Tensor

from avbench.batch import Batch
from avbench.model.masking import Noise
from avbench.training.lookahead import Lookahead, LookaheadConfig
from avbench.training.memory import Field
from avbench.training.strategy import Replay, Step
from avbench.training.virtual import output_at


class GMEDConfig(LookaheadConfig):
    """Options of GMED; the defaults are STELLA, Table 5 (Continual-VS)."""

    faithful: ClassVar[Mapping[str, Any]] = {"sign": -1}

    alpha: float = Option(0.1, ge=0)  # stride of an edit
    beta: float = Option(0.05, ge=0)  # weight of the present gradient
    gamma: float = Option(1.0, ge=0, le=1)  # decay of the stride with every edit of a clip
    sign: Literal[1, -1] = 1  # of the present gradient: its loss rises with 1 and is held low with -1
    edit_reference_batch: int = Option(12, ge=1, le=65536)  # clips


class GMED(Lookahead):
    """ER on clips it edits (cost: 15 forward units a step)."""

    Config = GMEDConfig

    def memory_fields(self) -> dict[str, Field]:
        """Clips as the model sees them, and how often each was edited."""
        clips = {name: Field(field.shape, beside_model=False) for name, field in super().memory_fields().items()}
        return clips | {"edits": Field((), torch.int64)}

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """The stream's clips as the model saw them, not yet edited."""
        edits = torch.zeros(len(step.stream), dtype=torch.int64, device=self.context.device)
        return {"audio": step.stream.audio, "video": step.stream.video, "edits": edits}, None

    def stored_batch(self, fields: Mapping[str, Tensor], names: Any) -> Batch:
        """They are model input already."""
        audio, video = (fields[name].to(self.context.device, non_blocking=True) for name in ("audio", "video"))
        return Batch(audio, video, tuple(names))

    def edit(self, step: Step, replay: Replay) -> Replay:
        """Move each clip by its stride, in the memory too."""
        ahead = self.parameters_ahead(step.stream)
        now = {name: parameter.detach() for name, parameter in self.net.named_parameters()}
        masks = self.masks_around(len(replay))
        slopes_now, slopes_ahead = (
            self._slopes(parameters, replay.batch, noise) for parameters, noise in zip((now, ahead), masks, strict=True)
        )
        config, edits = self.config, replay.fields["edits"]
        stride = config.alpha * config.gamma**edits * (len(replay) / config.edit_reference_batch)
        moved = [
            clips + stride.view(-1, *[1] * (clips.ndim - 1)) * ((later - slope) + config.sign * config.beta * slope)
            for clips, slope, later in zip(
                (replay.batch.audio, replay.batch.video), slopes_now, slopes_ahead, strict=True
            )
        ]
        edited = {"audio": moved[0], "video": moved[1], "edits": edits + 1}
        assert self.memory is not None
        self.memory.write(replay.slots, edited)
        return Replay(Batch(moved[0], moved[1], replay.batch.clip_id), replay.fields | edited, replay.slots)

    def _slopes(self, parameters: Mapping[str, Tensor], clips: Batch, noise: Noise) -> tuple[Tensor, ...]:
        """The gradient of the mean loss by audio and video, through what is reconstructed as well."""
        audio, video = clips.audio.detach().requires_grad_(), clips.video.detach().requires_grad_()
        loss = self.clip_loss(output_at(self.net, parameters, Batch(audio, video, clips.clip_id), noise)).mean()
        return torch.autograd.grad(loss, (audio, video))

"""DER++: experience replay that also keeps today's embeddings of a clip close to those it had when it was stored.

Buzzega et al., Dark Experience for General Continual Learning, NeurIPS 2020, Equation 6. "Logits" are the pooled audio
and video embeddings of a masked pass, as in STELLA's experiments. There, one draw of replayed clips serves both the
distillation and the replay term, the replay term has no weight of its own, and masks are new at every replay, so that
even an unchanged network pays. `variant: faithful` draws twice and distils under the masks of when a clip was stored;
its negatives of the contrastive loss still come from stream and memory, as for every method here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Option
from torch import Tensor
from torch.nn.functional import mse_loss

from avbench.model.mae import Output
from avbench.model.masking import Noise
from avbench.training.memory import Field
from avbench.training.strategy import AudioVideoStrategy, Replay, ReplayConfig, Step


class DERPlusPlusConfig(ReplayConfig):
    """Options of DER++."""

    faithful: ClassVar[Mapping[str, Any]] = {"draws": 2, "replay_masks": "stored"}

    alpha: float = Option(0.5, ge=0)  # weight of the distillation penalty; STELLA, Table 5 (Continual-VS)
    beta: float = Option(1.0, ge=0)  # weight of the replayed clips' loss
    draws: Literal[1, 2] = 1  # with 2, other clips are distilled than those whose loss counts
    replay_masks: Literal["fresh", "stored"] = "fresh"  # of the pass whose embeddings are held to the stored ones


class DERPlusPlus(AudioVideoStrategy):
    """ER with an embedding penalty (cost: 6 forward units a step, as ER; with two draws about 8)."""

    Config = DERPlusPlusConfig

    def memory_fields(self) -> dict[str, Field]:
        """ER's clips, the two pooled embeddings and, if they are to come back, the masks they were made under."""
        shape, width = self.context.shape, self.context.model.width
        fields = super().memory_fields() | {"z_audio": Field((width,)), "z_video": Field((width,))}
        if self.config.replay_masks == "stored":
            fields |= {"noise_audio": Field((shape.audio_tokens,)), "noise_video": Field((shape.video_tokens,))}
        return fields

    def masks(self, step: Step) -> Noise:
        """With one draw, replayed clips are trained on under the masks that are asked for."""
        drawn = super().masks(step)
        if step.replay is None or self.config.replay_masks == "fresh" or self.config.draws == 2:
            return drawn
        return Noise.cat([drawn[: len(step.stream)], self._stored_masks(step.replay)])

    def weigh(self, step: Step) -> Tensor | None:
        """beta for replayed clips."""
        if step.replay is None or self.config.beta == 1:
            return None
        count, replayed = len(step.stream), len(step.joint) - len(step.stream)
        return torch.tensor([1.0] * count + [self.config.beta] * replayed).to(self.context.device, non_blocking=True)

    def penalty(self, step: Step) -> dict[str, Tensor]:
        """alpha times the mean squared distance of new from stored embeddings, summed over the modalities."""
        if step.replay is None:
            return {}
        replay, out, first = step.replay, step.output, len(step.stream)
        if self.config.draws == 2:
            replay, out, first = *self._second_draw(len(step.stream)), 0
        assert out.z_audio is not None
        assert out.z_video is not None
        distance = mse_loss(out.z_audio[first:].float(), replay.fields["z_audio"])
        distance = distance + mse_loss(out.z_video[first:].float(), replay.fields["z_video"])
        return {"distillation": self.config.alpha * distance}

    def _second_draw(self, count: int) -> tuple[Replay, Output]:
        assert self.memory is not None
        replay = self.replay(self.memory.sample(count, self.generators["aux"]))
        stored = self.config.replay_masks == "stored"
        masks = self._stored_masks(replay) if stored else self.draw_noise(len(replay))
        return replay, self.net(replay.batch, masks, parts={"contrastive"})

    def _stored_masks(self, replay: Replay) -> Noise:
        return Noise(replay.fields["noise_audio"], replay.fields["noise_video"])

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """Store the embeddings of the very forward pass the clip was trained with."""
        payload, keep = super().remember(step)
        count, out = len(step.stream), step.output
        assert out.z_audio is not None
        assert out.z_video is not None
        payload |= {"z_audio": out.z_audio[:count], "z_video": out.z_video[:count]}
        if self.config.replay_masks == "stored":
            payload |= {"noise_audio": step.noise.audio[:count], "noise_video": step.noise.video[:count]}
        return payload, keep

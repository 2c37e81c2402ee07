"""DER++: experience replay that also keeps today's embeddings of a clip close to those it had when it was stored.

Buzzega et al., Dark Experience for General Continual Learning, NeurIPS 2020. As in STELLA's experiments, "logits" are
the pooled audio and video embeddings, and one draw of replayed clips serves both the distillation and the replay term.
"""

from __future__ import annotations

from pydantic import Field as Option
from torch import Tensor
from torch.nn.functional import mse_loss

from avbench.training.memory import Field
from avbench.training.strategy import AudioVideoStrategy, ReplayConfig, Step


class DERPlusPlusConfig(ReplayConfig):
    """Options of DER++."""

    alpha: float = Option(0.5, ge=0)  # weight of the distillation penalty; STELLA, Table 5 (Continual-VS)


class DERPlusPlus(AudioVideoStrategy):
    """ER with an embedding penalty (cost: 6 forward units a step, as ER)."""

    Config = DERPlusPlusConfig

    def memory_fields(self) -> dict[str, Field]:
        """ER's clips and the two pooled embeddings."""
        width = self.context.model.width
        return super().memory_fields() | {"z_audio": Field((width,)), "z_video": Field((width,))}

    def penalty(self, step: Step) -> dict[str, Tensor]:
        """alpha times the mean squared distance of new from stored embeddings, summed over the modalities."""
        if step.replay is None:
            return {}
        count, out, stored = len(step.stream), step.output, step.replay.fields
        assert out.z_audio is not None
        assert out.z_video is not None
        distance = mse_loss(out.z_audio[count:].float(), stored["z_audio"])
        distance = distance + mse_loss(out.z_video[count:].float(), stored["z_video"])
        return {"distillation": self.config.alpha * distance}

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """Store the embeddings of the very forward pass the clip was trained with."""
        payload, keep = super().remember(step)
        count, out = len(step.stream), step.output
        assert out.z_audio is not None
        assert out.z_video is not None
        return payload | {"z_audio": out.z_audio[:count], "z_video": out.z_video[:count]}, keep

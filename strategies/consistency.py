"""The base of methods that hold replayed clips to what slow teachers make of them (CLS-ER, ESMER)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field as Option
from torch import Tensor
from torch.nn.functional import mse_loss

from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise
from avbench.training.strategy import AudioVideoStrategy, ReplayConfig, Step


class ConsistencyConfig(ReplayConfig):
    """Options of the consistency penalty, beside those of replay."""

    faithful: ClassVar[Mapping[str, Any]] = {"masks": "shared"}

    consistency_weight: float = Option(0.1, ge=0)
    # Teachers see a clip under masks of their own, or under those of the training pass: then only weights differ.
    masks: Literal["fresh", "shared"] = "fresh"
    evaluate: str = "working"  # the network whose scores stand for the method; the others' are reported beside them


class Consistency(AudioVideoStrategy):
    """Experience replay whose embeddings of replayed clips follow targets; all that teachers draw comes from `aux`."""

    Config = ConsistencyConfig

    @property
    def evaluated(self) -> dict[str, AudioVideoMAE]:
        """The network asked for, then the others."""
        networks, first = super().evaluated, self.config.evaluate
        return {first: networks[first], **networks}

    def targets(self, step: Step) -> tuple[Tensor, Tensor]:
        """What the pooled audio and video embeddings of the replayed clips should be, two (replayed, D)."""
        raise NotImplementedError

    def penalty(self, step: Step) -> dict[str, Tensor]:
        """The mean squared distance of the training pass's embeddings from their targets, summed over the modalities.

        Embeddings of a clip don't depend on what else is in the batch, so the joint pass serves: a second one over the
        replayed clips alone, as the papers have it, would give the same.
        """
        if step.replay is None:
            return {}
        first, out = len(step.stream), step.output
        assert out.z_audio is not None
        assert out.z_video is not None
        audio, video = self.targets(step)
        distance = mse_loss(out.z_audio[first:], audio) + mse_loss(out.z_video[first:], video)
        return {"consistency": self.config.consistency_weight * distance}

    def teacher_masks(self, step: Step, first: int, last: int) -> Noise:
        """Masks for a teacher's pass over clips `first` to `last` (exclusive) of the joint batch."""
        return step.noise[first:last] if self.config.masks == "shared" else self.draw_noise(last - first)

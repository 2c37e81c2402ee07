"""LUMP: lifelong unsupervised mixup. Train on mixtures of the stream's clips with those of the memory.

Madaan et al., Representational Continuity for Unsupervised Continual Learning, ICLR 2022. Every step draws one weight
from Beta(a, a) and mixes clip i of the stream with replayed clip i, spectrogram and video alike:

    x = weight x_stream + (1 - weight) x_memory.

The mixture is what is seen, reconstructed, and matched with its own other modality. Spectrograms are mixed as the model
sees them, normalised log-mel, not as waveforms. With the concentrations of STELLA's experiments, a = 0.1 and 0.05, most
weights are next to 0 or 1: 64 % and 80 % are within 0.01 of them, so that LUMP mostly alternates between the stream and
the memory (the original used a = 0.4). `variant` changes nothing here: both forms are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Option

from avbench.batch import Batch
from avbench.training.strategy import AudioVideoStrategy, ReplayConfig, Step

EDGE = 0.01  # with a weight this near to 0 or 1 a batch is as good as unmixed


class LUMPConfig(ReplayConfig):
    """Options of LUMP."""

    faithful: ClassVar[Mapping[str, Any]] = {"replay_loss": "joint"}

    concentration: float = Option(0.1, ge=1e-3, le=1000)  # a; STELLA, Table 5 (Continual-VS, there called lambda)
    replay_loss: Literal["joint"] = "joint"  # a mixture is no longer of the stream or of the memory


class LUMP(AudioVideoStrategy):
    """One batch of mixtures (cost: 3 forward units a step, as Finetune)."""

    Config = LUMPConfig

    def compose(self, step: Step) -> Batch:
        """As many mixtures as the stream brings clips; a memory that holds fewer is gone through again."""
        weight = 1.0 if step.replay is None else self.mixing_weight()
        self._log(step, weight)
        if step.replay is None:
            return step.stream
        stream, past = step.stream, step.replay.batch
        pair = torch.arange(len(stream), device=self.context.device) % len(past)
        audio = weight * stream.audio + (1 - weight) * past.audio[pair]
        video = weight * stream.video + (1 - weight) * past.video[pair]
        return Batch(audio, video, stream.clip_id)

    def _log(self, step: Step, weight: float) -> None:
        """The share of the stream in what is trained on, and in which part of its range it is; none is of the loss.

        Over many steps the last three become the shares of batches of the memory, of mixtures, and of the stream.
        """
        memory, stream = weight <= EDGE, weight >= 1 - EDGE
        mixed = not (memory or stream)
        shares = {"mixing": weight, "mixing_memory": memory, "mixing_both": mixed, "mixing_stream": stream}
        values = torch.tensor([float(share) for share in shares.values()]).to(self.context.device, non_blocking=True)
        step.terms.update(zip(shares, values, strict=True))

    def mixing_weight(self) -> float:
        """One draw from Beta(concentration, concentration)."""
        seed = int(torch.randint(2**62, (), generator=self.generators["mix"]))
        return float(np.random.default_rng(seed).beta(self.config.concentration, self.config.concentration))

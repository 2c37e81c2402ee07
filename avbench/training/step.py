"""What the hooks of a strategy are given: the run's context once, and one `Step` per update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Never

import torch
from torch import Tensor

from avbench.batch import Batch, no_such_attribute
from avbench.config import ClipShape, ModelConfig, TrainingConfig
from avbench.model.mae import AudioVideoMAE, Output
from avbench.model.masking import Keep, Noise
from avbench.training.generators import Generators
from avbench.training.terms import Terms


@dataclass(frozen=True)
class Context:
    """What a strategy is given once, before training."""

    net: AudioVideoMAE
    shape: ClipShape
    model: ModelConfig
    training: TrainingConfig
    generators: Generators
    device: torch.device
    base_weights: Mapping[str, Tensor]  # those that are not the model's, such as `matching.*`; empty without any
    profile: str  # of the benchmark: quick, standard, paper


@dataclass(frozen=True)
class Replay:
    """Clips drawn from the rehearsal memory, with everything that was stored beside them."""

    batch: Batch
    fields: dict[str, Tensor]
    slots: Tensor  # int64 (B,), on the CPU

    def __len__(self) -> int:
        return len(self.batch)


@dataclass
class Step:
    """What one training step knows; the hooks of a strategy read it and may leave notes for later hooks in `notes`."""

    wire: Mapping[str, Any]  # the stream's clips as loaded, on the CPU: audio, video, clip_id
    stream: Batch
    replay: Replay | None = None
    joint: Batch = None  # type: ignore[assignment]  # what is trained on; set by `compose`
    noise: Noise = None  # type: ignore[assignment]
    keep: Keep | None = None
    output: Output = None  # type: ignore[assignment]
    terms: Terms = field(default_factory=Terms)
    notes: dict[str, Tensor] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Never:
        """Nothing else is here; as for `Batch`, reading a label or a task is an error of its own."""
        raise no_such_attribute(self, name)

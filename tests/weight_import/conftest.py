"""A small model of the depths that ImageNet transformers and CAV-MAE have, and clips for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from foreign_checkpoints import Importer, Weights

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig
from avbench.model.importing import SOURCES
from avbench.model.importing.plan import Allowed, Imported, carry_out
from avbench.model.mae import AudioVideoMAE
from avbench.model.matching import AudioVideoMatching


@pytest.fixture
def shape() -> ClipShape:
    """M = 5 x 3 audio tokens (not square: a turned table shows) and N = 2 x 3 x 3 video tokens."""
    return ClipShape(frames=2, image_size=12, audio_frames=20, mel_bins=12, patch=4)


@pytest.fixture
def model() -> ModelConfig:
    """10 + 2 blocks, as STELLA's."""
    return ModelConfig(width=24, heads=3, decoder_width=16, decoder_heads=4)


@pytest.fixture
def batch(shape: ClipShape) -> Batch:
    generator = torch.Generator().manual_seed(1)
    audio = torch.randn(2, 1, shape.audio_frames, shape.mel_bins, generator=generator)
    video = torch.randn(2, shape.frames, 3, shape.image_size, shape.image_size, generator=generator)
    return Batch(audio, video, ("a", "b"))


@pytest.fixture
def imported(shape: ClipShape, model: ModelConfig) -> Importer:
    """`imported(source, checkpoint, model=..., **choices)`."""

    def run(source: str, checkpoint: Weights, allowed: Allowed = Allowed(), **given: Any) -> Imported:
        sizes = given.pop("model", model)
        kind = SOURCES[source](shape, sizes, **given)
        kind.check_sizes(checkpoint)
        initial = dict(AudioVideoMAE(shape, sizes).state_dict())
        if any(name.startswith("avmatching_module.") for name in checkpoint):
            matching = AudioVideoMatching(sizes.width, sizes.heads).state_dict()
            initial |= {f"matching.{name}": tensor for name, tensor in matching.items()}
        return carry_out(kind.plan(checkpoint, list(initial)), checkpoint, initial, allowed)

    return run

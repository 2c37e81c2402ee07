"""A tiny model whose every parameter, norms and biases included, has a random value."""

from __future__ import annotations

import pytest
import torch

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise
from avbench.model.matching import AudioVideoMatching


def shaken(module: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)


@pytest.fixture
def shape() -> ClipShape:
    """M = 5 x 3 = 15 audio and N = 2 x 3 x 3 = 18 video tokens."""
    return ClipShape(frames=2, image_size=12, audio_frames=20, mel_bins=12, patch=4)


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig(
        width=24,
        heads=3,
        unimodal_depth=2,
        fusion_depth=2,
        decoder_width=16,
        decoder_depth=2,
        decoder_heads=4,
        mask_ratio=0.7,
    )


@pytest.fixture
def net(shape: ClipShape, config: ModelConfig) -> AudioVideoMAE:
    net = AudioVideoMAE(shape, config)
    shaken(net)
    return net


@pytest.fixture
def matching(config: ModelConfig) -> AudioVideoMatching:
    matching = AudioVideoMatching(config.width, config.heads)
    shaken(matching)
    return matching


@pytest.fixture
def batch(shape: ClipShape) -> Batch:
    """Five clips."""
    generator = torch.Generator().manual_seed(1)
    audio = torch.randn(5, 1, shape.audio_frames, shape.mel_bins, generator=generator)
    video = torch.randn(5, shape.frames, 3, shape.image_size, shape.image_size, generator=generator)
    return Batch(audio, video, tuple("abcde"))


@pytest.fixture
def noise(shape: ClipShape) -> Noise:
    return Noise.draw(5, shape, torch.Generator().manual_seed(2))

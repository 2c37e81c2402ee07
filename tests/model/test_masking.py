"""Masks are functions of noise: shared with it, nested in what is kept."""

from __future__ import annotations

import pytest
import torch

from avbench.config import ClipShape
from avbench.model.masking import Mask, Noise


def test_visible_tokens_have_the_lowest_noise_of_those_kept() -> None:
    noise = torch.rand(4, 10, generator=torch.Generator().manual_seed(0))
    keep = torch.stack([torch.randperm(10, generator=torch.Generator().manual_seed(i))[:7] for i in range(4)])
    mask = Mask.split(noise, keep, 3)
    for row in range(4):
        ranked = sorted(keep[row].tolist(), key=lambda token: float(noise[row, token]))
        assert mask.visible[row].tolist() == ranked[:3]
        assert mask.targets[row].tolist() == ranked[3:]


def test_keeping_every_token_in_any_order_is_keeping_all() -> None:
    noise = torch.rand(3, 12, generator=torch.Generator().manual_seed(0))
    everything = torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(i)) for i in range(3)])
    free, kept = Mask.split(noise, None, 5), Mask.split(noise, everything, 5)
    assert torch.equal(free.visible, kept.visible)
    assert torch.equal(free.targets, kept.targets)


def test_fewer_kept_than_visible_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 tokens are kept, but 3 must be visible"):
        Mask.split(torch.rand(1, 6), torch.tensor([[0, 1]]), 3)


def test_noise_is_a_function_of_its_generator_and_travels_with_its_clips(shape: ClipShape) -> None:
    first = Noise.draw(4, shape, torch.Generator().manual_seed(3))
    again = Noise.draw(4, shape, torch.Generator().manual_seed(3))
    assert torch.equal(first.audio, again.audio)
    assert torch.equal(first.video, again.video)
    assert first.audio.shape == (4, shape.audio_tokens)
    assert first.video.shape == (4, shape.video_tokens)
    assert float(first.audio.min()) >= 0
    assert float(first.audio.max()) < 1
    joined = Noise.cat([first[2:], first[torch.tensor([1, 0])]])
    assert len(joined) == 4
    assert torch.equal(joined.video, first.video[[2, 3, 1, 0]])

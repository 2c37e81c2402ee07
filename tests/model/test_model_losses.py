"""The losses against plain loops."""

from __future__ import annotations

import math

import torch

from avbench.model.losses import contrastive_loss, cosine_similarity, normalise_patches, reconstruction_loss


def test_targets_are_normalised_with_the_unbiased_variance() -> None:
    patches = torch.randn(2, 3, 5) * 4 + 2
    patches[0, 0] = 1.5  # a flat patch has no variance: epsilon keeps it finite
    normal = normalise_patches(patches, 1e-3)
    for row, out in zip(patches.view(-1, 5).tolist(), normal.view(-1, 5).tolist(), strict=True):
        mean = sum(row) / 5
        variance = sum((x - mean) ** 2 for x in row) / 4
        for x, y in zip(row, out, strict=True):
            assert math.isclose(y, (x - mean) / math.sqrt(variance + 1e-3), abs_tol=1e-5)


def test_reconstruction_is_the_mean_square_over_a_clips_targets() -> None:
    prediction, target = torch.randn(3, 4, 6), torch.randn(3, 4, 6)
    losses = reconstruction_loss(prediction, target)
    for clip in range(3):
        total = sum(float(prediction[clip, r, p] - target[clip, r, p]) ** 2 for r in range(4) for p in range(6))
        assert math.isclose(float(losses[clip]), total / 24, rel_tol=1e-5)


def test_gradients_reach_the_targets() -> None:
    patches = torch.randn(2, 3, 5, requires_grad=True)
    reconstruction_loss(torch.randn(2, 3, 5), normalise_patches(patches, 1e-6)).sum().backward()
    assert patches.grad is not None
    assert patches.grad.abs().sum() > 0


def test_contrastive_is_the_mean_of_both_directions() -> None:
    z_audio, z_video = torch.randn(4, 8), torch.randn(4, 8)
    similarity = cosine_similarity(z_audio, z_video)
    losses = contrastive_loss(similarity, 0.05)

    def cosine(i: int, j: int) -> float:
        a: list[float] = z_audio[i].tolist()
        v: list[float] = z_video[j].tolist()
        dot = sum(x * y for x, y in zip(a, v, strict=True))
        return dot / math.sqrt(sum(x * x for x in a) * sum(x * x for x in v))

    for i in range(4):
        to_video = -cosine(i, i) / 0.05 + math.log(sum(math.exp(cosine(i, j) / 0.05) for j in range(4)))
        to_audio = -cosine(i, i) / 0.05 + math.log(sum(math.exp(cosine(j, i) / 0.05) for j in range(4)))
        assert math.isclose(float(losses[i]), (to_video + to_audio) / 2, rel_tol=1e-4, abs_tol=1e-4)
        for j in range(4):
            assert math.isclose(float(similarity[i, j]), cosine(i, j), abs_tol=1e-6)


def test_losses_are_full_precision_under_autocast() -> None:
    z_audio, z_video = torch.randn(4, 8), torch.randn(4, 8)
    with torch.autocast("cpu", torch.bfloat16):
        similarity = cosine_similarity(z_audio.bfloat16(), z_video.bfloat16())
        loss = contrastive_loss(similarity, 0.05)
    assert similarity.dtype == loss.dtype == torch.float32
    plain = cosine_similarity(z_audio.bfloat16().float(), z_video.bfloat16().float())
    assert torch.equal(similarity, plain)

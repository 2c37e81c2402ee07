"""The two pre-training losses, one value per clip, in float32 whatever the precision of the network."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, layer_norm, mse_loss, normalize

from avbench.model.precision import full_precision


def normalise_patches(patches: Tensor, epsilon: float) -> Tensor:
    """Give each patch (..., pixels) zero mean and unit (unbiased) variance; `epsilon` is added to the variance."""
    pixels = patches.shape[-1]
    biased = (pixels - 1) / pixels  # times the unbiased variance, gives the one that the fused kernel works with
    normal: Tensor = layer_norm(patches.float(), (pixels,), eps=epsilon * biased) * math.sqrt(biased)
    return normal


def reconstruction_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each clip over its target patches and their pixels: two (B, R, pixels) -> (B,).

    Gradients also reach `target`, which methods that edit their inputs need (GMED).
    """
    return mse_loss(prediction.float(), target.float(), reduction="none").mean(dim=(1, 2))


def cosine_similarity(z_audio: Tensor, z_video: Tensor) -> Tensor:
    """Cosines of all pairs, (B, D) and (B', D) -> (B, B'): rows are audio, columns video."""
    with full_precision(z_audio):
        return normalize(z_audio.float(), dim=1) @ normalize(z_video.float(), dim=1).T


def contrastive_loss(similarity: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of each clip, the mean of its two directions: (B, B) -> (B,).

    STELLA, Equation 9, prints the sum over both directions of losses on raw dot products; the released code takes
    cosines and the mean, and so do we.
    """
    logits = similarity.float() / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own, reduction="none") + cross_entropy(logits.T, own, reduction="none")) / 2

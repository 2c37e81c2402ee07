"""Checkpoints of other models with random weights, by their documented keys, and what those models compute.

The forward passes are written from the descriptions of the architectures alone, clip by clip, and share no code with
avbench's model: patch embedding by convolution, pre-norm blocks, one norm per modality in the shared blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, linear

from avbench.model.importing.plan import Imported

Weights = dict[str, Tensor]
Importer = Callable[..., Imported]  # the fixture `imported`
EPSILON = 1e-5


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Weights:
    """Values that differ for every tensor; scales around one, so that a confused norm shows."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) * 0.2 + (1.0 if is_scale(name) else 0.0)
        for name, shape in shapes.items()
    }


def is_scale(name: str) -> bool:
    return "norm" in name and name.endswith("weight")


def block_shapes(
    stem: str, width: int, norms: tuple[str, ...] = ("norm1", "norm2")
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for norm in norms:
        yield from layer_shapes(f"{stem}.{norm}", (width,))
    yield from layer_shapes(f"{stem}.attn.qkv", (3 * width, width))
    yield from layer_shapes(f"{stem}.attn.proj", (width, width))
    yield from layer_shapes(f"{stem}.mlp.fc1", (4 * width, width))
    yield from layer_shapes(f"{stem}.mlp.fc2", (width, 4 * width))


def layer_shapes(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


SIX_NORMS = ("norm1", "norm1_a", "norm1_v", "norm2", "norm2_a", "norm2_v")


def cav_mae_shapes(
    width: int = 24,
    decoder: int = 16,
    patch: int = 4,
    picture: int = 9,
    grid: tuple[int, int] = (5, 3),
    modality_blocks: int = 11,
    shared: int = 1,
    decoder_depth: int = 8,
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a pre-training checkpoint; `grid` is (time, frequency)."""
    tokens = {"a": grid[0] * grid[1], "v": picture}
    shapes: dict[str, tuple[int, ...]] = {"mask_token": (1, 1, decoder)}
    for letter, colours in (("a", 1), ("v", 3)):
        shapes |= dict(layer_shapes(f"patch_embed_{letter}.proj", (width, colours, patch, patch)))
        shapes |= {f"modality_{letter}": (1, 1, width), f"decoder_modality_{letter}": (1, 1, decoder)}
        shapes |= {f"pos_embed_{letter}": (1, tokens[letter], width)}
        shapes |= {f"decoder_pos_embed_{letter}": (1, tokens[letter], decoder)}
        shapes |= dict(layer_shapes(f"decoder_pred_{letter}", (patch**2 * colours, decoder)))
    blocks = {f"blocks_{letter}": modality_blocks for letter in "av"} | {"blocks_u": shared}
    for stem, depth in blocks.items():
        for number in range(depth):
            shapes |= dict(block_shapes(f"{stem}.{number}", width, SIX_NORMS))
    for number in range(decoder_depth):
        shapes |= dict(block_shapes(f"decoder_blocks.{number}", decoder, SIX_NORMS))
    for norm in ("norm_a", "norm_v", "norm"):
        shapes |= dict(layer_shapes(norm, (width,)))
    return (
        shapes | dict(layer_shapes("decoder_embed", (decoder, width))) | dict(layer_shapes("decoder_norm", (decoder,)))
    )


def mae_shapes(
    width: int = 24, decoder: int = 16, patch: int = 4, picture: int = 9, depth: int = 12, decoder_depth: int = 8
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of MAE's checkpoint with its decoder."""
    shapes: dict[str, tuple[int, ...]] = {"cls_token": (1, 1, width), "mask_token": (1, 1, decoder)}
    shapes |= {"pos_embed": (1, 1 + picture, width), "decoder_pos_embed": (1, 1 + picture, decoder)}
    shapes |= dict(layer_shapes("patch_embed.proj", (width, 3, patch, patch)))
    for number in range(depth):
        shapes |= dict(block_shapes(f"blocks.{number}", width))
    for number in range(decoder_depth):
        shapes |= dict(block_shapes(f"decoder_blocks.{number}", decoder))
    shapes |= dict(layer_shapes("norm", (width,))) | dict(layer_shapes("decoder_norm", (decoder,)))
    return (
        shapes
        | dict(layer_shapes("decoder_embed", (decoder, width)))
        | dict(layer_shapes("decoder_pred", (patch**2 * 3, decoder)))
    )


def authors_shapes(
    width: int = 24,
    decoder: int = 16,
    patch: int = 4,
    picture: int = 9,
    frames: int = 2,
    audio: int = 15,
    modality_blocks: int = 10,
    shared: int = 2,
    decoder_depth: int = 8,
    matching: bool = True,
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what the released code of STELLA saves for a method, `module.` taken off."""
    tokens = {"a": audio, "v": frames * picture}
    shapes: dict[str, tuple[int, ...]] = {}
    for letter, colours in (("a", 1), ("v", 3)):
        shapes |= dict(layer_shapes(f"patch_embed_{letter}.proj", (width, colours, patch, patch)))
        shapes |= {f"modality_{letter}": (1, 1, width), f"decoder_modality_{letter}": (1, 1, decoder)}
        shapes |= {f"mask_token_{letter}": (1, 1, decoder)}
        shapes |= {f"{name}_{letter}": (1, tokens[letter], width) for name in ("pos_embed", "inter_pos_embed")}
        shapes |= {f"decoder_pos_embed_{letter}": (1, tokens[letter], decoder)}
        for number in range(modality_blocks):
            shapes |= dict(block_shapes(f"blocks_{letter}.{number}", width))
    for number in range(shared):
        shapes |= dict(block_shapes(f"blocks_u.{number}", width, SIX_NORMS))
    for number in range(decoder_depth):
        shapes |= dict(block_shapes(f"decoder_blocks.{number}", decoder))
    for norm in ("norm_a", "norm_v", "norm"):
        shapes |= dict(layer_shapes(norm, (width,)))
    shapes |= dict(layer_shapes("decoder_embed", (decoder, width))) | dict(layer_shapes("decoder_norm", (decoder,)))
    for modality, colours in (("audio", 1), ("video", 3)):
        shapes |= dict(layer_shapes(f"mae_score_{modality}.decoder", (patch**2 * colours, decoder)))
    shapes = {f"backbone.transformer.{name}": shape for name, shape in shapes.items()}
    return shapes | (matching_shapes(width) if matching else {})


def matching_shapes(width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for letter in "av":
        shapes |= dict(layer_shapes(f"norm_{letter}", (width,)))
        shapes |= {f"to_{letter}_{what}.weight": (width, width) for what in "qkv"}
    shapes |= dict(layer_shapes("matching_score.pooler.dense", (2 * width, 2 * width)))
    shapes |= dict(layer_shapes("matching_score.fc", (1, 2 * width)))
    return {f"avmatching_module.{name}": shape for name, shape in shapes.items()}


# --- what the models compute ------------------------------------------------------------------------------------------


def run_block(tokens: Tensor, weights: Weights, stem: str, heads: int, suffix: str = "") -> Tensor:
    """One pre-norm block on (L, D), attention head by head."""
    width = tokens.shape[1]
    size = width // heads
    normed = norm(tokens, weights, f"{stem}.norm1{suffix}")
    query, key, value = apply(normed, weights, f"{stem}.attn.qkv").split(width, dim=1)
    mixed = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        mixed.append(scores.softmax(dim=1) @ value[:, part])
    tokens = tokens + apply(torch.cat(mixed, dim=1), weights, f"{stem}.attn.proj")
    hidden = gelu(apply(norm(tokens, weights, f"{stem}.norm2{suffix}"), weights, f"{stem}.mlp.fc1"))
    return tokens + apply(hidden, weights, f"{stem}.mlp.fc2")


def apply(tokens: Tensor, weights: Weights, name: str) -> Tensor:
    return linear(tokens, weights[f"{name}.weight"], weights[f"{name}.bias"])


def norm(tokens: Tensor, weights: Weights, name: str) -> Tensor:
    return layer_norm(tokens, tokens.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], EPSILON)


def patches_of(picture: Tensor, weights: Weights, name: str) -> Tensor:
    """(C, H, W) -> (L, D), row by row."""
    kernel = weights[f"{name}.proj.weight"]
    made = conv2d(picture[None], kernel, weights[f"{name}.proj.bias"], stride=kernel.shape[-1])
    return made[0].flatten(1).T


def cav_mae_embeddings(weights: Weights, spectrogram: Tensor, pictures: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Mean audio and video token of one clip.

    Args:
        spectrogram: (T, F); CAV-MAE sees it as a picture of F rows and T columns.
        pictures: (frames, 3, H, W), all in one sequence, each with the positions of a picture.
    """
    audio = patches_of(spectrogram.T[None], weights, "patch_embed_a") + weights["pos_embed_a"][0]
    video = torch.cat([patches_of(one, weights, "patch_embed_v") + weights["pos_embed_v"][0] for one in pictures])
    pooled = []
    for tokens, letter in ((audio, "a"), (video, "v")):
        tokens = tokens + weights[f"modality_{letter}"][0]
        for number in range(11):
            tokens = run_block(tokens, weights, f"blocks_{letter}.{number}", heads)
        tokens = run_block(tokens, weights, "blocks_u.0", heads, f"_{letter}")
        pooled.append(norm(tokens, weights, f"norm_{letter}").mean(dim=0))
    return pooled[0], pooled[1]


def vision_transformer(
    weights: Weights, pictures: Tensor, heads: int, spectrogram: bool = False, middle: int = 10
) -> Tensor:
    """Mean token of a clip through an ImageNet transformer, without its class token.

    All frames are one sequence. The positions are added again before block `middle`, where STELLA's fusion encoder
    begins; a spectrogram (1, 1, T, F) has none, and the kernel is the sum over the colours.
    """
    if spectrogram:
        summed = weights["patch_embed.proj.weight"].sum(dim=1, keepdim=True)
        tokens = patches_of(pictures[0], weights | {"patch_embed.proj.weight": summed}, "patch_embed")
        positions = torch.zeros_like(tokens)
    else:
        tokens = torch.cat([patches_of(one, weights, "patch_embed") for one in pictures])
        positions = torch.cat([weights["pos_embed"][0, 1:]] * len(pictures))
    tokens = tokens + positions
    for number in range(12):
        if number == middle:
            tokens = tokens + positions
        tokens = run_block(tokens, weights, f"blocks.{number}", heads)
    return norm(tokens, weights, "norm").mean(dim=0)


def authors_embeddings(weights: Weights, spectrogram: Tensor, pictures: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Mean audio and video token of one clip; spectrograms are pictures of T rows and F columns."""
    weights = {name.removeprefix("backbone.transformer."): tensor for name, tensor in weights.items()}
    parts = {
        "a": patches_of(spectrogram[None], weights, "patch_embed_a"),
        "v": torch.cat([patches_of(one, weights, "patch_embed_v") for one in pictures]),
    }
    pooled = []
    for letter, tokens in parts.items():
        tokens = tokens + weights[f"modality_{letter}"][0] + weights[f"pos_embed_{letter}"][0]
        for number in range(10):
            tokens = run_block(tokens, weights, f"blocks_{letter}.{number}", heads)
        tokens = tokens + weights[f"inter_pos_embed_{letter}"][0]
        for number in range(2):
            tokens = run_block(tokens, weights, f"blocks_u.{number}", heads, f"_{letter}")
        pooled.append(norm(tokens, weights, f"norm_{letter}").mean(dim=0))
    return pooled[0], pooled[1]


# --- the account ------------------------------------------------------------------------------------------------------


def accounted(found: Imported, checkpoint: Weights) -> None:
    """Every tensor of the checkpoint is used or ignored with a reason, and every one of the model has an entry."""
    used = {name for entry in found.entries for name in entry.sources}
    assert used | found.ignored.keys() == checkpoint.keys()
    assert not used & found.ignored.keys()
    assert all(found.ignored.values())
    assert [entry.tensor for entry in found.entries] == list(found.tensors)

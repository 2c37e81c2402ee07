"""The whole pass against a naive one: clip by clip, path by path, full-length decoder input in the original order."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from avbench.batch import Batch
from avbench.model.blocks import Attention
from avbench.model.decoder import DecoderModality
from avbench.model.encoder import ModalityEncoder
from avbench.model.losses import normalise_patches
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Keep, Noise
from avbench.model.patches import patchify_audio, patchify_video


def attend(attention: Attention, tokens: Tensor) -> Any:
    width = tokens.shape[1]
    size = width // attention.heads
    query, key, value = attention.qkv(tokens).split(width, dim=1)
    heads = []
    for h in range(attention.heads):
        part = slice(h * size, (h + 1) * size)
        scores = query[:, part] @ key[:, part].T / math.sqrt(size)
        heads.append(scores.softmax(1) @ value[:, part])
    return attention.proj(torch.cat(heads, dim=1))


def run(block: Any, tokens: Tensor, path: str | None = None) -> Any:
    norm1, norm2 = (block.norm1, block.norm2) if path is None else (block.norm1[path], block.norm2[path])
    tokens = tokens + attend(block.attention, norm1(tokens))
    return tokens + block.mlp.fc2(gelu(block.mlp.fc1(norm2(tokens))))


def encode(encoder: ModalityEncoder, patches: Tensor, ids: list[int]) -> Tensor:
    tokens = torch.stack([encoder.embed(patches[i]) + encoder.modality + encoder.position[i] for i in ids])
    for block in encoder.blocks:
        tokens = run(block, tokens)
    return tokens + torch.stack([encoder.inter_position[i] for i in ids])


def fuse(net: AudioVideoMAE, tokens: Tensor, path: str) -> Any:
    for block in net.fusion.blocks:
        tokens = run(block, tokens, path)
    return net.fusion.norm[path](tokens)


def decode(net: AudioVideoMAE, part: DecoderModality, latent: Tensor, visible: list[int], kept: list[int]) -> Any:
    where = {token: row for row, token in enumerate(visible)}
    rows = [latent[where[token]] if token in where else part.mask_token for token in sorted(kept)]
    tokens = torch.stack([row + part.position[i] + part.modality for row, i in zip(rows, sorted(kept), strict=True)])
    for block in net.decoder.blocks:
        tokens = run(block, tokens)
    return part.head(net.decoder.norm(tokens))


def reconstruction(prediction: Tensor, patches: Tensor, visible: list[int], kept: list[int]) -> float:
    errors = []
    for row, token in enumerate(sorted(kept)):
        if token not in visible:
            target = normalise_patches(patches[token], 1e-6)
            errors += [(float(p) - float(t)) ** 2 for p, t in zip(prediction[row], target, strict=True)]
    return sum(errors) / len(errors)


def permuted(tokens: int) -> Tensor:
    return torch.randperm(tokens, generator=torch.Generator().manual_seed(tokens))


def split(noise: Tensor, kept: list[int], count: int) -> list[int]:
    return sorted(kept, key=lambda token: float(noise[token]))[:count]


@pytest.mark.parametrize("kept", [False, True])
@torch.no_grad()
def test_a_pass_equals_the_naive_one(net: AudioVideoMAE, batch: Batch, noise: Noise, kept: bool) -> None:
    keep = Keep(torch.stack([permuted(15)[:9]] * 5), torch.stack([permuted(18)[:11]] * 5)) if kept else None
    out = net(batch, noise, keep)
    ids_audio = permuted(15)[:9].tolist() if kept else list(range(15))
    ids_video = permuted(18)[:11].tolist() if kept else list(range(18))
    for clip in range(5):
        audio, video = patchify_audio(batch.audio, 4)[clip], patchify_video(batch.video, 4)[clip]
        seen_audio = split(noise.audio[clip], ids_audio, net.visible_audio)
        seen_video = split(noise.video[clip], ids_video, net.visible_video)
        codes_audio = encode(net.audio_encoder, audio, seen_audio)
        codes_video = encode(net.video_encoder, video, seen_video)
        torch.testing.assert_close(out.z_audio[clip], fuse(net, codes_audio, "audio").mean(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(out.z_video[clip], fuse(net, codes_video, "video").mean(0), atol=1e-5, rtol=1e-4)
        latent = net.decoder.project(fuse(net, torch.cat([codes_audio, codes_video]), "joint"))
        predicted = decode(net, net.decoder.audio, latent[: len(seen_audio)], seen_audio, ids_audio)
        expected = reconstruction(predicted, audio, seen_audio, ids_audio)
        assert math.isclose(float(out.reconstruction_audio[clip]), expected, rel_tol=1e-4)
        predicted = decode(net, net.decoder.video, latent[len(seen_audio) :], seen_video, ids_video)
        expected = reconstruction(predicted, video, seen_video, ids_video)
        assert math.isclose(float(out.reconstruction_video[clip]), expected, rel_tol=1e-4)


@torch.no_grad()
def test_unmasked_codes_and_fusion_equal_the_naive_ones(net: AudioVideoMAE, batch: Batch) -> None:
    codes = net.encode_tokens(batch)
    fused = net.fuse(*codes)
    embedded = net.embed(batch)
    for clip in range(5):
        audio = encode(net.audio_encoder, patchify_audio(batch.audio, 4)[clip], list(range(15)))
        video = encode(net.video_encoder, patchify_video(batch.video, 4)[clip], list(range(18)))
        torch.testing.assert_close(codes[0][clip] + net.audio_encoder.inter_position, audio, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(embedded[0][clip], fuse(net, audio, "audio").mean(0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(embedded[1][clip], fuse(net, video, "video").mean(0), atol=1e-5, rtol=1e-4)
        tokens = torch.cat([audio, video])
        for block in net.fusion.blocks:
            tokens = run(block, tokens, "joint")
        torch.testing.assert_close(torch.cat([fused[0][clip], fused[1][clip]]), tokens, atol=1e-5, rtol=1e-4)


def test_norms_use_the_released_epsilon(net: AudioVideoMAE) -> None:
    assert {module.eps for module in net.modules() if isinstance(module, nn.LayerNorm)} == {1e-5}

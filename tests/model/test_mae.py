"""Properties of one pass: what reaches what, and what makes no difference."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch.func import functional_call

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig
from avbench.model.mae import AudioVideoMAE, Output
from avbench.model.masking import Keep, Mask, Noise
from avbench.model.patches import patchify_audio, patchify_video

PER_CLIP = ("reconstruction_audio", "reconstruction_video", "contrastive", "z_audio", "z_video")


def assert_same(first: Output, second: Output, tolerance: float = 0.0) -> None:
    for field in fields(Output):
        a, b = getattr(first, field.name), getattr(second, field.name)
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def subset(tokens: int, count: int, clips: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(tokens)
    return torch.stack([torch.randperm(tokens, generator=generator)[:count] for _ in range(clips)])


def total(out: Output) -> torch.Tensor:
    assert out.reconstruction_audio is not None
    assert out.reconstruction_video is not None
    assert out.contrastive is not None
    return (out.reconstruction_audio + out.reconstruction_video + out.contrastive).sum()


def test_shapes_and_types(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    out = net(batch, noise)
    for name in PER_CLIP:
        assert getattr(out, name).shape == ((5, 24) if name.startswith("z") else (5,))
        assert getattr(out, name).dtype == torch.float32
    assert out.similarity.shape == (5, 5)


def test_keeping_every_id_equals_no_keep(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    free = net(batch, noise)
    assert_same(free, net(batch, noise, Keep(subset(15, 15), subset(18, 18))))
    assert_same(free, net(batch, noise, Keep(audio=subset(15, 15))))
    assert_same(free, net(batch, noise, Keep()))


def test_permuting_clips_with_their_noise_permutes_the_results(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    order = torch.tensor([3, 0, 4, 1, 2])
    keep = Keep(subset(15, 9), subset(18, 11))
    shuffled = Batch(batch.audio[order], batch.video[order], batch.clip_id)
    assert keep.audio is not None
    assert keep.video is not None
    out = net(batch, noise, keep)
    moved = net(shuffled, noise[order], Keep(keep.audio[order], keep.video[order]))
    for name in PER_CLIP:
        torch.testing.assert_close(getattr(moved, name), getattr(out, name)[order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(moved.similarity, out.similarity[order][:, order], atol=1e-5, rtol=1e-5)


def test_the_order_of_kept_ids_does_not_matter(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    audio, video = subset(15, 9), subset(18, 11)
    assert_same(net(batch, noise, Keep(audio, video)), net(batch, noise, Keep(audio.flip(1), video.sort(1).values)))


@pytest.mark.parametrize("kept", [False, True])
def test_hidden_patches_do_not_reach_the_encoders_and_dropped_ones_reach_nothing(
    net: AudioVideoMAE, shape: ClipShape, batch: Batch, noise: Noise, kept: bool
) -> None:
    keep = Keep(subset(15, 9), subset(18, 11)) if kept else None
    visible = Mask.split(noise.audio, keep.audio if keep else None, net.visible_audio).visible
    targets = Mask.split(noise.audio, keep.audio if keep else None, net.visible_audio).targets
    out = net(batch, noise, keep)
    for token in range(shape.audio_tokens):
        changed = Batch(batch.audio.clone(), batch.video, batch.clip_id)
        t, f = divmod(token, shape.audio_grid[1])
        changed.audio[:, :, t * 4 : t * 4 + 4, f * 4 : f * 4 + 4] = torch.randn(4, 4)
        other = net(changed, noise, keep)
        seen, reconstructed = (visible == token).any(1), (targets == token).any(1)
        assert torch.equal((other.z_audio != out.z_audio).any(1), seen)
        assert torch.equal(other.z_video, out.z_video)
        assert torch.equal(other.reconstruction_audio != out.reconstruction_audio, seen | reconstructed)


def test_parts_give_the_same_numbers_and_skip_the_rest(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    calls: list[object] = []
    net.decoder.register_forward_pre_hook(lambda *_: calls.append("decoder"))
    net.fusion.register_forward_pre_hook(lambda _, args: calls.append(set(args[0])))
    whole = net(batch, noise)
    teacher = net(batch, noise, parts=frozenset({"contrastive"}))
    pixels = net(batch, noise, parts=frozenset({"reconstruction"}))
    assert calls == [{"audio", "video", "joint"}, "decoder", {"audio", "video"}, {"joint"}, "decoder"]
    for name in ("contrastive", "z_audio", "z_video", "similarity"):
        torch.testing.assert_close(getattr(teacher, name), getattr(whole, name), atol=1e-5, rtol=1e-5)
        assert getattr(pixels, name) is None
    for name in ("reconstruction_audio", "reconstruction_video"):
        torch.testing.assert_close(getattr(pixels, name), getattr(whole, name), atol=1e-5, rtol=1e-5)
        assert getattr(teacher, name) is None


@pytest.mark.parametrize("parts", [frozenset(), frozenset({"contrast"})])
def test_unknown_parts_are_an_error(net: AudioVideoMAE, batch: Batch, noise: Noise, parts: frozenset[str]) -> None:
    with pytest.raises(ValueError, match="parts must be some of"):
        net(batch, noise, parts=parts)


def test_nothing_left_to_reconstruct_is_an_error(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    keep = Keep(audio=subset(15, net.visible_audio))
    with pytest.raises(ValueError, match="nothing to reconstruct"):
        net(batch, noise, keep)
    assert net(batch, noise, keep, frozenset({"contrastive"})).z_audio is not None


def test_the_losses_reach_every_parameter(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    total(net(batch, noise)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_each_clip_reaches_only_its_own_reconstruction(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    audio = batch.audio.clone().requires_grad_()
    out = net(Batch(audio, batch.video, batch.clip_id), noise)
    (gradient,) = torch.autograd.grad(out.reconstruction_audio[2] + out.reconstruction_video[2], audio)
    assert [bool(clip.any()) for clip in gradient] == [False, False, True, False, False]


def test_embeddings_do_not_depend_on_the_other_clips(net: AudioVideoMAE, batch: Batch) -> None:
    twice = Batch.cat([batch, batch])
    alone, together = net.embed(batch), net.embed(twice)
    for a, b in zip(alone, together, strict=True):
        assert a.shape == (5, 24)
        torch.testing.assert_close(b[:5], a, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(b[5:], b[:5], atol=1e-6, rtol=1e-6)


def test_an_unmasked_pass_pools_to_the_retrieval_embedding(shape: ClipShape, config: ModelConfig, batch: Batch) -> None:
    net = AudioVideoMAE(shape, config.model_copy(update={"mask_ratio": 0.0}))
    out = net(batch, Noise.draw(5, shape, torch.Generator().manual_seed(0)), parts=frozenset({"contrastive"}))
    for masked, whole in zip((out.z_audio, out.z_video), net.embed(batch), strict=True):
        torch.testing.assert_close(masked, whole, atol=1e-5, rtol=1e-5)


def test_another_set_of_parameters_can_be_used(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    same = {name: parameter.detach().clone().requires_grad_() for name, parameter in net.named_parameters()}
    out = functional_call(net, same, (batch, noise))
    assert_same(out, net(batch, noise))
    gradients = torch.autograd.grad(total(out), list(same.values()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    assert all(parameter.grad is None for parameter in net.parameters())
    moved = {name: value + 0.01 for name, value in same.items()}
    assert not torch.equal(functional_call(net, moved, (batch, noise)).contrastive, out.contrastive)


def test_bfloat16_autocast_stays_close(net: AudioVideoMAE, batch: Batch, noise: Noise) -> None:
    plain = net(batch, noise)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(batch, noise)
        embedded = net.embed(batch)
    for name in PER_CLIP:
        assert getattr(mixed, name).dtype == torch.float32
    for name in ("reconstruction_audio", "reconstruction_video", "similarity"):
        torch.testing.assert_close(getattr(mixed, name), getattr(plain, name), atol=0.02, rtol=0.02)
    for a, b in zip(embedded, net.embed(batch), strict=True):
        assert torch.nn.functional.cosine_similarity(a, b).min() > 0.999
    total(mixed).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


def test_the_state_survives_a_round_trip(
    net: AudioVideoMAE, shape: ClipShape, config: ModelConfig, batch: Batch
) -> None:
    other = AudioVideoMAE(shape, config)
    other.load_state_dict(net.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(net.embed(batch), other.embed(batch), strict=True))


@pytest.mark.parametrize("normalised", [True, False])
def test_the_loss_reaches_the_pixels_of_targets_through_what_is_reconstructed(
    shape: ClipShape, config: ModelConfig, batch: Batch, noise: Noise, normalised: bool
) -> None:
    """A target is hidden from the encoder: its pixels matter as what is to be reconstructed only (GMED edits them)."""
    net = AudioVideoMAE(shape, config.model_copy(update={"normalise_targets": normalised}))
    audio, video = batch.audio.clone().requires_grad_(), batch.video.clone().requires_grad_()
    keep = Keep(subset(15, 12), subset(18, 14))
    total(net(Batch(audio, video, batch.clip_id), noise, keep)).backward()
    assert audio.grad is not None and video.grad is not None
    for slopes, mask, every in (
        (patchify_audio(audio.grad, shape.patch), Mask.split(noise.audio, keep.audio, net.visible_audio), 15),
        (patchify_video(video.grad, shape.patch), Mask.split(noise.video, keep.video, net.visible_video), 18),
    ):
        for row in range(5):
            reached = {patch for patch in range(every) if slopes[row, patch].any()}
            targets, visible = set(mask.targets[row].tolist()), set(mask.visible[row].tolist())
            assert targets and visible and not targets & visible
            assert targets <= reached  # of these none is seen
            assert reached == targets | visible  # what is not kept plays no part

"""Properties of STELLA's step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from avbench.config import RunConfig, Section
from avbench.errors import UsageError
from avbench.model.matching import AudioVideoMatching
from avbench.training.pretraining import BasePretraining
from avbench.training.session import Session, random_wire
from avbench.training.weights import in_half_precision, save_tensors

Config = Callable[..., RunConfig]


def stepped(config: RunConfig, steps: int) -> Session:
    session = Session(config)
    template = session.attach(store=[])
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        template.mbatch = random_wire(config, config.training.batch_size, generator)
        template.run_iteration()
    return session


def options(**values: Any) -> dict[str, Any]:
    return {"memory": 12, **values}


@pytest.mark.parametrize("ratio", [0.375, 0.5, 0.625])
@pytest.mark.parametrize("selection", ["time", "frequency", "none"])
def test_every_clip_trains_on_exactly_its_share_of_distinct_patches(
    tiny_config: Config, ratio: float, selection: str
) -> None:
    session = stepped(tiny_config("stella", options=options(sampling_ratio=ratio, audio_selection=selection)), 3)
    step, shape = session.template.step, session.config.clip
    assert step.keep is not None and step.keep.audio is not None and step.keep.video is not None
    for ids, length in ((step.keep.audio, shape.audio_tokens), (step.keep.video, shape.video_tokens)):
        assert ids.shape == (12, int(length * ratio))
        assert all(len(set(row)) == len(row) and max(row) < length for row in ids.tolist())


def test_each_modality_may_have_a_sampling_ratio_of_its_own(tiny_config: Config) -> None:
    own = options(sampling_ratio=0.75, sampling_ratio_audio=0.5)
    session = stepped(tiny_config("stella", options=own), 2)
    step, shape = session.template.step, session.config.clip
    assert step.keep is not None and step.keep.audio is not None and step.keep.video is not None
    assert step.keep.audio.shape[1] == shape.audio_tokens // 2
    assert step.keep.video.shape[1] == shape.video_tokens * 3 // 4


def test_equal_sampling_ratios_given_apart_are_one_given_once(
    tiny_config: Config, train: Callable[..., Session]
) -> None:
    once = train(tiny_config("stella", options=options(sampling_ratio=0.5)))
    shares = {"sampling_ratio": 0.9, "sampling_ratio_audio": 0.5, "sampling_ratio_video": 0.5}
    apart = train(tiny_config("stella", options=options(**shares)))
    assert all(map(torch.equal, once.net.state_dict().values(), apart.net.state_dict().values()))


def test_correlation_is_a_probability_on_the_most_important_patches_only(tiny_config: Config) -> None:
    notes = stepped(tiny_config("stella"), 3).template.step.notes
    for modality in ("audio", "video"):
        importance, correlation = notes[f"importance_{modality}"], notes[f"correlation_{modality}"]
        torch.testing.assert_close(importance.sum(1), torch.ones(6))
        assert correlation.min() >= 0 and correlation.max() <= 1
        count = importance.shape[1] // 2
        lowest_top = importance.sort(dim=1, descending=True).values[:, count - 1 : count]
        assert not correlation[importance < lowest_top].any()
        assert (correlation > 0).sum(dim=1).tolist() == [count] * 6


def test_replayed_clips_carry_the_scores_queries_and_embeddings_of_when_they_were_stored(tiny_config: Config) -> None:
    session = Session(tiny_config("stella"))
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    seen: list[dict[str, Any]] = []
    for number in range(4):
        template.mbatch = random_wire(session.config, 6, generator)
        template.mbatch["clip_id"] = [f"clip-{number}-{row}" for row in range(6)]
        template.run_iteration()
        step = template.step
        values = step.notes | {"z_audio": step.output.z_audio, "z_video": step.output.z_video}
        if step.replay is not None:
            for row, clip in enumerate(step.replay.batch.clip_id):
                (then,) = [visit for visit in seen if visit["clip_id"] == clip]
                own = {name: value[row] for name, value in step.replay.fields.items() if name in then}
                assert len(own) == 8
                assert all(torch.equal(value, then[name]) for name, value in own.items())
        for row, clip in enumerate(step.stream.clip_id):
            seen.append({"clip_id": clip} | {name: value[row].detach().clone() for name, value in values.items()})
    assert session.template.step.replay is not None


def test_the_matching_loss_never_reaches_the_backbone(tiny_config: Config) -> None:
    session = stepped(tiny_config("stella"), 2)
    session.net.zero_grad(set_to_none=True)
    matching = session.strategy.modules()["matching"]
    matching.zero_grad(set_to_none=True)
    session.strategy.penalty(session.template.step)["matching"].backward()
    assert all(parameter.grad is None for parameter in session.net.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in matching.parameters())


def test_the_loss_reaches_every_parameter_of_backbone_and_matching_module(tiny_config: Config) -> None:
    session = stepped(tiny_config("stella"), 2)
    missing = [name for name, parameter in session.net.named_parameters() if parameter.grad is None]
    missing += [name for name, p in session.strategy.modules()["matching"].named_parameters() if p.grad is None]
    assert missing == []


def test_a_matching_module_from_random_weights_is_warned_of(tiny_config: Config) -> None:
    assert [code for code, _ in Session(tiny_config("stella")).strategy.warnings] == ["matching-not-pretrained"]


@pytest.mark.parametrize("strategy", ["stella", "stella-plus", "rca-only"])
def test_the_published_protocol_needs_a_pre_trained_matching_module(tiny_config: Config, strategy: str) -> None:
    with pytest.raises(
        UsageError, match=r"training\.base_weights = null .*avbench pretrain.*matching_from_scratch=true"
    ):
        Session(tiny_config(strategy, profile="paper", options={"memory": 12}))
    allowed = tiny_config(strategy, profile="paper", options={"memory": 12, "matching_from_scratch": True})
    assert [code for code, _ in Session(allowed).strategy.warnings] == ["matching-not-pretrained"]


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_base_weights_bring_the_matching_module_or_are_refused(
    tiny_config: Config, tmp_path: Path, profile: str
) -> None:
    config = tiny_config("finetune")
    base = Session(config, BasePretraining(Section()))
    matching = base.strategy.modules()["matching"]
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    save_tensors(whole, in_half_precision({"model": base.net, "matching": matching}), {})
    save_tensors(part, in_half_precision({"model": base.net}), {})

    session = Session(tiny_config("stella", {"base_weights": str(whole)}, profile=profile, seed=3))
    assert session.strategy.warnings == []
    for name, value in session.strategy.modules()["matching"].state_dict().items():
        assert torch.equal(value, matching.state_dict()[name].half().float())
    with pytest.raises(UsageError, match=r"part\.safetensors holds no matching module.*matching_from_scratch=true"):
        Session(tiny_config("stella", {"base_weights": str(part)}, profile=profile))
    scratch = options(matching_from_scratch=True)
    begun = Session(tiny_config("stella", {"base_weights": str(part)}, profile=profile, options=scratch))
    assert [code for code, _ in begun.strategy.warnings] == ["matching-not-pretrained"]
    kept = Session(tiny_config("stella", {"base_weights": str(whole)}, profile=profile, options=scratch, seed=3))
    assert kept.strategy.warnings == []  # an option that allows, and does not ask for, a random one


def test_a_matching_module_of_another_model_is_refused(tiny_config: Config, tmp_path: Path) -> None:
    config, path = tiny_config("stella"), tmp_path / "mixed.safetensors"
    save_tensors(path, in_half_precision({"model": Session(config).net, "matching": AudioVideoMatching(32, 4)}), {})
    with pytest.raises(UsageError, match=r"base weights .*mixed\.safetensors are of another model"):
        Session(tiny_config("stella", {"base_weights": str(path)}))


def test_a_sampling_ratio_that_leaves_nothing_to_reconstruct_is_refused(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.sampling_ratio = 0\.2 "):
        Session(tiny_config("stella", options=options(sampling_ratio=0.2)))


def test_chunks_that_do_not_divide_the_spectrogram_are_refused(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.chunk = 3"):
        Session(tiny_config("stella", options=options(chunk=3)))


@pytest.mark.parametrize("clip_gradient", [None, 0.1])
def test_a_ratio_of_one_is_derpp_bit_for_bit(
    tiny_config: Config, train: Callable[..., Session], clip_gradient: float | None
) -> None:
    training = {"clip_gradient": clip_gradient}
    derpp = train(tiny_config("derpp", training, options=options(alpha=0.7)))
    stella = train(tiny_config("stella", training, options=options(alpha=0.7, sampling_ratio=1.0)))
    assert all(map(torch.equal, derpp.net.state_dict().values(), stella.net.state_dict().values()))
    partial = train(tiny_config("stella", training, options=options(alpha=0.7)))
    assert not all(map(torch.equal, derpp.net.state_dict().values(), partial.net.state_dict().values()))


def test_half_precision_trains_backbone_and_matching_module(tiny_config: Config) -> None:
    session = stepped(tiny_config("stella", precision="bf16"), 2)
    single = stepped(tiny_config("stella"), 2)
    loss = float(session.template.loss.detach())
    assert loss == pytest.approx(float(single.template.loss.detach()), rel=0.05)
    assert loss != float(single.template.loss.detach())
    for module in (session.net, session.strategy.modules()["matching"]):
        for name, parameter in module.named_parameters():
            assert parameter.dtype == torch.float32, name
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert any(parameter.grad.any() for parameter in session.net.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("batch", [1, 2])
def test_tiny_batches_train_too(tiny_config: Config, batch: int) -> None:
    session = stepped(tiny_config("stella", training={"batch_size": batch}), 3)
    assert torch.isfinite(session.template.loss)

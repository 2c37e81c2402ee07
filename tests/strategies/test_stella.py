"""Properties of STELLA's step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avbench.config import RunConfig
from avbench.errors import UsageError
from avbench.training.session import Session, random_wire

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


def test_without_a_past_nothing_is_excluded(tiny_config: Config) -> None:
    notes = stepped(tiny_config("stella"), 1).template.step.notes
    assert not notes["correlation_audio"].any()
    assert not notes["correlation_video"].any()


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


def test_replayed_clips_are_selected_with_the_scores_of_when_they_were_stored(tiny_config: Config) -> None:
    session = Session(tiny_config("stella"))
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    stored: dict[str, torch.Tensor] = {}
    for _ in range(3):
        template.mbatch = random_wire(session.config, 6, generator)
        template.run_iteration()
        step = template.step
        if step.replay is not None:
            for row, clip in enumerate(step.replay.batch.clip_id):
                expected = [scores for name, scores in stored.items() if name.startswith(f"{clip}/")]
                assert any(torch.equal(step.replay.fields["importance_video"][row], scores) for scores in expected)
        for row, clip in enumerate(step.stream.clip_id):
            stored[f"{clip}/{len(stored)}"] = step.notes["importance_video"][row].clone()


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


def test_a_sampling_ratio_that_leaves_nothing_to_reconstruct_is_refused(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.sampling_ratio = 0\.2 "):
        Session(tiny_config("stella", options=options(sampling_ratio=0.2)))


def test_chunks_that_do_not_divide_the_spectrogram_are_refused(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.chunk = 3"):
        Session(tiny_config("stella", options=options(chunk=3)))


@pytest.mark.parametrize("batch", [1, 2])
def test_tiny_batches_train_too(tiny_config: Config, batch: int) -> None:
    session = stepped(tiny_config("stella", training={"batch_size": batch}), 3)
    assert torch.isfinite(session.template.loss)

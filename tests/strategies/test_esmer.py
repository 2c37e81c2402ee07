"""Properties of ESMER: what surprises its teacher counts less and is not stored; how the mean loss moves."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.config import RunConfig, validate
from avbench.errors import UsageError
from avbench.model.masking import Noise
from avbench.strategies.esmer import ESMER, typical_loss
from avbench.training import checkpoint as checkpoints
from avbench.training.session import Session, random_wire

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def weights(session: Session) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in session.net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def go_on(session: Session, steps: range, clips: int = 6) -> None:
    """Steps whose clips can be told from those of all others by their names."""
    for step in steps:
        wire = random_wire(session.config, clips, torch.Generator().manual_seed(step))
        session.template.mbatch = wire | {"clip_id": [f"{step}-{clip}" for clip in range(clips)]}
        session.template.run_iteration()


def started(config: RunConfig) -> Session:
    session = Session(config)
    session.attach(store=[])
    return session


def stepped(config: RunConfig, steps: int) -> Session:
    session = started(config)
    go_on(session, range(steps))
    return session


def method(session: Session) -> ESMER:
    assert isinstance(session.strategy, ESMER)
    return session.strategy


def options(**values: Any) -> dict[str, Any]:
    """A teacher that follows within a few steps."""
    return {"memory": 100, "decay": 0.8, "update_probability": 0.6, **values}


def losses(out: Any) -> list[float]:
    """0.7 and 0.3 are the weights of the tiny configuration."""
    parts = zip(out.reconstruction_audio, out.reconstruction_video, out.contrastive, strict=True)
    return [0.7 * (float(audio) + float(video)) + 0.3 * float(contrast) for audio, video, contrast in parts]


@pytest.mark.parametrize("values", [{}, {"start": "first-batch"}, {"masks": "shared"}, {"replay_loss": "separate"}])
def test_without_margin_and_penalty_esmer_is_er_bit_for_bit(
    tiny_config: Config, train: Train, values: dict[str, Any]
) -> None:
    replay = {name: value for name, value in values.items() if name == "replay_loss"}
    er = train(tiny_config("er", options={"memory": 12, **replay}))
    without = {"memory": 12, "loss_margin": 1e30, "consistency_weight": 0.0, **values}
    esmer = train(tiny_config("esmer", options=without))
    assert same(weights(er), weights(esmer))
    assert er.strategy.memory and esmer.strategy.memory
    assert er.strategy.memory.clip_ids == esmer.strategy.memory.clip_ids
    for changed in ({"loss_margin": 1.0}, {"consistency_weight": 1.0}):
        assert not same(weights(er), weights(train(tiny_config("esmer", options=without | changed))))


@pytest.mark.parametrize("masks", ["fresh", "shared"])
@pytest.mark.parametrize("replay_loss", ["joint", "separate"])
def test_a_step_in_plain_loops(tiny_config: Config, masks: str, replay_loss: str) -> None:
    chosen = options(masks=masks, replay_loss=replay_loss, consistency_weight=0.4, start="first-batch")
    config = tiny_config("esmer", options=chosen)
    session = stepped(config, 5)
    teacher, mu, aux = deepcopy(session.strategy.teachers["teacher"].net), method(session).mean_loss, torch.Generator()
    aux.set_state(session.generators["aux"].get_state())
    go_on(session, range(5, 6))
    step = session.template.step
    assert step.replay is not None

    fresh = masks == "fresh"
    with torch.no_grad():
        judged = losses(teacher(step.stream, Noise.draw(6, config.clip, aux) if fresh else step.noise[:6]))
        taught = teacher(step.replay.batch, Noise.draw(6, config.clip, aux) if fresh else step.noise[6:])
        own = losses(step.output)
    flagged = [loss >= float(mu) for loss in judged]
    assert any(flagged) and not all(flagged)  # else the comparison would say little
    for clip in range(6):
        if flagged[clip]:
            own[clip] *= float(mu) / judged[clip]
    expected = sum(own) / 12 if replay_loss == "joint" else mean(own[:6]) + mean(own[6:])
    penalty = 0.0
    for z, target in ((step.output.z_audio, taught.z_audio), (step.output.z_video, taught.z_video)):
        assert z is not None
        rows = zip(z[6:].detach(), target, strict=True)
        pairs = [pair for row, kept in rows for pair in zip(row, kept, strict=True)]
        penalty += 0.4 * mean((float(new) - float(old)) ** 2 for new, old in pairs)
    assert float(step.terms["consistency"].detach()) == pytest.approx(penalty, rel=1e-4)
    assert float(session.template.loss.detach()) == pytest.approx(expected + penalty, rel=1e-5)
    assert float(step.terms["accepted"]) == pytest.approx(flagged.count(False) / 6)


@pytest.mark.parametrize("margin", [0.9, 1.0, 1.05])
def test_surprising_clips_are_weighed_down_to_the_mean_loss(tiny_config: Config, margin: float) -> None:
    session, told_apart = started(tiny_config("esmer", options=options(loss_margin=margin, start="first-batch"))), set()
    for step in range(6):
        go_on(session, range(step, step + 1))
        strategy, made = method(session), session.template.step
        judged, mu = made.notes["teacher_loss"], strategy.mean_loss
        weight = strategy.weigh(made)  # draws other masks than the step did
        again = made.notes["teacher_loss"]
        for clip in range(6):
            surprising = bool(again[clip] >= margin * mu)
            told_apart.add(surprising)
            if surprising:
                assert float(weight[clip] * again[clip]) == pytest.approx(float(mu), rel=1e-6)
            else:
                assert float(weight[clip]) == 1.0
        assert torch.equal(weight[6:], torch.ones(len(made.joint) - 6))
        made.notes["teacher_loss"] = judged
    assert told_apart == {True, False}


@pytest.mark.parametrize("start", ["zero", "first-batch"])
def test_everything_stored_was_within_the_margin_and_nothing_else_is_stored(tiny_config: Config, start: str) -> None:
    session = started(tiny_config("esmer", options=options(start=start, loss_margin=1.01)))
    expected: list[str] = []
    for step in range(8):
        mu = float(method(session).mean_loss)
        go_on(session, range(step, step + 1))
        judged = session.template.step.notes["teacher_loss"].tolist()
        if step == 0 and start == "first-batch":
            mu = mean(judged)
        # Without a mean there is no margin yet.
        expected += [f"{step}-{clip}" for clip, loss in enumerate(judged) if mu == 0 or loss <= 1.01 * mu]
    memory = session.strategy.memory
    assert memory is not None
    assert memory.clip_ids == expected
    assert memory.visits == len(expected)
    assert 0 < len(expected) < 48


@pytest.mark.parametrize("start", ["zero", "first-batch"])
def test_the_mean_loss_follows_the_typical_losses(tiny_config: Config, start: str) -> None:
    session, mu = started(tiny_config("esmer", options=options(start=start, loss_decay=0.7))), 0.0
    for step in range(6):
        go_on(session, range(step, step + 1))
        judged = session.template.step.notes["teacher_loss"].tolist()
        if step == 0 and start == "first-batch":
            mu = mean(judged)
        rate = min(1 - 1 / (step + 2), 0.7)
        mu = rate * mu + (1 - rate) * mean(loss for loss in judged if loss <= mean(judged) + stdev(judged))
        assert float(method(session).mean_loss) == pytest.approx(mu, rel=1e-5)


def test_from_zero_the_mean_loss_starts_at_half_a_batch_so_that_more_is_refused(tiny_config: Config) -> None:
    def visits(session: Session) -> int:
        assert session.strategy.memory is not None
        return session.strategy.memory.visits

    zero, first = (started(tiny_config("esmer", options=options(start=start))) for start in ("zero", "first-batch"))
    go_on(zero, range(1))
    typical = typical_loss(zero.template.step.notes["teacher_loss"])
    assert float(method(zero).mean_loss) == pytest.approx(float(typical) / 2)
    go_on(zero, range(1, 2))
    assert visits(zero) == 6  # the first batch, judged by nothing; of the second, none
    go_on(zero, range(2, 8))
    go_on(first, range(8))
    assert visits(zero) < visits(first)


def test_typical_losses_leave_out_what_is_more_than_a_deviation_above_the_mean() -> None:
    assert float(typical_loss(torch.tensor([1.0, 1.0, 1.0, 9.0]))) == 1.0
    assert float(typical_loss(torch.tensor([1.0, 2.0, 3.0]))) == 2.0
    assert float(typical_loss(torch.tensor([0.3]))) == pytest.approx(0.3)
    for count in range(2, 60):  # their deviation is rounding
        assert float(typical_loss(torch.full((count,), 0.1))) == pytest.approx(0.1)


def test_a_batch_that_is_refused_whole_changes_nothing_in_the_memory(tiny_config: Config) -> None:
    session = stepped(tiny_config("esmer", options=options(loss_margin=1e-3)), 1)
    memory = session.strategy.memory
    assert memory is not None
    stored, reservoir = memory.state_dict(), session.generators["reservoir"].get_state()
    go_on(session, range(1, 4))
    assert float(session.template.step.terms["accepted"]) == 0
    assert memory.visits == 6 and same(stored, memory.state_dict())
    assert torch.equal(reservoir, session.generators["reservoir"].get_state())


def test_batches_of_one_clip_and_a_memory_of_one_work(tiny_config: Config) -> None:
    session = started(tiny_config("esmer", options=options(memory=1), training={"batch_size": 1}))
    go_on(session, range(5), clips=1)
    assert torch.isfinite(session.template.loss) and torch.isfinite(method(session).mean_loss)
    assert session.template.step.replay is not None


def test_a_memory_that_holds_less_than_a_batch_yet_is_replayed_whole(tiny_config: Config) -> None:
    session = started(tiny_config("esmer", options=options()))
    go_on(session, range(1), clips=4)
    go_on(session, range(1, 2))
    step = session.template.step
    assert step.replay is not None
    assert (len(step.replay), len(step.joint)) == (4, 10)
    assert torch.isfinite(step.terms["consistency"])


def test_the_accepted_share_is_logged_and_adds_nothing_to_the_loss(tiny_config: Config) -> None:
    session = stepped(tiny_config("esmer", options=options(loss_margin=1e30)), 3)
    terms = {name: float(value.detach()) for name, value in session.template.step.terms.items()}
    base = 0.7 * (terms["reconstruction_audio"] + terms["reconstruction_video"]) + 0.3 * terms["contrastive"]
    assert terms["accepted"] == 1
    assert float(session.template.loss.detach()) == pytest.approx(base + terms["consistency"], rel=1e-5)
    session.template.terms.clear()
    for step in range(3, 5):
        go_on(session, range(step, step + 1))
    assert session.template.read_terms(2)["accepted"] == 1


def test_only_the_named_generators_are_drawn_from(tiny_config: Config) -> None:
    def drawn(masks: str) -> set[str]:
        session = stepped(tiny_config("esmer", options=options(masks=masks, loss_margin=1e30)), 2)
        states = session.generators.state_dict()
        go_on(session, range(2, 3))
        return {name for name, state in session.generators.state_dict().items() if not torch.equal(state, states[name])}

    assert drawn("fresh") == {"memory", "reservoir", "mask", "aux", "coin"}
    assert drawn("shared") == {"memory", "reservoir", "mask", "coin"}


def test_a_step_costs_that_of_er_a_full_and_a_cheap_pass_of_the_teacher(tiny_config: Config) -> None:
    session = stepped(tiny_config("esmer", options=options()), 1)
    compute = session.compute
    with compute.counting():
        go_on(session, range(1, 2))
    step, total = session.template.step, compute.operations
    assert step.replay is not None
    compute.operations = 0
    with torch.no_grad(), compute.counting():
        session.net(step.replay.batch, step.noise[6:], parts={"contrastive"})
    assert total == (3 * 12 + 6) * compute.per_unit + compute.operations


@pytest.mark.parametrize("first", ["working", "teacher"])
def test_both_networks_are_evaluated_and_the_one_asked_for_comes_first(tiny_config: Config, first: str) -> None:
    strategy = Session(tiny_config("esmer", options=options(evaluate=first))).strategy
    assert next(iter(strategy.evaluated)) == first
    assert strategy.evaluated == {"working": strategy.net, "teacher": strategy.teachers["teacher"].net}


def test_the_variants_differ_in_masks_start_reduction_and_what_is_evaluated() -> None:
    stella, faithful = ESMER.Config(), ESMER.Config(variant="faithful")
    assert (stella.masks, stella.start, stella.replay_loss, stella.evaluate) == ("fresh", "zero", "joint", "working")
    assert (faithful.masks, faithful.start) == ("shared", "first-batch")
    assert (faithful.replay_loss, faithful.evaluate) == ("separate", "teacher")
    with pytest.raises(UsageError, match="loss_margin"):
        validate(ESMER.Config, {"loss_margin": 0}, "options")
    with pytest.raises(UsageError, match="evaluate"):
        validate(ESMER.Config, {"evaluate": "stable"}, "options")


@pytest.mark.parametrize("variant", ["stella", "faithful"])
def test_a_restored_session_continues_bit_for_bit(tiny_config: Config, tmp_path: Path, variant: str) -> None:
    config = tiny_config("esmer", options=options(memory=14, variant=variant, loss_margin=1.02))
    whole = stepped(config, 4)
    assert float(method(whole).mean_loss) > 0
    path = checkpoints.save(tmp_path, 4, 0, whole.checkpoint(), keep=1)
    go_on(whole, range(4, 8))
    resumed = started(config)
    resumed.restore(checkpoints.load(path), path)
    go_on(resumed, range(4, 8))
    expected, found = whole.checkpoint().tensors, resumed.checkpoint().tensors
    assert expected.keys() == found.keys() >= {"teacher-teacher", "strategy"}
    assert all(same(expected[group], found[group]) for group in expected)
    assert whole.strategy.memory and resumed.strategy.memory
    assert whole.strategy.memory.clip_ids == resumed.strategy.memory.clip_ids

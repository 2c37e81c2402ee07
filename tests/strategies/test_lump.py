"""Properties of LUMP: its mixtures, their weights, and what it stores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import RunConfig, validate
from avbench.errors import UsageError
from avbench.strategies.lump import LUMP
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Step

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def weights(session: Session) -> dict[str, Tensor]:
    return dict(session.net.state_dict())


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def stepped(session: Session, *counts: int) -> Session:
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    for clips in counts:
        template.mbatch = random_wire(session.config, clips, generator)
        template.run_iteration()
    return session


def fixed(weight: float) -> LUMP:
    """LUMP with one mixing weight."""
    strategy = LUMP(LUMP.Config(memory=12))
    strategy.mixing_weight = lambda: weight  # type: ignore[method-assign]
    return strategy


def test_all_stream_is_finetune_bit_for_bit(tiny_config: Config, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LUMP, "mixing_weight", lambda self: 1.0)
    lump = train(tiny_config("lump"))
    assert same(weights(lump), weights(train(tiny_config("finetune"))))
    assert lump.strategy.memory and len(lump.strategy.memory) == 12
    monkeypatch.undo()
    assert not same(weights(lump), weights(train(tiny_config("lump"))))


def test_all_memory_is_training_on_the_replayed_clips_alone(tiny_config: Config) -> None:
    class OnMemory(LUMP):
        def compose(self, step: Step) -> Batch:
            return step.stream if step.replay is None else step.replay.batch

    config = tiny_config("lump")
    counts = [6] * 4
    lump = stepped(Session(config, fixed(0.0)), *counts)
    assert same(weights(lump), weights(stepped(Session(config, OnMemory(LUMP.Config(memory=12))), *counts)))
    assert not same(weights(lump), weights(stepped(Session(config, fixed(1.0)), *counts)))


def test_one_weight_mixes_both_modalities_of_every_pair(tiny_config: Config) -> None:
    session = stepped(Session(tiny_config("lump", options={"memory": 40, "concentration": 2.0})), 6, 6, 6)
    step = session.template.step
    assert step.replay is not None and len(step.joint) == 6
    weight = float(step.terms["mixing"])
    assert 0.05 < weight < 0.95  # else the comparison would say little
    for name in ("audio", "video"):
        mixture, stream, past = (getattr(batch, name) for batch in (step.joint, step.stream, step.replay.batch))
        for clip in range(6):
            expected = weight * stream[clip] + (1 - weight) * past[clip]
            torch.testing.assert_close(mixture[clip], expected, rtol=1e-5, atol=1e-6)


def test_a_memory_of_fewer_clips_is_gone_through_again(tiny_config: Config) -> None:
    step = stepped(Session(tiny_config("lump"), fixed(0.25)), 4, 6).template.step
    assert step.replay is not None and len(step.replay) == 4 and len(step.joint) == 6
    for clip, past in enumerate([0, 1, 2, 3, 0, 1]):
        expected = 0.25 * step.stream.audio[clip] + 0.75 * step.replay.batch.audio[past]
        torch.testing.assert_close(step.joint.audio[clip], expected)


def test_a_memory_of_more_clips_than_a_short_batch_gives_one_partner_each(tiny_config: Config) -> None:
    step = stepped(Session(tiny_config("lump"), fixed(0.25)), 6, 6, 4).template.step
    assert step.replay is not None and len(step.replay) == len(step.joint) == 4


def test_stored_clips_are_unmixed(tiny_config: Config) -> None:
    session = Session(tiny_config("lump", options={"memory": 40, "concentration": 2.0}))
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    wires = [random_wire(session.config, 6, generator) for _ in range(4)]
    for wire in wires:
        template.mbatch = wire
        template.run_iteration()
    memory = session.strategy.memory
    assert memory is not None
    stored = memory.read(torch.arange(24))
    for name in ("audio", "video"):
        assert torch.equal(stored[name], torch.cat([wire[name] for wire in wires]))


def test_the_weight_is_logged_and_adds_nothing_to_the_loss(tiny_config: Config) -> None:
    session = Session(tiny_config("lump"))
    for steps in (1, 3):
        template = stepped(session, *[6] * steps).template
        terms = {name: float(value.detach()) for name, value in template.step.terms.items()}
        assert 0 <= terms["mixing"] <= 1
        expected = 0.7 * (terms["reconstruction_audio"] + terms["reconstruction_video"]) + 0.3 * terms["contrastive"]
        assert float(template.loss.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("weight", "part"),
    [
        (0.0, "memory"),
        (0.01, "memory"),
        (0.011, "both"),
        (0.5, "both"),
        (0.989, "both"),
        (0.99, "stream"),
        (1.0, "stream"),
    ],
)
def test_the_part_of_its_range_a_weight_is_in_is_logged(tiny_config: Config, weight: float, part: str) -> None:
    terms = stepped(Session(tiny_config("lump"), fixed(weight)), 6, 6).template.step.terms
    assert float(terms["mixing"]) == pytest.approx(weight)
    assert {name: float(terms[f"mixing_{name}"]) for name in ("memory", "both", "stream")} == {
        name: float(name == part) for name in ("memory", "both", "stream")
    }


def test_what_the_journal_gets_of_many_steps_is_a_histogram_of_their_weights(tiny_config: Config) -> None:
    session = Session(tiny_config("lump", options={"memory": 12, "concentration": 0.1}))
    assert isinstance(session.strategy, LUMP)
    drawn, draw = [1.0], session.strategy.mixing_weight  # nothing is mixed in the first step
    session.strategy.mixing_weight = lambda: drawn.append(draw()) or drawn[-1]  # type: ignore[method-assign, func-returns-value]
    read = stepped(session, *[6] * 20).template.read_terms(20)
    assert read["mixing"] == pytest.approx(sum(drawn) / 20)
    assert read["mixing_memory"] == pytest.approx(sum(weight <= 0.01 for weight in drawn) / 20)
    assert read["mixing_stream"] == pytest.approx(sum(weight >= 0.99 for weight in drawn) / 20)
    assert read["mixing_both"] == pytest.approx(sum(0.01 < weight < 0.99 for weight in drawn) / 20)
    assert all(0 < read[f"mixing_{part}"] < 1 for part in ("memory", "both", "stream"))


@pytest.mark.parametrize(("concentration", "share"), [(0.05, 0.80), (0.1, 0.64), (0.4, 0.19), (1.0, 0.02)])
def test_weights_follow_the_beta_distribution(tiny_config: Config, concentration: float, share: float) -> None:
    """Shares within 0.01 of an endpoint; a uniform weight (a = 1) has 0.02 by definition."""
    strategy = Session(tiny_config("lump", options={"memory": 12, "concentration": concentration})).strategy
    assert isinstance(strategy, LUMP)
    drawn = [strategy.mixing_weight() for _ in range(4000)]
    assert all(0 <= weight <= 1 for weight in drawn)
    assert sum(min(weight, 1 - weight) < 0.01 for weight in drawn) / 4000 == pytest.approx(share, abs=0.025)
    assert sum(drawn) / 4000 == pytest.approx(0.5, abs=0.03)


def test_weights_come_from_their_own_generator(tiny_config: Config) -> None:
    session = Session(tiny_config("lump"))
    states = session.generators.state_dict()
    assert isinstance(session.strategy, LUMP)
    first = [session.strategy.mixing_weight() for _ in range(5)]
    drawn = {name for name, state in session.generators.state_dict().items() if not torch.equal(state, states[name])}
    assert drawn == {"mix"}
    session.generators.load_state_dict(states)
    assert [session.strategy.mixing_weight() for _ in range(5)] == first
    assert len(set(first)) == 5


def test_a_mixture_has_no_loss_of_the_memory_alone() -> None:
    assert validate(LUMP.Config, {"variant": "faithful"}, "options").replay_loss == "joint"
    with pytest.raises(UsageError, match="replay_loss"):
        validate(LUMP.Config, {"replay_loss": "separate"}, "options")

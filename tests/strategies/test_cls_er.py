"""Properties of CLS-ER: which teacher speaks, what it is paid for, and how the teachers move."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.config import RunConfig, validate
from avbench.errors import UsageError
from avbench.model.mae import Output
from avbench.model.masking import Noise
from avbench.strategies.cls_er import CLSER
from avbench.training import checkpoint as checkpoints
from avbench.training.session import Session, random_wire

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def weights(session: Session) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in session.net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def go_on(session: Session, steps: range) -> None:
    for step in steps:
        session.template.mbatch = random_wire(session.config, 6, torch.Generator().manual_seed(step))
        session.template.run_iteration()


def stepped(config: RunConfig, steps: int, learning_rate: Callable[[int], float] | None = None) -> Session:
    session = Session(config, learning_rate=learning_rate)
    session.attach(store=[])
    go_on(session, range(steps))
    return session


def options(**values: Any) -> dict[str, Any]:
    """Teachers that move apart within a few steps."""
    return {"memory": 40, "stable_decay": 0.9, "stable_update_probability": 0.3, "plastic_decay": 0.1, **values}


@pytest.mark.parametrize("values", [{}, {"masks": "shared"}, {"replay_loss": "separate"}])
def test_without_its_penalty_cls_er_is_er_bit_for_bit(
    tiny_config: Config, train: Train, values: dict[str, Any]
) -> None:
    replay = {name: value for name, value in values.items() if name == "replay_loss"}
    er = train(tiny_config("er", options={"memory": 12, **replay}))
    without = train(tiny_config("cls-er", options={"memory": 12, "consistency_weight": 0.0, **values}))
    assert same(weights(er), weights(without))
    assert er.strategy.memory and without.strategy.memory
    assert er.strategy.memory.clip_ids == without.strategy.memory.clip_ids
    assert not same(weights(er), weights(train(tiny_config("cls-er", options={"memory": 12, **values}))))


def certainty(logits: list[float], own: int) -> float:
    return math.exp(logits[own]) / sum(math.exp(value) for value in logits)


def targets_in_loops(stable: Output, plastic: Output) -> tuple[list[list[float]], list[list[float]], list[str]]:
    """Audio and video targets of each clip, and the teachers they came from; 0.05 is the temperature."""
    audio, video, origins = [], [], []
    for clip in range(len(stable.z_audio)):  # type: ignore[arg-type]
        sure = {}
        for name, out in (("stable", stable), ("plastic", plastic)):
            assert out.z_audio is not None and out.z_video is not None
            cosines = [[float(torch.cosine_similarity(a, v, dim=0)) / 0.05 for v in out.z_video] for a in out.z_audio]
            sure[name] = certainty(cosines[clip], clip), certainty([row[clip] for row in cosines], clip)
        for_video, for_audio = ("stable" if sure["stable"][way] > sure["plastic"][way] else "plastic" for way in (0, 1))
        outs = {"stable": stable, "plastic": plastic}
        audio.append(outs[for_audio].z_audio[clip].tolist())  # type: ignore[index]
        video.append(outs[for_video].z_video[clip].tolist())  # type: ignore[index]
        origins += [for_audio, for_video]
    return audio, video, origins


@pytest.mark.parametrize("masks", ["fresh", "shared"])
def test_each_modality_of_a_clip_follows_the_teacher_that_is_surer_of_its_other_half(
    tiny_config: Config, masks: str
) -> None:
    config = tiny_config("cls-er", options=options(masks=masks, consistency_weight=0.3))
    session = stepped(config, 5)
    nets = {name: deepcopy(teacher.net) for name, teacher in session.strategy.teachers.items()}
    aux = torch.Generator()
    aux.set_state(session.generators["aux"].get_state())
    go_on(session, range(5, 6))
    step = session.template.step
    assert step.replay is not None

    if masks == "shared":
        noises = [step.noise[6:], step.noise[6:]]
    else:
        noises = [Noise.draw(6, config.clip, aux) for _ in range(2)]
    with torch.no_grad():
        outs = [nets[name](step.replay.batch, noise) for name, noise in zip(("stable", "plastic"), noises, strict=True)]
    audio, video, origins = targets_in_loops(*outs)
    assert set(origins) == {"stable", "plastic"}  # else the comparison would say little
    total = 0.0
    for z, target in ((step.output.z_audio, audio), (step.output.z_video, video)):
        assert z is not None
        differences = [
            (float(new) - old) ** 2
            for row, kept in zip(z[6:].detach(), target, strict=True)
            for new, old in zip(row, kept, strict=True)
        ]
        total += sum(differences) / len(differences)
    assert float(step.terms["consistency"].detach()) == pytest.approx(0.3 * total, rel=1e-4)


def test_the_penalty_comes_on_top_of_the_loss_of_er_and_reaches_the_network_alone(tiny_config: Config) -> None:
    session = stepped(tiny_config("cls-er", options=options()), 3)
    terms = {name: float(value.detach()) for name, value in session.template.step.terms.items()}
    base = 0.7 * (terms["reconstruction_audio"] + terms["reconstruction_video"]) + 0.3 * terms["contrastive"]
    assert terms["consistency"] > 0
    assert float(session.template.loss.detach()) == pytest.approx(base + terms["consistency"], rel=1e-5)
    for teacher in session.strategy.teachers.values():
        assert all(parameter.grad is None for parameter in teacher.net.parameters())


def test_teachers_that_are_the_network_itself_cost_nothing_under_shared_masks(tiny_config: Config) -> None:
    def penalty(masks: str, rate: float) -> float:
        config = tiny_config("cls-er", options=options(masks=masks, consistency_weight=1.0))
        return float(stepped(config, 3, lambda step: rate).template.step.terms["consistency"].detach())

    unchanged = penalty("shared", 0.0)
    assert unchanged < 1e-10  # batches of different sizes round differently
    assert penalty("shared", 1e-3) > 1e-6 + 1e3 * unchanged
    assert penalty("fresh", 0.0) > 1e-6 + 1e3 * unchanged


def test_there_is_no_penalty_while_the_memory_is_empty(tiny_config: Config) -> None:
    assert "consistency" not in stepped(tiny_config("cls-er", options=options()), 1).template.step.terms


def test_teachers_move_after_the_update_by_coins_of_their_own(tiny_config: Config) -> None:
    session = Session(tiny_config("cls-er", options=options(plastic_update_probability=0.7)))
    session.attach(store=[])
    coin = torch.Generator()
    coin.set_state(session.generators["coin"].get_state())
    expected = {name: weights(session) for name in ("stable", "plastic")}
    moves = {"stable": 0, "plastic": 0}
    for step in range(8):
        go_on(session, range(step, step + 1))
        for name, decay, probability in (("stable", 0.9, 0.3), ("plastic", 0.1, 0.7)):
            if float(torch.rand((), generator=coin)) < probability:
                moves[name] += 1
                rate = min(1 - 1 / (step + 2), decay)
                for key, value in session.net.state_dict().items():
                    expected[name][key] = rate * expected[name][key] + (1 - rate) * value
    assert 0 < moves["stable"] < moves["plastic"] < 8
    for name, teacher in session.strategy.teachers.items():
        for key, value in teacher.net.state_dict().items():
            torch.testing.assert_close(value, expected[name][key], rtol=1e-5, atol=1e-6)


def test_only_the_named_generators_are_drawn_from(tiny_config: Config) -> None:
    def drawn(masks: str) -> set[str]:
        session = stepped(tiny_config("cls-er", options=options(masks=masks)), 2)
        states = session.generators.state_dict()
        go_on(session, range(2, 3))
        return {name for name, state in session.generators.state_dict().items() if not torch.equal(state, states[name])}

    # The memory is not full yet, but the reservoir draws for every visit.
    assert drawn("fresh") == {"memory", "reservoir", "mask", "aux", "coin"}
    assert drawn("shared") == {"memory", "reservoir", "mask", "coin"}


def test_teachers_take_the_cheap_pass_without_decoder(tiny_config: Config) -> None:
    session = stepped(tiny_config("cls-er", options=options()), 1)
    compute = session.compute
    before = compute.operations
    with compute.counting():
        go_on(session, range(1, 2))
    step = session.template.step
    assert step.replay is not None
    total, compute.operations = compute.operations - before, 0
    with torch.no_grad(), compute.counting():
        session.net(step.replay.batch, step.noise[6:], parts={"contrastive"})
    encoders = compute.operations
    assert 0 < encoders < 6 * compute.per_unit
    assert total == 3 * 12 * compute.per_unit + 2 * encoders


@pytest.mark.parametrize("first", ["working", "stable", "plastic"])
def test_all_three_networks_are_evaluated_and_the_one_asked_for_comes_first(tiny_config: Config, first: str) -> None:
    strategy = Session(tiny_config("cls-er", options=options(evaluate=first))).strategy
    nets = {"working": strategy.net, **{name: teacher.net for name, teacher in strategy.teachers.items()}}
    assert next(iter(strategy.evaluated)) == first
    assert strategy.evaluated == nets


def test_the_variants_differ_in_masks_and_in_what_is_evaluated(tiny_config: Config) -> None:
    stella, faithful = CLSER.Config(), CLSER.Config(variant="faithful")
    assert (stella.masks, stella.replay_loss, stella.evaluate) == ("fresh", "joint", "working")
    assert (faithful.masks, faithful.replay_loss, faithful.evaluate) == ("shared", "joint", "stable")
    with pytest.raises(UsageError, match=r"evaluate.*'teacher'|evaluate.*working"):
        validate(CLSER.Config, {"evaluate": "teacher"}, "options")
    with pytest.raises(UsageError, match=r"stable_decay"):
        validate(CLSER.Config, {"stable_decay": 1.1}, "options")


def test_a_restored_session_continues_bit_for_bit(tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config("cls-er", options=options(memory=14))
    whole = stepped(config, 4)
    path = checkpoints.save(tmp_path, 4, 0, whole.checkpoint(), keep=1)
    go_on(whole, range(4, 8))
    resumed = Session(config)
    resumed.attach(store=[])
    resumed.restore(checkpoints.load(path), path)
    go_on(resumed, range(4, 8))
    expected, found = whole.checkpoint().tensors, resumed.checkpoint().tensors
    assert expected.keys() == found.keys() >= {"teacher-stable", "teacher-plastic"}
    assert all(same(expected[group], found[group]) for group in expected)
    assert whole.checkpoint().state == resumed.checkpoint().state | {"seconds": whole.checkpoint().state["seconds"]}

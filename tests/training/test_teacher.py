"""Teachers: slow averages that share nothing with the network and are trained by nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from avbench.config import RunConfig
from avbench.model.mae import AudioVideoMAE
from avbench.training import checkpoint as checkpoints
from avbench.training.session import Session, random_wire
from avbench.training.strategy import AudioVideoStrategy, Context, ReplayConfig, Step
from avbench.training.teacher import Teacher

Config = Callable[..., RunConfig]


def state(net: AudioVideoMAE) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@torch.no_grad()
def move(net: AudioVideoMAE, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in net.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)


@pytest.fixture
def net(tiny_config: Config) -> AudioVideoMAE:
    return Session(tiny_config("finetune")).net


def followed(
    net: AudioVideoMAE, decay: float, probability: float, steps: int
) -> tuple[Teacher, list[dict[str, Tensor]]]:
    """A teacher after `steps` updates, and every state the network had, the initial one first."""
    teacher, coin, states = Teacher(net, decay, probability), torch.Generator().manual_seed(0), [state(net)]
    for step in range(steps):
        move(net, step)
        states.append(state(net))
        teacher.follow(net, coin)
    return teacher, states


def test_a_teacher_that_never_moves_keeps_its_initial_weights(net: AudioVideoMAE) -> None:
    teacher, states = followed(net, decay=0.5, probability=0.0, steps=5)
    assert same(state(teacher.net), states[0])
    assert not same(states[0], states[-1])
    assert teacher.steps == 5


def test_without_decay_and_moving_always_the_teacher_is_the_network(net: AudioVideoMAE) -> None:
    teacher, states = followed(net, decay=0.0, probability=1.0, steps=3)
    assert same(state(teacher.net), states[-1])


def test_while_it_warms_up_a_teacher_is_the_mean_of_all_networks_so_far(net: AudioVideoMAE) -> None:
    teacher, states = followed(net, decay=1.0, probability=1.0, steps=9)
    for name, value in teacher.net.state_dict().items():
        mean = sum(kept[name].double() for kept in states) / len(states)
        torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-6)  # type: ignore[arg-type]


def test_afterwards_it_decays(net: AudioVideoMAE) -> None:
    teacher, states = followed(net, decay=0.6, probability=1.0, steps=6)
    expected = states[0]
    for step, kept in enumerate(states[1:], start=1):
        rate = [0.5, 0.6][step > 1]  # 1 - 1 / (t + 1) is 1/2, 2/3, ...
        expected = {name: rate * expected[name] + (1 - rate) * value for name, value in kept.items()}
    for name, value in teacher.net.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_it_moves_as_often_as_its_coin_says_and_draws_once_a_step(net: AudioVideoMAE) -> None:
    teacher, coin, moves = Teacher(net, 0.0, 0.3), torch.Generator().manual_seed(3), []
    expected = torch.rand(200, generator=torch.Generator().manual_seed(3)) < 0.3
    parameter, watched = next(net.parameters()), next(teacher.net.parameters())
    for step in range(200):
        with torch.no_grad():
            parameter.fill_(step)
        teacher.follow(net, coin)
        moves.append(bool((watched == step).all()))
    assert moves == expected.tolist()


def test_a_teacher_shares_nothing_with_the_network_and_holds_parameters_only(net: AudioVideoMAE) -> None:
    teacher = Teacher(net, 0.9, 1.0)
    storages = {parameter.data_ptr() for parameter in net.parameters()}
    assert not storages & {parameter.data_ptr() for parameter in teacher.net.parameters()}
    # Buffers would not be averaged.
    assert {name for name, _ in net.named_parameters()} == net.state_dict().keys()


def test_a_restored_teacher_goes_on_bit_for_bit(net: AudioVideoMAE) -> None:
    teacher, _ = followed(net, decay=0.9, probability=0.7, steps=4)
    restored = Teacher(net, 0.9, 0.7)
    restored.load_state_dict({name: value.clone() for name, value in teacher.state_dict().items()})
    assert restored.steps == 4
    coins = [torch.Generator().manual_seed(1) for _ in range(2)]
    for step in range(4, 8):
        move(net, step)
        teacher.follow(net, coins[0])
        restored.follow(net, coins[1])
    assert same(state(teacher.net), state(restored.net))
    with pytest.raises((KeyError, RuntimeError)):
        restored.load_state_dict({"steps": torch.tensor(3)})


class Taught(AudioVideoStrategy):
    """ER with a teacher whose loss is part of the loss."""

    def setup(self, context: Context) -> None:
        super().setup(context)
        self.teachers = {"slow": Teacher(self.net, 0.5, 1.0)}

    def penalty(self, step: Step) -> dict[str, Tensor]:
        out, taught = step.output, self.teachers["slow"].net(step.joint, step.noise)
        return {"distance": (out.z_audio - taught.z_audio).square().mean()}


def go_on(session: Session, steps: range) -> None:
    for step in steps:
        session.template.mbatch = random_wire(session.config, 6, torch.Generator().manual_seed(step))
        session.template.run_iteration()


def taught(config: RunConfig) -> Session:
    session = Session(config, Taught(ReplayConfig(memory=12)))
    session.attach(store=[])
    return session


def test_teachers_are_not_trained(tiny_config: Config) -> None:
    session = taught(tiny_config("er"))
    teacher = session.strategy.teachers["slow"]
    expected = state(teacher.net)
    for step in range(3):
        go_on(session, range(step, step + 1))
        now = session.net.state_dict()
        expected = {name: torch.lerp(value, now[name], 0.5) for name, value in expected.items()}
    assert same(expected, state(teacher.net))
    assert not any(parameter.requires_grad for parameter in teacher.net.parameters())
    assert all(parameter.grad is None for parameter in teacher.net.parameters())
    trained = {id(parameter) for group in session.optimizer.param_groups for parameter in group["params"]}
    assert trained == {id(parameter) for parameter in session.net.parameters()}
    assert set(session.parameters) == {"model"}


def test_a_restored_session_has_its_teachers_back(tiny_config: Config, tmp_path: Path) -> None:
    whole, resumed = taught(tiny_config("er")), taught(tiny_config("er"))
    go_on(whole, range(3))
    path = checkpoints.save(tmp_path, 3, 0, whole.checkpoint(), keep=1)
    resumed.restore(checkpoints.load(path), path)
    for session in (whole, resumed):
        go_on(session, range(3, 5))
    teachers = [session.strategy.teachers["slow"] for session in (whole, resumed)]
    assert same(state(teachers[0].net), state(teachers[1].net))
    assert [teacher.steps for teacher in teachers] == [5, 5]
    assert whole.strategy.evaluated.keys() == {"working", "slow"}

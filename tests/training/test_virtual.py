"""Virtual updates: exactly the update that would be made, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avbench.batch import Batch
from avbench.config import RunConfig
from avbench.model.masking import Noise
from avbench.training.session import Session, random_batch, random_wire
from avbench.training.virtual import gradients, output_at, virtual_parameters

Config = Callable[..., RunConfig]
CPU = torch.device("cpu")


def trained(config: RunConfig, steps: int = 3) -> Session:
    session = Session(config)
    session.attach(store=[])
    for step in range(steps):
        session.template.mbatch = random_wire(config, 6, torch.Generator().manual_seed(step))
        session.template.run_iteration()
    return session


def clips(config: RunConfig) -> tuple[Batch, Noise]:
    generator = torch.Generator().manual_seed(9)
    return random_batch(config, 6, generator, CPU), Noise.draw(6, config.clip, generator)


def loss_of(session: Session, net: nn.Module) -> Tensor:
    return session.strategy.clip_loss(net(*clips(session.config))).mean()


def everything(session: Session) -> dict[str, Any]:
    """Weights, gradients and the optimizer's whole state, copied."""
    named = dict(session.net.named_parameters())
    return deepcopy(
        {
            "weights": {name: parameter.detach() for name, parameter in named.items()},
            "gradients": {name: parameter.grad for name, parameter in named.items()},
            "optimizer": session.optimizer.state_dict(),
        }
    )


def equal(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(two, Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(value, two[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    return bool(one == two)


@pytest.mark.parametrize("steps", [0, 3])  # before the first step there are no moments
@pytest.mark.parametrize("rate", [None, 0.02])
def test_it_is_the_step_that_a_copy_of_network_and_optimizer_really_makes(
    tiny_config: Config, steps: int, rate: float | None
) -> None:
    session = trained(tiny_config("finetune", training={"weight_decay": 0.1}), steps)
    moved = virtual_parameters(
        session.net, session.optimizer, gradients(loss_of(session, session.net), session.net), learning_rate=rate
    )
    net, optimizer = deepcopy((session.net, session.optimizer))
    for group in optimizer.param_groups:
        group["lr"] = rate or group["lr"]
    optimizer.zero_grad()
    loss_of(session, net).backward()
    optimizer.step()
    assert moved.keys() == dict(net.named_parameters()).keys()
    for name, parameter in net.named_parameters():
        assert torch.equal(moved[name], parameter)
        assert not torch.equal(moved[name], session.net.get_parameter(name))


@pytest.mark.parametrize("kind", ["optimizer", "gradient"])
def test_nothing_that_exists_is_changed(tiny_config: Config, kind: Any) -> None:
    session = trained(tiny_config("finetune"))
    before = everything(session)
    gradient = gradients(loss_of(session, session.net), session.net)
    kept = {name: value.clone() for name, value in gradient.items()}
    moved = virtual_parameters(session.net, session.optimizer, gradient, kind)
    with torch.no_grad():
        output_at(session.net, moved, *clips(session.config))
        for value in moved.values():
            value.zero_()  # shares no memory with the network
    assert equal(before, everything(session))
    assert equal(kept, gradient)
    assert not any(value.requires_grad for value in moved.values())


def test_training_after_a_look_ahead_goes_on_as_without_one(tiny_config: Config) -> None:
    one, two = trained(tiny_config("finetune")), trained(tiny_config("finetune"))
    virtual_parameters(one.net, one.optimizer, gradients(loss_of(one, one.net), one.net))
    for session in (one, two):
        session.template.mbatch = random_wire(session.config, 6, torch.Generator().manual_seed(8))
        session.template.run_iteration()
    assert equal(everything(one), everything(two))


@pytest.mark.parametrize("kind", ["optimizer", "gradient"])
def test_a_rate_of_zero_moves_nothing(tiny_config: Config, kind: Any) -> None:
    session = trained(tiny_config("finetune"))
    gradient = gradients(loss_of(session, session.net), session.net)
    moved = virtual_parameters(session.net, session.optimizer, gradient, kind, learning_rate=0.0)
    assert all(torch.equal(value, session.net.get_parameter(name)) for name, value in moved.items())
    assert moved.keys() == gradient.keys()


@pytest.mark.parametrize("rate", [None, 0.3])
def test_a_gradient_step_is_plain_descent_without_decay(tiny_config: Config, rate: float | None) -> None:
    session = trained(tiny_config("finetune", training={"weight_decay": 0.1}))
    gradient = gradients(loss_of(session, session.net), session.net)
    moved = virtual_parameters(session.net, session.optimizer, gradient, "gradient", rate)
    for name, value in moved.items():
        expected = session.net.get_parameter(name).detach() - (rate or 1e-3) * gradient[name]
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)


def test_gradients_are_those_of_a_backward_pass(tiny_config: Config) -> None:
    session = trained(tiny_config("finetune"))
    net = deepcopy(session.net)
    net.zero_grad()
    loss_of(session, net).backward()
    gradient = gradients(loss_of(session, session.net), session.net)
    assert all(torch.equal(gradient[name], parameter.grad) for name, parameter in net.named_parameters())  # type: ignore[arg-type]


def test_parameters_that_the_loss_does_not_reach_stay_out(tiny_config: Config) -> None:
    session = trained(tiny_config("finetune"))
    contrastive = session.net(*clips(session.config), parts={"contrastive"}).contrastive.mean()
    gradient = gradients(contrastive, session.net)
    moved = virtual_parameters(session.net, session.optimizer, gradient)
    decoder = {name for name, _ in session.net.named_parameters() if name.startswith("decoder.")}
    assert moved and decoder and not decoder & moved.keys()
    frozen = next(session.net.parameters()).requires_grad_(False)
    name = next(name for name, parameter in session.net.named_parameters() if parameter is frozen)
    assert name not in gradients(loss_of(session, session.net), session.net)


def test_modules_beside_the_network_are_no_part_of_it(tiny_config: Config) -> None:
    session = trained(tiny_config("stella"))
    moved = virtual_parameters(session.net, session.optimizer, gradients(loss_of(session, session.net), session.net))
    assert moved.keys() == dict(session.net.named_parameters()).keys()


def test_a_pass_at_other_parameters_is_that_of_a_network_that_has_them(tiny_config: Config) -> None:
    session = trained(tiny_config("finetune"))
    batch, noise = clips(session.config)
    moved = virtual_parameters(session.net, session.optimizer, gradients(loss_of(session, session.net), session.net))
    net = deepcopy(session.net)
    net.load_state_dict(moved)
    expected, found, present = net(batch, noise), output_at(session.net, moved, batch, noise), session.net(batch, noise)
    for name in ("reconstruction_audio", "reconstruction_video", "contrastive", "z_audio", "z_video", "similarity"):
        assert torch.equal(getattr(expected, name), getattr(found, name))
        assert not torch.equal(getattr(present, name), getattr(found, name))

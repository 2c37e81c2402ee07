"""Adam with L2 decay on matrices only, one for the whole stream."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from avbench.config import RunConfig, TrainingConfig
from avbench.training.optimizer import build_optimizer
from avbench.training.session import Session

Config = Callable[..., RunConfig]
BACKBONE_LAYERS = {"embed", "qkv", "proj", "fc1", "fc2", "project", "head"}
MATCHING_LAYERS = {f"{kind}_{modality}" for kind in ("query", "key", "value") for modality in ("audio", "video")}
MATCHING_LAYERS |= {"hidden", "classify"}


def settings(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, float]:
    """The decay of every parameter of `module`, by name; each is in exactly one group."""
    decays: dict[str, float] = {}
    for name, parameter in module.named_parameters():
        (group,) = [g for g in optimizer.param_groups if any(other is parameter for other in g["params"])]
        decays[name] = group["weight_decay"]
    return decays


def is_matrix(name: str, layers: set[str]) -> bool:
    *_, layer, kind = ["", *name.split(".")]
    return kind == "weight" and layer in layers


def test_it_is_adam_with_the_configured_rate_and_betas(tiny_config: Config) -> None:
    training = {"learning_rate": 3e-4, "betas": (0.9, 0.97)}
    optimizer = Session(tiny_config("stella", training=training)).optimizer
    assert type(optimizer) is torch.optim.Adam
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (3e-4, (0.9, 0.97), 1e-8)
        assert not any(group.get(name) for name in ("amsgrad", "maximize", "decoupled_weight_decay"))


def test_every_linear_weight_decays_and_nothing_else(tiny_config: Config) -> None:
    training = {"weight_decay": 0.02, "matching_decay_factor": 5.0}
    session = Session(tiny_config("stella", training=training))
    found = settings(session.optimizer, session.net)
    assert found == {name: 0.02 if is_matrix(name, BACKBONE_LAYERS) else 0.0 for name in found}
    assert {name.split(".")[-2] for name, decay in found.items() if decay} == BACKBONE_LAYERS
    for kept in ("bias", "norm1", "norm2", "norm", "position", "inter_position", "modality", "mask_token"):
        own = {name: decay for name, decay in found.items() if kept in name.split(".")}
        assert own and not any(own.values()), kept
    matching = settings(session.optimizer, session.strategy.modules()["matching"])
    assert matching == {name: 0.1 if is_matrix(name, MATCHING_LAYERS) else 0.0 for name in matching}
    assert {name.split(".")[-2] for name, decay in matching.items() if decay} == MATCHING_LAYERS
    members = sum(len(group["params"]) for group in session.optimizer.param_groups)
    assert members == len(found) + len(matching)


def test_the_decay_is_l2_in_the_gradient_not_decoupled() -> None:
    training = TrainingConfig(learning_rate=0.01, betas=(0.95, 0.999), weight_decay=0.5)
    layer = nn.Linear(1, 1)
    optimizer = build_optimizer(layer, {}, training)
    values = {"weight": float(layer.weight.detach()), "bias": float(layer.bias.detach())}
    moments = dict.fromkeys(values, (0.0, 0.0))
    for step, gradient in enumerate([0.3, -0.2, 0.05], start=1):
        for name, parameter in layer.named_parameters():
            parameter.grad = torch.full_like(parameter, gradient)
            total = gradient + (0.5 * values[name] if name == "weight" else 0.0)
            first, second = moments[name]
            first, second = 0.95 * first + 0.05 * total, 0.999 * second + 0.001 * total**2
            moments[name] = first, second
            mean, square = first / (1 - 0.95**step), second / (1 - 0.999**step)
            values[name] -= 0.01 * mean / (square**0.5 + 1e-8)
        optimizer.step()
    assert {name: float(p.detach()) for name, p in layer.named_parameters()} == pytest.approx(values, rel=1e-4)


def test_its_state_survives_all_experiences(tiny_config: Config, train: Callable[..., Session]) -> None:
    session = train(tiny_config("stella"), clips=36, cuts=(12, 24))
    state = session.optimizer.state_dict()["state"]
    parameters = sum(len(group["params"]) for group in session.optimizer.param_groups)
    assert len(state) == parameters
    assert session.template.optimizer is session.optimizer
    # Three experiences of two epochs of two batches; a reset would start the count anew.
    assert {int(values["step"]) for values in state.values()} == {12}

"""Clipping of gradients: the network's by itself, and so those of each module beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn

from avbench.config import RunConfig, Section
from avbench.strategies.stella import Stella
from avbench.training.pretraining import BasePretraining
from avbench.training.session import Session, random_wire

Config = Callable[..., RunConfig]


def stepped(session: Session, steps: int = 3) -> Session:
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    for _ in range(steps):
        template.mbatch = random_wire(session.config, 6, generator)
        template.run_iteration()
    return session


def norm(*modules: nn.Module) -> float:
    """Of the gradients that the optimizer was given."""
    gradients = (p.grad for module in modules for p in module.parameters())
    return float(torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt())


def same(one: Iterable[Tensor], two: Iterable[Tensor]) -> bool:
    return all(map(torch.equal, one, two))


def test_the_network_and_each_module_beside_it_have_a_norm_of_their_own(tiny_config: Config) -> None:
    free = stepped(Session(tiny_config("stella")), 1)
    limit = 0.5 * min(norm(free.net), norm(free.strategy.modules()["matching"]))
    clipped = stepped(Session(tiny_config("stella", {"clip_gradient": limit})), 1)
    assert norm(clipped.net) == pytest.approx(limit, rel=1e-2)  # what is divided by is the norm plus 1e-6
    assert norm(clipped.strategy.modules()["matching"]) == pytest.approx(limit, rel=1e-2)


def test_the_matching_modules_gradient_does_not_scale_the_networks_update(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config("stella", {"clip_gradient": 0.05}, options={"memory": 12, "sampling_ratio": 1.0})
    plain, loss = stepped(Session(config)), Stella._matching_loss
    monkeypatch.setattr(Stella, "_matching_loss", lambda self, step: 1000 * loss(self, step))
    steep = stepped(Session(config))
    assert same(plain.net.state_dict().values(), steep.net.state_dict().values())
    assert not same(*(run.strategy.modules()["matching"].state_dict().values() for run in (plain, steep)))


def test_gradients_within_the_limit_stay_as_they_are(tiny_config: Config) -> None:
    runs = [stepped(Session(tiny_config("stella", {"clip_gradient": limit}))) for limit in (None, 1e6)]
    assert same(*(run.net.state_dict().values() for run in runs))


def test_base_pre_training_clips_backbone_and_matching_module_together(tiny_config: Config) -> None:
    """As the shipped weights were made: one norm over all, summed in the optimizer's order."""
    free = stepped(Session(tiny_config("finetune"), BasePretraining(Section())), 1)
    limit = 0.5 * norm(free.strategy.modules()["matching"])
    config = tiny_config("finetune", {"clip_gradient": limit})
    session = stepped(Session(config, BasePretraining(Section())), 1)
    matching = session.strategy.modules()["matching"]
    assert norm(session.net, matching) == pytest.approx(limit, rel=1e-2)
    assert norm(matching) < 0.5 * limit  # by itself it would have the whole
    trained = [p for group in session.optimizer.param_groups for p in group["params"]]
    (together,) = session.template._clipped
    assert len(together) == len(trained) and all(one is two for one, two in zip(together, trained, strict=True))

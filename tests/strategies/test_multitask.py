"""Multitask: Finetune on the whole stream at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from avbench import registry
from avbench.config import RunConfig
from avbench.training.session import Session

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def weights(session: Session) -> dict[str, Tensor]:
    return dict(session.net.state_dict())


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_on_one_task_multitask_is_finetune_bit_for_bit(tiny_config: Config, train: Train) -> None:
    multitask = train(tiny_config("multitask", options={}), cuts=())
    assert same(weights(multitask), weights(train(tiny_config("finetune"), cuts=())))
    assert not same(weights(multitask), weights(train(tiny_config("finetune"), cuts=(12,))))
    assert multitask.strategy.memory is None


def test_it_takes_as_many_steps_as_the_sequence_but_for_dropped_remainders(tiny_config: Config, train: Train) -> None:
    together = train(tiny_config("multitask", options={}), clips=27, cuts=()).template.progress
    apart = train(tiny_config("finetune"), clips=27, cuts=(10, 18)).template.progress
    assert (apart.step, together.step) == (2 * (1 + 1 + 1), 2 * 4)  # six clips a step, two epochs
    assert 0 <= together.clips - apart.clips < 2 * 3 * 6  # less than a batch per task and epoch


def test_it_declares_that_it_sees_the_stream_as_a_whole() -> None:
    multitask, finetune = (registry.find("strategies", name).load() for name in ("multitask", "finetune"))
    assert multitask.joint_stream
    assert not finetune.joint_stream

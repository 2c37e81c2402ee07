"""A session restored from a checkpoint goes on as if it had never stopped, whatever the method keeps and draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.config import RunConfig
from avbench.training import checkpoint as checkpoints
from avbench.training.session import Session, random_wire


def go_on(session: Session, steps: range) -> None:
    for step in steps:
        session.template.mbatch = random_wire(session.config, 6, torch.Generator().manual_seed(step))
        session.template.run_iteration()


def everything(session: Session) -> dict[str, Tensor]:
    tensors = session.checkpoint().tensors
    return {f"{group}.{name}": value for group, values in tensors.items() for name, value in values.items()}


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("mir", {"candidates": 2}),
        ("gmed", {"gamma": 0.9}),
        ("lump", {"concentration": 1.0}),
        ("derpp", {"variant": "faithful", "beta": 0.5}),
    ],
)
def test_a_restored_session_continues_bit_for_bit(
    tiny_config: Callable[..., RunConfig], tmp_path: Path, strategy: str, options: dict[str, Any]
) -> None:
    config = tiny_config(strategy, options={"memory": 14, **options})
    whole = Session(config)
    whole.attach(store=[])
    go_on(whole, range(4))
    path = checkpoints.save(tmp_path, 4, 0, whole.checkpoint(), keep=1)
    go_on(whole, range(4, 8))

    resumed = Session(config)
    resumed.attach(store=[])
    resumed.restore(checkpoints.load(path), path)
    go_on(resumed, range(4, 8))
    expected, found = everything(whole), everything(resumed)
    assert expected.keys() == found.keys()
    assert [name for name, value in expected.items() if not torch.equal(value, found[name])] == []
    assert whole.strategy.memory is not None and resumed.strategy.memory is not None
    assert whole.strategy.memory.clip_ids == resumed.strategy.memory.clip_ids

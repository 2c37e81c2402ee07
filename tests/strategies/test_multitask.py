"""Multitask: Finetune on the whole stream at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import TINY
from torch import Tensor

import avbench
from avbench import registry
from avbench.benchmarks.joint import join_experiences
from avbench.benchmarks.streams import AudioVideoBenchmark, Clip, build_scenario, rows_of
from avbench.config import RunConfig, merge
from avbench.testing.trial import NoiseClips
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


def benchmark(config: RunConfig, borders: Sequence[int]) -> AudioVideoBenchmark:
    """Clips of noise in tasks that end at `borders`, each also an evaluation and a retrieval clip of its task."""
    store: Any = NoiseClips(config, borders[-1])
    tasks = [[Clip(name, "") for name in store.clip_ids[a:b]] for a, b in pairwise([0, *borders])]
    scenario = build_scenario(store, {"train": tasks, "evaluation": tasks, "retrieval": tasks})
    return AudioVideoBenchmark("noise", "1", True, (), store, scenario, {}, {}, {}, "")


@pytest.mark.parametrize("borders", [(24,), (10, 18, 24)])
def test_joined_tasks_are_finetune_on_one_task_of_all_clips(
    tiny_config: Config, train: Train, borders: Sequence[int]
) -> None:
    config = tiny_config("multitask", options={})
    whole = benchmark(config, borders)
    joined = join_experiences(whole)
    (experience,) = joined.scenario.train_stream
    assert rows_of(experience) == list(range(24))  # every clip once, in stream order
    session = Session(config)
    session.attach(joined.store).train([experience], eval_streams=[])
    one = Session(tiny_config("finetune"))
    one.attach(joined.store).train(benchmark(config, (24,)).scenario.train_stream, eval_streams=[])
    assert same(weights(session), weights(one))
    assert session.template.progress.step == 2 * 24 // 6


def test_joining_leaves_evaluation_and_retrieval_as_they_are(tiny_config: Config) -> None:
    whole = benchmark(tiny_config("multitask", options={}), (10, 18, 24))
    joined = join_experiences(whole)
    for stream in ("evaluation_stream", "retrieval_stream"):
        before, after = (list(getattr(one.scenario, stream)) for one in (whole, joined))
        assert [rows_of(task) for task in after] == [rows_of(task) for task in before]
        assert len(after) == 3


def test_a_run_of_multitask_takes_the_steps_of_the_sequence_and_those_of_its_remainders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight tasks of eight clips, six a step: one step each in sequence, ten of all 64 clips together."""
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    small = {"training": {"epochs": 2}, "data": {"world": {"train_clips": 8}}, "evaluation": {"examples": 0}}
    settings = merge(TINY, small)
    apart, together = (
        avbench.run(name, "continual-synth", out=tmp_path / name, **settings) for name in ("finetune", "multitask")
    )
    assert apart.results.efficiency.steps == 2 * 8
    assert together.results.efficiency.steps == 2 * 10
    lines = (together.directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert {event["experience"] for event in map(json.loads, lines) if event["event"] == "step"} == {0}

"""Budgets end training early, every task gets its share, and a budget that is never reached changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import STEPS, TINY, options

import avbench
from avbench.config import merge
from avbench.training import checkpoint as checkpoints


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def limited(strategy: str, unit: str, amount: int, out: Path) -> avbench.Run:
    settings = merge(TINY, {"training": {"budget": {"unit": unit, "amount": amount}}})
    return avbench.run(strategy, "continual-synth", out=out, **settings, **options(strategy))


def steps_per_task(run: avbench.Run) -> list[int]:
    lines = (run.directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    counts = Counter(event["experience"] for event in events if event["event"] == "step")
    return [counts[task] for task in range(8)]


def weights(run: avbench.Run) -> dict[str, torch.Tensor]:
    newest = checkpoints.latest(run.directory / "checkpoints")
    assert newest is not None
    return checkpoints.load(newest).tensors["model"]


def test_steps_are_shared_among_tasks_and_never_exceeded(tmp_path: Path) -> None:
    run = limited("er", "steps", 12, tmp_path / "run")
    # Cumulative shares of 12 steps over 8 equal tasks are 1.5, 3, 4.5, ..., and a step that has begun is finished.
    assert steps_per_task(run) == [2, 1, 2, 1, 2, 1, 2, 1]
    assert run.results.efficiency.steps == 12
    assert run.results.status == "complete"
    assert run.results.track.budget == "12 steps"


@pytest.mark.parametrize(
    ("strategy", "unit", "amount", "steps"), [("er", "clips", 72, 12), ("finetune", "compute", 216, 12)]
)
def test_clips_and_compute_are_counted(strategy: str, unit: str, amount: int, steps: int, tmp_path: Path) -> None:
    # A step has 6 clips; plain training costs three units a clip.
    assert limited(strategy, unit, amount, tmp_path / "run").results.efficiency.steps == steps


def test_equal_compute_gives_a_dearer_method_fewer_steps(tmp_path: Path) -> None:
    cheap, dear = (limited(name, "compute", 240, tmp_path / name).results for name in ("finetune", "er"))
    step_of_er = 6 * 6
    assert dear.efficiency.steps < cheap.efficiency.steps
    assert 240 <= dear.efficiency.compute_units < 240 + step_of_er


def test_a_budget_that_is_never_reached_changes_nothing(tmp_path: Path) -> None:
    free = avbench.run("er", "continual-synth", out=tmp_path / "free", **TINY, **options("er"))
    bounded = limited("er", "steps", 10 * STEPS, tmp_path / "bounded")
    assert free.results.directions == bounded.results.directions
    assert free.results.efficiency.steps == bounded.results.efficiency.steps == STEPS
    for name, value in weights(free).items():
        assert torch.equal(value, weights(bounded)[name])


def test_a_budget_is_part_of_what_makes_results_comparable(tmp_path: Path) -> None:
    one, two = (limited("finetune", "steps", amount, tmp_path / str(amount)).results for amount in (9, 10))
    assert one.comparability_key != two.comparability_key

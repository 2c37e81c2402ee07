"""Trackers copy the journal's numbers, change no bit of a run, and never end one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import TINY, options

import avbench
from avbench import trackers
from avbench.config import RunConfig, merge, resolve
from avbench.errors import UsageError
from avbench.results.comparability import config_hash
from avbench.trackers import Tracking, check_installed, numbers_of
from avbench.training import checkpoint as checkpoints

STEP = {"event": "step", "step": 5, "loss": 2.5, "terms": {"contrastive": 1.5, "broken": None}, "memory_clips": 7}
STARTED = {"event": "run_started", "step": 0}


class Recorder:
    """Keeps what it is told; fails where it is asked to."""

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in, self.heard, self.closed = fails_in, [], False

    def log(self, numbers: dict[str, float], step: int) -> None:
        if self.fails_in == "log":
            raise ConnectionError("no network")
        self.heard.append((step, numbers))

    def close(self) -> None:
        if self.fails_in == "close":
            raise OSError("disk full")
        self.closed = True


def tracking(*recorders: Recorder) -> tuple[Tracking, list[str]]:
    names = ("tensorboard", "wandb")[: len(recorders)]
    warned: list[str] = []
    config = RunConfig(strategy="er", bench="b", trackers=names)  # type: ignore[arg-type]
    made = dict(zip(names, recorders, strict=True))
    return Tracking(config, Path(), warned.append, {n: lambda *_, n=n: made[n] for n in names}), warned  # type: ignore[misc]


def test_the_numbers_of_an_event() -> None:
    assert numbers_of(STEP) == {"train/loss": 2.5, "train/contrastive": 1.5, "memory/clips": 7.0}
    recall = {"audio2video": {"R@1": [10.0, 30.0]}}
    expected = {"retrieval/audio2video/R@1": 20.0, "tasks/audio2video/R@1/01": 10.0, "tasks/audio2video/R@1/02": 30.0}
    assert numbers_of({"event": "evaluated", "recall": recall}) == expected
    summary = {"audio2video": {"Avg": {"accuracy": 6.0, "forgetting_paper": None}}}
    assert numbers_of({"event": "finished", "summary": summary}) == {"summary/audio2video/accuracy": 6.0}
    assert numbers_of({"event": "checkpoint", "step": 3, "seconds": 1.0}) == {}


def test_evaluations_stand_at_the_step_they_came_after() -> None:
    recorder = Recorder()
    listen, _ = tracking(recorder)
    for event in (STARTED, STEP, {"event": "evaluated", "recall": {"audio2video": {"R@1": [1.0]}}}):
        listen(event)
    listen.close()
    assert [step for step, _ in recorder.heard] == [5, 5]
    assert recorder.closed


@pytest.mark.parametrize("where", ["log", "close"])
def test_a_tracker_that_fails_is_left_alone_and_the_others_go_on(where: str) -> None:
    broken, sound = Recorder(where), Recorder()
    listen, warned = tracking(broken, sound)
    for event in (STARTED, STEP, STEP | {"step": 6}):
        listen(event)
    listen.close()
    assert [step for step, _ in sound.heard] == [5, 6]
    assert sound.closed
    assert len(warned) == 1 and "tensorboard stopped tracking" in warned[0] and "the run goes on" in warned[0]


def test_a_tracker_that_can_not_be_opened_is_no_reason_to_stop() -> None:
    warned: list[str] = []

    def refuse(*_: Any) -> Any:
        raise ImportError("half installed")

    config = RunConfig(strategy="er", bench="b", trackers=("wandb",))
    listen = Tracking(config, Path(), warned.append, {"wandb": refuse})
    for event in (STARTED, STEP):
        listen(event)
    listen.close()
    assert warned and "half installed" in warned[0]


def test_a_missing_package_is_named_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None if name == "wandb" else object())
    check_installed(["tensorboard"])
    with pytest.raises(UsageError, match="pip install wandb"):
        avbench.run("er", "continual-synth", out=tmp_path / "run", trackers=["tensorboard", "wandb"], **TINY)
    assert not (tmp_path / "run").exists()


def test_trackers_are_no_part_of_what_a_run_was_told() -> None:
    config = resolve("er", "continual-synth")
    assert config_hash(config) == config_hash(config.model_copy(update={"trackers": ("wandb",)}))


def test_with_the_real_packages_every_bit_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.delenv("WANDB_MODE", raising=False)
    settings = merge(TINY, options("er"))
    plain = avbench.run("er", "continual-synth", out=tmp_path / "plain", **settings)
    events: list[dict[str, Any]] = []
    tracked = avbench.run(
        "er", "continual-synth", out=tmp_path / "tracked", listeners=[events.append],
        trackers=["tensorboard", "wandb"], **settings,
    )  # fmt: skip
    assert not [event for event in events if event["event"] == "warning" and event["code"] == "tracker"]
    assert tracked.results.directions == plain.results.directions
    states = [checkpoints.load(checkpoints.latest(run.directory / "checkpoints")) for run in (plain, tracked)]  # type: ignore[arg-type]
    for group, tensors in states[0].tensors.items():
        assert all(torch.equal(value, states[1].tensors[group][name]) for name, value in tensors.items()), group
    board = EventAccumulator(str(tracked.directory / "tensorboard"))
    board.Reload()
    losses = {scalar.step: scalar.value for scalar in board.Scalars("train/loss")}
    logged = {event["step"]: event["loss"] for event in events if event["event"] == "step"}
    assert losses == pytest.approx(logged, rel=1e-6)
    assert len(board.Scalars("retrieval/audio2video/R@1")) == 9
    assert list(tracked.directory.glob("wandb/offline-run-*/*.wandb"))
    assert "WANDB_API_KEY" not in os.environ

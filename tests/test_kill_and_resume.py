"""A run that is killed at any moment and resumed ends exactly as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from tiny_run import STEPS, TINY, options

import avbench
from avbench import registry
from avbench.config import read_yaml
from avbench.errors import RunDirectoryError
from avbench.results import config_hash
from avbench.training import checkpoint as checkpoints


def command(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "avbench", *arguments],
        cwd=Path(avbench.__file__).parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def steps_done(directory: Path) -> int:
    journal = directory / "journal.jsonl"
    if not journal.exists():
        return 0
    lines = journal.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return max((event["step"] for event in events if event["event"] == "step"), default=0)


def end_at(process: subprocess.Popen[bytes], directory: Path, step: int, with_signal: int) -> int:
    """Send the signal once `step` updates are done; the exit status."""
    deadline = time.monotonic() + 300
    while steps_done(directory) < step:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            assert process.stderr is not None
            raise AssertionError(process.stderr.read().decode())
        time.sleep(0.005)
    os.kill(process.pid, with_signal)
    process.communicate(timeout=300)
    return process.returncode


def final_state(directory: Path) -> checkpoints.Checkpoint:
    newest = checkpoints.latest(directory / "checkpoints")
    assert newest is not None
    return checkpoints.load(newest)


def assert_same_end(one: avbench.Run, two: avbench.Run) -> None:
    first, second = final_state(one.directory), final_state(two.directory)
    assert first.state["progress"] == second.state["progress"]
    assert first.state.get("memory") == second.state.get("memory")
    assert first.tensors.keys() == second.tensors.keys()
    for group, tensors in first.tensors.items():
        assert tensors.keys() == second.tensors[group].keys()
        for name, value in tensors.items():
            assert torch.equal(value, second.tensors[group][name]), f"{group}: {name}"
    assert one.results.status == two.results.status == "complete"
    assert one.results.directions == two.results.directions
    assert one.results.summary == two.results.summary
    assert one.results.comparability_key == two.results.comparability_key


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    before = os.environ.get("AVBENCH_CACHE")
    os.environ["AVBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("AVBENCH_CACHE")
    if before is not None:
        os.environ["AVBENCH_CACHE"] = before


def start(strategy: str, directory: Path, tmp_path: Path) -> subprocess.Popen[bytes]:
    config = tmp_path / "tiny.yaml"
    config.write_text(json.dumps(TINY | options(strategy)), encoding="utf-8")
    named = ["--strategy", strategy, "--bench", "continual-synth", "--config", str(config), "--out", str(directory)]
    return command(["run", *named])


# Names of another method's algorithm.
ALIASES = {"flava", "flava-plus", "stella-plus-plus"}


@pytest.mark.parametrize("strategy", sorted(set(registry.plugins("strategies")) - ALIASES))
def test_killed_at_a_random_step_and_resumed_ends_bit_for_bit_the_same(strategy: str, tmp_path: Path) -> None:
    whole = avbench.run(strategy, "continual-synth", out=tmp_path / "whole", **TINY, **options(strategy))
    killed, step = tmp_path / "killed", random.Random(strategy).randrange(1, 20)
    assert end_at(start(strategy, killed, tmp_path), killed, step, signal.SIGKILL) == -signal.SIGKILL
    assert steps_done(killed) < STEPS
    torch.set_num_threads(2)  # the run's own choice must hold, not that of whoever resumes it
    assert_same_end(whole, avbench.resume(killed))
    assert torch.get_num_threads() == 1


def test_asked_to_stop_a_run_saves_says_so_and_can_be_resumed(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    assert end_at(start("stella", stopped, tmp_path), stopped, 3, signal.SIGTERM) == 75
    assert avbench.Run(stopped).results.status == "interrupted"
    assert end_at(command(["resume", str(stopped)]), stopped, 12, signal.SIGKILL) == -signal.SIGKILL
    resumed = avbench.resume(stopped)
    whole = avbench.run("stella", "continual-synth", out=tmp_path / "whole", **TINY, **options("stella"))
    assert_same_end(whole, resumed)
    assert avbench.resume(stopped).results == resumed.results  # complete: nothing more to do


def test_a_run_begun_before_a_setting_existed_can_be_resumed_and_a_changed_one_can_not(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    assert end_at(start("er", begun, tmp_path), begun, 3, signal.SIGTERM) == 75
    values = read_yaml(begun / "config.yaml")
    del values["evaluation"]["keep_weights"]  # as an avbench wrote it that knew no such setting
    (begun / "config.yaml").write_text(yaml.safe_dump(values))
    results = json.loads((begun / "results.json").read_text())
    results["provenance"]["config_hash"] = config_hash(values)
    (begun / "results.json").write_text(json.dumps(results))
    whole = avbench.run("er", "continual-synth", out=tmp_path / "whole", **TINY, **options("er"))
    assert_same_end(whole, avbench.resume(begun))

    results["status"], values["training"]["epochs"] = "interrupted", 7
    (begun / "results.json").write_text(json.dumps(results))
    (begun / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(RunDirectoryError, match="was changed after the run had begun"):
        avbench.resume(begun)

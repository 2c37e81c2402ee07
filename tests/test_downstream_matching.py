"""The matching module of a finished run reaches the tasks that ask for it, and stands beside no other backbone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import TINY, options

import avbench
from avbench.config import merge
from avbench.errors import CheckpointError, UsageError
from avbench.results import RunDirectory
from avbench.training import checkpoint
from avbench.training.kept_matching import kept_matching

FEW: dict[str, Any] = {"test_clips": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    values = merge(TINY, {"training": {"epochs": 1}, "data": {"cache": str(folder / "cache")}})
    return avbench.run("stella", "continual-synth", out=folder / "run", **merge(values, options("stella"))).directory


def test_it_is_that_of_the_last_checkpoint_and_of_no_other_moment(finished: Path) -> None:
    directory = RunDirectory.open(finished)
    results = directory.read_results()
    kept = kept_matching(directory, results, 8)
    assert kept is not None and kept[1] == pytest.approx(0.4)
    path = checkpoint.finished(directory.checkpoints, 8)
    assert path is not None
    saved = checkpoint.load_group(path, "module-matching")
    assert all(torch.equal(value, saved[name]) for name, value in kept[0].state_dict().items())
    assert kept_matching(directory, results, 0) is None and kept_matching(directory, results, 1) is None
    assert kept_matching(directory, results.model_copy(update={"evaluated_model": "slow"}), 8) is None


def test_localisation_takes_the_map_that_is_asked_for(finished: Path) -> None:
    maps = [
        avbench.evaluate_downstream(finished, "localisation", variant=name, **FEW) for name in ("paper", "matching")
    ]
    assert [re.sub("-[0-9a-f]{8}$", "", one.name) for one in maps] == ["localisation", "localisation-matching"]
    assert maps[0].final.outcomes["IoU"] != maps[1].final.outcomes["IoU"]
    assert maps[0].final.outcomes["IoU of the centre"] == maps[1].final.outcomes["IoU of the centre"]
    with pytest.raises(UsageError, match="no matching module was trained beside this backbone"):
        avbench.evaluate_downstream(finished, "localisation", variant="matching", backbone="random", **FEW)


def test_a_damaged_one_is_named(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    path = checkpoint.finished(RunDirectory.open(run).checkpoints, 8)
    assert path is not None
    (path / "module-matching.safetensors").write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match=r"module-matching\.safetensors is missing or cut short"):
        avbench.evaluate_downstream(run, "localisation", variant="matching", **FEW)

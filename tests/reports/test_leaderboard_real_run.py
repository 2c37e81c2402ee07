"""The costs on a board of a run that was really trained: the run's own counts and the clock outside it."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from pathlib import Path

import pytest

from avbench.config import merge, resolve
from avbench.reports.leaderboard.json_form import as_json
from avbench.reports.leaderboard.text import as_csv
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.results import RunDirectory
from avbench.runner import run_config

sys.path.insert(0, str(Path(__file__).parent.parent))
from tiny_run import STEPS, TINY, options

BATCH = TINY["training"]["batch_size"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def seconds(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Wall-clock time around each run, with its evaluations and everything else."""
    data = {"data": {"cache": str(tmp_path_factory.mktemp("cache"))}, "training": {"checkpoint_minutes": 10.0}}
    around = {}
    for strategy in ("finetune", "er"):
        config = resolve(strategy, "continual-synth", overrides=[merge(TINY, options(strategy)), data])
        start = time.perf_counter()
        run_config(config, folder / strategy)
        around[strategy] = time.perf_counter() - start
    return around


@pytest.fixture(scope="module")
def board(folder: Path, seconds: dict[str, float]) -> Board:
    return build_board([folder])


def test_the_published_costs_are_those_of_the_training(board: Board, folder: Path, seconds: dict[str, float]) -> None:
    shown = {row["method"]: row for row in csv.DictReader(io.StringIO(as_csv(board)))}
    for strategy, around in seconds.items():
        directory, row = RunDirectory.open(folder / strategy), shown[strategy]
        own = directory.read_results().efficiency
        trained = [event for event in directory.journal.salvage()[0] if event["event"] == "step"]
        assert float(row["steps"]) == len(trained) == STEPS
        clips = BATCH * STEPS  # of the stream: what is replayed is cost, not stream
        assert float(row["units_per_clip"]) == pytest.approx(own.compute_units / clips, rel=1e-3)
        training = float(row["training_seconds"])
        assert training * float(row["clips_per_second"]) == pytest.approx(clips, rel=1e-3)
        assert training + own.seconds["evaluation"] < around
        assert training == pytest.approx(sum(own.seconds.values()) - own.seconds["evaluation"], rel=1e-3)
    # Plain training has a forward and a backward pass a clip; replay comes on top once there is a memory.
    assert float(shown["finetune"]["units_per_clip"]) == pytest.approx(3.0)
    assert 3.0 < float(shown["er"]["units_per_clip"]) <= 6.0
    assert float(shown["finetune"]["memory_bytes"]) == 0 < float(shown["er"]["memory_bytes"])


def test_one_short_seed_is_boarded_like_any_other(board: Board) -> None:
    content = json.loads(as_json(board))
    assert len(board.runs) == 2 and {one.accuracy is not None for one in board.tracks[0].rows} == {True}
    assert content["tracks"][0]["synthetic"] is True

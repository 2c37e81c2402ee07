"""Runs that a board leaves out: named with a reason whose places are short and whose commands can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from many_runs import edit_results, make_run

from avbench.reports.leaderboard.runs import find_runs, without_folders
from avbench.reports.leaderboard.tracks import build_board


def commands(text: str) -> list[list[str]]:
    """The command lines quoted in a message."""
    return [shlex.split(part) for part in text.split("`")[1::2]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("lb")


def test_commands_keep_the_folders_that_places_lose(here: Path) -> None:
    make_run(here / "good")
    make_run(here / "nores").results.unlink()
    make_run(here / "torn").results.write_text("{")
    reasons = {one.name: one.reason for one in find_runs([here])[1]}
    assert reasons["nores"].startswith("nores holds no results") and reasons["torn"].startswith("torn/results.json is")
    assert commands(reasons["nores"]) == [["avbench", "resume", "lb/nores"]]
    run = ["avbench", "run", "--config", "lb/torn/config.yaml", "--out", "lb/torn-again"]
    assert commands(reasons["torn"]) == [run]


def test_folders_from_the_root_are_visibly_left_out(tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    make_run(tmp_path / "nores").results.unlink()
    reason = find_runs([tmp_path])[1][0].reason
    assert str(tmp_path) not in reason and commands(reason) == [["avbench", "resume", ".../nores"]]


def test_a_folder_is_not_cut_out_of_a_longer_name(here: Path) -> None:
    make_run(Path("a") / "run")
    runs, _ = find_runs([Path("a")])
    message = "data/x and b/a/run are not a/run, nor is 'a/run'; see `avbench resume a/run`"
    assert without_folders(message, runs) == "data/x and b/a/run are not run, nor is 'run'; see `avbench resume a/run`"
    make_run(Path("alone"))
    message = "../x and ./alone; `avbench resume alone`"
    assert without_folders(message, find_runs([Path("alone")])[0]) == message


@pytest.mark.parametrize(
    "changes",
    [{"seed": -5}, {"seed": 8}, {"limit": 3}, {"limit": 0}, {"profile": "paper"}, {"comparability_key": "<b>"}],
)
def test_results_that_are_no_longer_those_of_their_run_are_left_out(here: Path, changes: dict[str, Any]) -> None:
    make_run(here / "good")
    edit_results(make_run(here / "edited", "mir"), **changes)
    board = build_board([here])
    assert [row.row.strategy for track in board.tracks for row in track.rows] == ["er"]
    assert [one.name for one in board.skipped] == ["edited"]
    assert next(iter(changes)) in board.skipped[0].reason

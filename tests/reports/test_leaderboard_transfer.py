"""Backward and forward transfer on the leaderboard and in a comparison."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from statistics import mean

import pytest
from many_runs import CLIPS, TASKS, edit_results, embeddings, make_run, tasks_of

from avbench.evaluation import similarity
from avbench.evaluation.retrieval import DIRECTIONS, evaluate
from avbench.evaluation.transfer import backward_transfer, forward_transfer
from avbench.reports.comparison.page import render
from avbench.reports.leaderboard.ranking import Placed
from avbench.reports.leaderboard.tracks import build_board
from avbench.reports.leaderboard.writing import as_text
from avbench.results import RunDirectory
from avbench.results.schema import Recall


def evaluated_before(path: Path, strategy: str, seed: int, noise: float = 0.6) -> RunDirectory:
    """A run that was also evaluated before training."""
    run = make_run(path, strategy, seed, noise)
    audio, video = embeddings(noise, seed, 0, CLIPS)
    recall_at = run.config.evaluation.recall_at
    found = evaluate(audio, video, tasks_of(CLIPS), run.config.evaluation.gallery, recall_at, TASKS)
    similarity.save(run.similarity / "after-00.npz", found, CLIPS)
    directions = json.loads(run.results.read_text())["directions"]
    for way in DIRECTIONS:
        for k in recall_at:
            directions[way]["recall"][f"R@{k}"]["before"] = found.recall(way, k)
    edit_results(run, directions=directions)
    return run


def recalls(runs: list[RunDirectory]) -> list[Recall]:
    found = [direction for run in runs for direction in run.read_results().directions.values()]
    return [recall for direction in found for recall in direction.recall.values()]


def only(folder: Path) -> Placed:
    (track,) = build_board([folder]).tracks
    (one,) = track.rows
    return one


def test_means_are_those_of_the_accuracy_matrices_and_lie_in_their_intervals(tmp_path: Path) -> None:
    runs = [evaluated_before(tmp_path / str(seed), "er", seed) for seed in range(3)]
    one, matrices = only(tmp_path), recalls(runs)
    backward = [backward_transfer(recall.after) or 0.0 for recall in matrices]
    forward = [forward_transfer(recall.before, recall.after) or 0.0 for recall in matrices]
    for score, terms in ((one.backward, backward), (one.forward, forward)):
        assert score and score.value == pytest.approx(mean(terms))
        assert score.half is not None and score.half > 0


def test_without_an_evaluation_before_training_there_is_no_forward_transfer(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    one = only(tmp_path)
    assert one.backward and one.backward.half is not None and one.forward is None


def test_ranks_that_contradict_the_results_give_no_interval(tmp_path: Path) -> None:
    runs = [evaluated_before(tmp_path / str(seed), "er", seed) for seed in range(2)]
    audio, video = embeddings(5.0, 99, 0, CLIPS)
    other = evaluate(audio, video, tasks_of(CLIPS), "pool", runs[0].config.evaluation.recall_at, TASKS)
    similarity.save(runs[0].similarity / "after-00.npz", other, CLIPS)
    one = only(tmp_path)
    assert one.backward and one.backward.half is not None
    assert one.forward and one.forward.half is None
    (runs[1].similarity / "after-00.npz").write_bytes(b"damaged")
    again = only(tmp_path)
    assert again.forward and again.forward.half is None and again.accuracy == one.accuracy


def test_one_experience_of_all_tasks_transfers_nothing(tmp_path: Path) -> None:
    make_run(tmp_path / "run", "multitask", joint_stream=True)
    one = only(tmp_path)
    assert (one.backward, one.forward) == (None, None)


def test_every_format_and_the_comparison_have_them(tmp_path: Path) -> None:
    for strategy, noise in (("good", 0.3), ("bad", 1.5)):
        for seed in range(2):
            evaluated_before(tmp_path / f"{strategy}{seed}", strategy, seed, noise)
    board = build_board([tmp_path])
    placed = board.tracks[0].rows[0]
    assert placed.backward and placed.forward
    numbers = json.loads(as_text(board, "json"))["tracks"][0]["rows"][0]["numbers"]
    assert numbers["backward_transfer"]["mean"] == placed.backward.value
    assert numbers["forward_transfer"]["low"] == placed.forward.low
    line = next(csv.DictReader(io.StringIO(as_text(board, "csv"))))
    assert float(line["backward_transfer_high"]) == pytest.approx(placed.backward.high, rel=1e-5)
    for text in (as_text(board, "markdown"), as_text(board, "latex"), render(board)):
        assert "BWT" in text and "FWT" in text
        assert f"{abs(placed.backward.value):.2f}" in text

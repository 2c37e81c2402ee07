"""The comparison of chosen runs: what differs in their settings, their curves, and the differences that are real."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from many_runs import TASKS, make_run
from test_leaderboard_page import hostile
from test_run_report import Page, assert_self_contained

from avbench.cli import main
from avbench.evaluation.forgetting import average_accuracy, average_forgetting
from avbench.evaluation.retrieval import DIRECTIONS
from avbench.evaluation.run_hits import read_hits
from avbench.evaluation.statistics import adjusted_p, difference, estimate
from avbench.reports.comparison.config import differing
from avbench.reports.comparison.curves import differences, gaps, per_task, stream
from avbench.reports.comparison.figures import COLOURS
from avbench.reports.comparison.page import render, write_comparison
from avbench.reports.leaderboard.ranking import Placed
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.results import RunDirectory
from avbench.results.schema import ModalityGap

KS = ("R@1", "R@5", "R@10")
GAP = ModalityGap(before=[1.0] * 3, after=[[0.9] * 3] * 3, accumulated=[0.9, 0.8, 0.7])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        gap = GAP.model_copy(update={"accumulated": [0.9, 0.8, 0.7 - seed / 10]})
        make_run(folder / f"a{seed}", "er", seed, noise=0.6, options={"memory": 12, "alpha": 0.5}, modality_gap=gap)
        make_run(folder / f"b{seed}", "mir", seed, noise=0.7, options={"memory": 12})
        make_run(folder / f"c{seed}", "finetune", seed, noise=2.5, memory=None)
    make_run(folder / "d", "multitask", noise=0.5, memory=None, joint_stream=True)
    make_run(folder / "e", "lump", finished=1)
    return folder


@pytest.fixture(scope="module")
def board(folder: Path) -> Board:
    return build_board([folder])


def placed(board: Board, strategy: str) -> Placed:
    return next(one for one in board.tracks[0].rows if one.row.strategy == strategy)


def runs(folder: Path, letter: str) -> list[RunDirectory]:
    return [RunDirectory.open(folder / f"{letter}{seed}") for seed in range(2)]


def test_curves_are_the_metrics_of_the_tasks_trained_so_far(board: Board, folder: Path) -> None:
    matrices = [
        run.read_results().directions[way].recall[k].after
        for run in runs(folder, "a")
        for way in DIRECTIONS
        for k in KS
    ]
    blocks = [[[row[:count] for row in matrix[:count]] for matrix in matrices] for count in range(1, TASKS + 1)]
    curve = stream(placed(board, "er"), "accuracy")
    assert [(x, y.value) for x, y in curve] == [
        (count, pytest.approx(mean(map(average_accuracy, block)))) for count, block in enumerate(blocks, start=1)
    ]
    drops = stream(placed(board, "er"), "forgetting")
    assert [(x, y.value) for x, y in drops] == [
        (count, pytest.approx(mean(average_forgetting(matrix) or 0 for matrix in block)))
        for count, block in enumerate(blocks, start=1)
        if count > 1
    ]
    end = estimate(read_hits(runs(folder, "a")), replicates=1000)
    assert curve[-1][1].half == pytest.approx(end.high - end.value)


def test_tasks_at_the_end_average_to_accuracy(board: Board) -> None:
    for strategy in ("er", "multitask"):
        one = placed(board, strategy)
        scores = per_task(one)
        assert one.accuracy and mean(score.value for score in scores) == pytest.approx(one.accuracy.value)
        assert all(score.half is not None for score in scores)
    assert per_task(placed(board, "lump")) == []
    assert stream(placed(board, "multitask"), "accuracy") == []


def test_modality_gaps_are_means_over_seeds_with_half_their_range(board: Board) -> None:
    points = [(count, score.value, score.half) for count, score in gaps(placed(board, "er"))]
    assert points == [
        (1, pytest.approx(0.9), pytest.approx(0)),
        (2, pytest.approx(0.8), pytest.approx(0)),
        (3, pytest.approx(0.65), pytest.approx(0.05)),
    ]
    assert gaps(placed(board, "mir")) == []


def test_differences_are_paired_and_adjusted_over_all_pairs(board: Board, folder: Path) -> None:
    found = differences(board.tracks[0].rows, "accuracy")
    names = [(one.first.row.strategy, one.second.row.strategy) for one in found]
    assert names == [("er", "mir"), ("er", "finetune"), ("mir", "finetune")]
    hits = {"er": read_hits(runs(folder, "a")), "mir": read_hits(runs(folder, "b"))}
    hits["finetune"] = read_hits(runs(folder, "c"))
    expected = [difference(hits[first], hits[second]) for first, second in names]
    assert [one.value for one in found] == pytest.approx([one.value for one in expected])
    assert [one.adjusted for one in found] == pytest.approx(adjusted_p(expected))
    assert [one.real for one in found][1:] == [True, True]


def test_a_single_seed_is_compared_over_queries_and_not_tested(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path / f"a{seed}", "er", seed, noise=0.3)
        make_run(tmp_path / f"b{seed}", "mir", seed, noise=2.0)
    make_run(tmp_path / "c", "lump", 0, noise=9.0)
    board = build_board([tmp_path])
    found = {
        (one.first.row.strategy, one.second.row.strategy): one for one in differences(board.tracks[0].rows, "accuracy")
    }
    tested = found["er", "mir"]
    assert tested.p is not None and tested.adjusted == tested.p and tested.real  # the only one that is tested
    for pair in (("er", "lump"), ("mir", "lump")):
        one = found[pair]
        assert (one.p, one.adjusted, one.real) == (None, None, False) and one.low < one.value < one.high
    page = assert_self_contained(render(board))
    assert page.text.count("not tested: one seed") == 2 * 2
    assert "over queries alone, and nothing is tested" in page.text
    make_run(tmp_path / "d", "lump", 1, noise=9.0)
    assert "not tested" not in Page(render(build_board([tmp_path]))).text


def test_the_settings_that_differ_and_no_others(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", seed=0, options={"memory": 12, "alpha": 0.5})
    make_run(tmp_path / "b", "er", seed=1, options={"memory": 12, "alpha": 0.5}, settings={"threads": 2})
    make_run(tmp_path / "c", "mir", seed=5, options={"memory": 12})
    rows = [one.row for one in build_board([tmp_path]).tracks[0].rows]
    rows.sort(key=lambda row: row.strategy)
    assert {setting.name: setting.values for setting in differing(rows)} == {
        "threads": ["0 / 2", "0"],
        "options.alpha": ["0.5", "–"],
    }


def test_the_page_holds_every_method_figure_and_difference(board: Board) -> None:
    html = render(board)
    page = assert_self_contained(html)
    assert render(board) == html
    for strategy in ("er", "mir", "finetune", "multitask", "lump"):
        assert strategy in page.text
    figures = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert len(figures) == 4
    found = [*differences(board.tracks[0].rows, "accuracy"), *differences(board.tracks[0].rows, "forgetting")]
    assert page.text.count("can’t be told apart") == sum(not one.real for one in found)
    assert page.text.count(" is better") == sum(one.real for one in found) + len(("more is better", "less is better"))
    accuracy, _, forgetting = page.text.partition("Paired differences: Forgetting")
    assert "er is better" in accuracy and "finetune is better" not in accuracy
    # What has learned nothing has nothing to forget.
    assert "finetune is better" in forgetting
    names = page.values("download")
    uris = [h for h in page.values("href") if h.startswith("data:")]
    tasks = base64.b64decode(uris[names.index("track-1-tasks.csv")].partition(",")[2]).decode()
    assert {row["task"] for row in csv.DictReader(io.StringIO(tasks))} == {"Task 0", "Task 1", "Task 2"}
    assert "not all sit the same exam" not in page.text
    colours = {f"--m{index}" for index in range(8)}
    assert all(f"{name}:" in html for name in colours)
    assert "#0b0b0" not in html


def test_runs_of_several_exams_are_not_compared_across_them(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er")
    make_run(tmp_path / "b", "mir", settings={"training": {"epochs": 99}})
    page = Page(render(build_board([tmp_path])))
    assert "not all sit the same exam" in page.text
    assert "training.epochs" in page.text and "Paired differences" not in page.text


def test_more_methods_than_colours_are_drawn_one_by_one_and_their_pairs_in_a_grid(board: Board) -> None:
    track = board.tracks[0]
    ranked = [one for one in track.rows if one.tier is not None]
    several = [ranked[number % len(ranked)] for number in range(COLOURS + 1)]
    rows = tuple(replace(one, row=replace(one.row, strategy=f"m{number}")) for number, one in enumerate(several))
    html = render(replace(board, tracks=(replace(track, rows=rows),)))
    page = assert_self_contained(html)
    drawn = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert sum("Accuracy along the stream" in one for one in drawn) == len(rows)
    grid, _, rest = html.partition("All 36 pairs")[0].partition('class="grid-of-pairs"')[2].partition("</table>")
    assert grid.count("adjusted p") == len(rows) * (len(rows) - 1) // 2 and "Row minus column" in rest
    pairs = differences(rows, "accuracy")
    assert 0 < sum(one.real for one in pairs) == grid.count('class="better"') + grid.count('class="worse"')
    assert grid.count('class="better"') == sum(one.real and one.value > 0 for one in pairs)


def test_nothing_from_data_becomes_markup(tmp_path: Path) -> None:
    html = render(build_board([hostile(tmp_path, 9)]))
    page = assert_self_contained(html.replace("url(//127.0.0.1:9/x)", ""))  # as text it is harmless
    assert page.text.count("document.title='taken'") > 10
    assert "{{7*7}}" in page.text


def test_the_command_line_writes_the_page(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compare", str(folder / "a0"), str(folder / "nowhere"), "-o", str(tmp_path / "c.html")])
    assert not left.value.code
    told = capsys.readouterr()
    assert "c.html" in told.out and "left out: nowhere: there is no folder" in told.err
    assert "Nothing" not in Page((tmp_path / "c.html").read_text()).text.partition("What differs")[0]
    with pytest.raises(SystemExit) as left:
        main(["compare", str(folder / "nowhere"), "-o", str(tmp_path / "d.html")])
    assert left.value.code == 2 and not (tmp_path / "d.html").exists()


def test_one_run_alone_is_compared_with_nothing(folder: Path, tmp_path: Path) -> None:
    write_comparison([folder / "a0"], tmp_path / "one.html")
    page = Page((tmp_path / "one.html").read_text())
    assert "these runs differ in their seeds alone" in page.text
    assert "Paired differences" not in page.text

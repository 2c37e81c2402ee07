"""The leaderboard as Markdown, LaTeX, CSV and JSON: the same numbers, nothing of a name read as markup."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_runs import make_run

from avbench.cli import main
from avbench.errors import RunDirectoryError, UsageError
from avbench.reports.comparison.page import write_comparison
from avbench.reports.leaderboard.text import latex, markdown
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.reports.leaderboard.writing import as_text, write_leaderboard

EVIL = "a|b <script>alert(1)</script> [x](http://y) \\input{z} $1_2^3& #~% *"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        make_run(folder / f"a{seed}", "er", seed, noise=0.4, settings={"bench": "continual-vs", "profile": "paper"})
        settings = {"bench": "continual-vs", "profile": "paper"}
        make_run(folder / f"b{seed}", "cls-er", seed, noise=2.0, settings=settings, networks={"stable": 1.0})
        make_run(folder / f"c{seed}", "=cmd()", seed, options={"note": EVIL})
    make_run(folder / "half").results.unlink()
    return folder


@pytest.fixture(scope="module")
def board(runs: Path) -> Board:
    return build_board([runs])


def test_json_holds_every_row_with_its_interval(board: Board) -> None:
    content = json.loads(as_text(board, "json"))
    track = next(t for t in content["tracks"] if t["bench"] == "continual-vs")
    assert [(row["strategy"], row["state"], row["tier"], row["seeds"]) for row in track["rows"]] == [
        ("er", "ranked", 1, [0, 1]),
        ("cls-er", "ranked", 2, [0, 1]),
    ]
    placed = next(t for t in board.tracks if t.bench == "continual-vs").rows[0]
    accuracy = track["rows"][0]["numbers"]["accuracy"]
    assert placed.accuracy
    assert (accuracy["mean"], accuracy["low"]) == (placed.accuracy.value, placed.accuracy.low)
    for way in ("audio2video", "video2audio"):
        for column in ("R@1", "R@5", "R@10", "Avg"):
            assert track["rows"][0]["numbers"][f"{way}.{column}.accuracy"]["mean"] >= 0
    assert [network["name"] for network in track["rows"][1]["networks"]] == ["stable"]
    assert {run["name"] for run in track["rows"][0]["runs"] if run["counts"]} == {"a0", "a1"}
    assert track["published"][0]["rows"][0]["name"] == "Finetune"
    assert content["skipped"][0]["name"] == "half"


def test_the_docstring_names_every_key_of_the_json(board: Board) -> None:
    from avbench.reports.leaderboard import json_form

    def keys(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value)) if value else set()
        if not isinstance(value, dict):
            return set()
        free = {"options", "apart", "numbers"}
        return set(value) | set().union(*(keys(item) for key, item in value.items() if key not in free), set())

    content = json.loads(as_text(board, "json"))
    named = set(re.findall(r'"(\w+)"', json_form.__doc__ or ""))
    assert keys(content) <= named


def test_csv_has_a_line_for_every_row(board: Board) -> None:
    rows = list(csv.DictReader(io.StringIO(as_text(board, "csv"))))
    states = {(row["method"], row["state"]) for row in rows}
    assert {("er", "ranked"), ("stable", "network of the row above"), ("STELLA+", "published")} <= states
    assert ("'=cmd()", "alone") in states  # a spreadsheet would run it as a formula
    er = next(row for row in rows if row["method"] == "er")
    assert float(er["accuracy_low"]) <= float(er["accuracy"]) <= float(er["accuracy_high"])
    published = next(row for row in rows if row["method"] == "STELLA")
    assert (published["audio2video.R@1.accuracy"], published["tier"]) == ("5.34", "")
    assert published["source"].endswith("Table 1")


def test_markdown_tables_are_whole_and_names_are_text(board: Board) -> None:
    text = as_text(board, "markdown")
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in text.split("## ")[1:]]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert "| 1 | er |" in text and "STELLA+ \\[published\\]" in text
    assert "SYNTHETIC" in text and "left out: half" in text
    assert markdown(EVIL).startswith("a\\|b &lt;script&gt;alert(1)&lt;/script&gt; \\[x\\](http:&#47;&#47;y)")


def test_latex_is_balanced_and_names_are_text(board: Board) -> None:
    text = as_text(board, "latex")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2 * len(board.tracks)
    for table in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.S):
        spans = [
            re.sub(r"\\multicolumn\{(\d+)\}", lambda m: "&" * (int(m[1]) - 1), line) for line in table.splitlines()
        ]
        counts = {len(re.findall(r"(?<!\\)&", line)) for line in spans if line.endswith(r"\\")}
        assert len(counts) == 1
    assert r"\textbf{" in text and r"\usepackage{booktabs}" in text
    plain = re.sub(
        r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar)\{\}", "", latex(EVIL)
    )
    assert not re.search(r"(?<!\\)[\\$&#%_~^]", re.sub(r"\\[{}$&#%_]", "", plain))


def test_html_is_accompanied_by_json(runs: Path, tmp_path: Path) -> None:
    _, files = write_leaderboard([runs], tmp_path / "board.html")
    assert [file.name for file in files] == ["board.html", "board.json"]
    assert json.loads(files[1].read_text())["schema_version"] == 2
    _, files = write_leaderboard([runs], tmp_path / "board.tex", "latex")
    assert [file.name for file in files] == ["board.tex"]
    with pytest.raises(UsageError, match="another ending"):
        write_leaderboard([runs], tmp_path / "board.json")
    with pytest.raises(UsageError, match="is a folder"):
        write_leaderboard([runs], tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        write_leaderboard([runs], tmp_path / "nowhere" / "board.html")


@pytest.mark.parametrize("write", [write_leaderboard, write_comparison])
def test_a_page_that_could_not_be_written_is_refused_before_the_work(write: Callable[..., Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(UsageError, match=r"-o: the name .* is too long; use a shorter one"):
        write([tmp_path], tmp_path / (300 * "x" + ".html"))
    with pytest.raises(RunDirectoryError, match="is a device or a pipe"):
        write([tmp_path], tmp_path / "pipe.html")


def test_the_command_line_shows_tables_and_names_what_it_left_out(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", str(runs / "a0"), str(runs / "half"), "--format", "csv"])
    told = capsys.readouterr()
    assert not left.value.code
    assert told.out.startswith("bench,order") and "left out: half: half holds no results yet" in told.err
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", str(runs / "half")])
    assert left.value.code == 2
    assert "there is no run to show" in capsys.readouterr().err

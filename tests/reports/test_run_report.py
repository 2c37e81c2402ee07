"""The run report: complete, escaped, self-contained, honest about what is missing."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fabricated_run import TITLES, fabricate, picture_of

from avbench.config import RunConfig
from avbench.errors import RunDirectoryError
from avbench.reports.downloads import csv_download
from avbench.reports.headline import cards, gallery_sizes
from avbench.reports.run_report import render, write_report
from avbench.results import Caution, MetricSummary, Quarantined, RunDirectory, TaskResult

EMBEDDED = (
    "data:image/jpeg;base64,",
    "data:image/webp;base64,",
    "data:text/csv;charset=utf-8;base64,",
    "data:audio/mpeg;base64,",
)
VOID = {"meta", "img", "input", "br", "path", "rect", "use"}


class Page(HTMLParser):
    """What a browser would see: elements, attributes and text; fails on tags that don't match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def assert_self_contained(html: str) -> Page:
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for target in [*page.values("href"), *page.values("src")]:
        assert target.startswith(("#", *EMBEDDED)), target[:60]
        if target.startswith("#"):
            assert target[1:] in ids
    for reference in re.findall(r"url\(([^)]*)\)", html):
        assert reference.startswith("#") and reference[1:] in ids
    assert not re.search(r"https?://|@import|expression\(", html)
    assert not set(page.tags) & {"script", "link", "iframe", "object", "embed", "form", "base", "foreignobject"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "autoplay"]
    played = [(name, value) for tag, name, value in page.attributes if tag == "audio"]
    assert played.count(("preload", "none")) == page.tags["audio"]
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and name == "content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")
    return page


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return fabricate(tmp_path_factory.mktemp("runs") / "complete")


@pytest.fixture(scope="module")
def html(complete: RunDirectory) -> str:
    return write_report(complete.path).read_text(encoding="utf-8")


def test_a_complete_run(complete: RunDirectory, html: str) -> None:
    page = assert_self_contained(html)
    results = complete.read_results()
    sections = {"summary", "retrieval", "training", "examples", "cost", "data", "configuration", "provenance", "cite"}
    assert sections <= set(page.values("id"))
    for rows in results.summary.values():
        for numbers in rows.values():
            for value in numbers.model_dump().values():
                assert f"{value:.2f}".replace("-", "−") in page.text
    for title in TITLES:
        assert title in page.text
    for fact in (results.comparability_key, results.provenance.git_commit, results.provenance.command):
        assert str(fact) in page.text
    assert page.tags["article"] == 6
    # In every example the query and three neighbours, each as frames and spectrogram.
    assert page.tags["img"] == 6 * 4 * 2
    assert "Incomplete" not in page.text


def test_every_picture_and_figure_has_words(html: str) -> None:
    page = Page(html)
    assert all(page.values("alt")) and len(page.values("alt")) == page.tags["img"]
    figures = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert len(figures) == page.tags["svg"] - 1  # the mark in the header is decoration
    assert all(figures)


def test_figures_follow_the_page_and_name_no_colour_of_their_own(html: str) -> None:
    figures = re.findall(r"<svg viewBox.*?</svg>", html, re.S)
    assert len(figures) > 40
    for figure in figures:
        assert not re.search(r"#[0-9a-fA-F]{3,6}\b", re.sub(r"(url\(|href=\")#[\w.-]+", "", figure))
        assert "font-family" not in figure


def test_the_same_directory_gives_the_same_page(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "run", tasks=2, finished=1, steps_per_task=3, recall_at=(5,))
    assert render(directory) == render(directory)


def test_the_numbers_behind_the_figures_are_in_the_page(complete: RunDirectory, html: str) -> None:
    page = Page(html)
    names = page.values("download")
    files = dict(zip(names, [h for h in page.values("href") if h.startswith("data:text/csv")], strict=True))
    content = base64.b64decode(files["accuracy-video2audio-R5.csv"].partition(",")[2]).decode()
    rows = list(csv.reader(io.StringIO(content)))
    recall = complete.read_results().directions["video2audio"].recall["R@5"]
    assert rows[0][1:] == TITLES
    assert [[float(x) for x in row[1:]] for row in rows[1:]] == [
        pytest.approx(row, rel=1e-5) for row in [recall.before, *recall.after]
    ]


@pytest.mark.parametrize(("tasks", "finished"), [(1, 1), (2, 2), (2, 1), (3, 0)])
def test_short_and_unfinished_runs(tmp_path: Path, tasks: int, finished: int) -> None:
    directory = fabricate(tmp_path / "run", tasks=tasks, finished=finished, limit=16, steps_per_task=3, recall_at=(5,))
    page = assert_self_contained(write_report(directory.path).read_text())
    assert "Synthetic data" in page.text
    assert "Limited to 16 clips per task" in page.text
    if finished < tasks:
        assert f"Incomplete: {finished} of {tasks} tasks" in page.text
        assert "avbench resume run" in page.text
    else:
        assert "Incomplete" not in page.text
    assert ("training" in page.values("id")) == (finished > 0)


def test_recordings_carry_no_synthetic_badge(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "run", tasks=1, synthetic=False, quarantined={}, recall_at=(5,))
    page = Page(render(directory))
    assert "Synthetic" not in page.text
    assert "could not be read" not in page.text


EVIL = "<script>alert(1)</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>{{ 7*7 }}</style></title>$\\frac{"


def test_nothing_from_data_becomes_markup(tmp_path: Path) -> None:
    directory = fabricate(
        tmp_path / f"run {BREAKOUT}".replace("/", ""),
        tasks=2,
        finished=1,
        titles=[EVIL, BREAKOUT],
        rename=lambda name: f"{name}{BREAKOUT}{EVIL}",
        fetch=lambda clip_id: picture_of(clip_id[:20]),
        label_of=lambda clip_id: f"class {EVIL}{BREAKOUT}",
        options={EVIL: BREAKOUT, "note": "\x1b[31m]]>"},
        strategy=EVIL + BREAKOUT,
        bench=BREAKOUT,
        profile=EVIL,
        quarantined={f"../{EVIL}": Quarantined(reason=BREAKOUT, message=EVIL)},
        warnings=[Caution(code=EVIL, message=EVIL + BREAKOUT)],
    )
    page = assert_self_contained(render(directory))
    assert page.text.count("alert(1)") > 20
    assert "{{ 7*7 }}" in page.text
    assert "49</style>" not in page.text
    assert "x" not in page.values("src")


def test_damage_is_told_and_does_not_stop_the_report(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "run", tasks=2, finished=0, recall_at=(5,))
    journal = directory.path / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text("not an event\n" + whole)
    pictures = sorted(directory.examples.glob("*.jpg"))
    pictures[0].unlink()
    pictures[1].write_bytes(b"GIF89a")
    page = assert_self_contained(render(directory))
    assert "The journal is damaged" in page.text
    assert "Some pictures of the retrieval examples are missing" in page.text
    assert "picture missing" in page.text
    (directory.examples / "examples.json").write_text("{")
    journal.write_text(whole + '{"event": "step", "st')  # a torn last line is no damage
    page = Page(render(directory))
    assert "examples are damaged" in page.text
    assert "journal is" not in page.text
    journal.unlink()
    assert "The journal is missing" in Page(render(directory)).text


def test_without_results_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match="not the folder of a run"):
        write_report(tmp_path)
    directory = fabricate(tmp_path / "run", tasks=1)
    directory.results.unlink()
    with pytest.raises(RunDirectoryError, match="no results yet"):
        write_report(directory.path)
    directory.results.write_text('{"schema_version": 1, "sta')
    with pytest.raises(RunDirectoryError, match="damaged"):
        write_report(directory.path)
    assert not directory.report.exists()


def test_steps_repeated_after_a_resume_count_once(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "run", tasks=1, steps_per_task=4, recall_at=(5,))
    repeated = {"event": "step", "step": 3, "total_steps": 4, "experience": 0, "loss": 99.5, "terms": {"matching": 1.0}}
    for event in (repeated, repeated | {"step": 4, "loss": None}):
        directory.journal.append(event)
    page = Page(render(directory))
    names = page.values("download")
    files = [h for h in page.values("href") if h.startswith("data:text/csv")]
    content = base64.b64decode(files[names.index("training-loss.csv")].partition(",")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert (rows[2]["loss"], rows[3]["loss"]) == ("99.5", "")


def test_spreadsheets_get_no_formulas() -> None:
    download = csv_download("a", ["=cmd|'/c calc'!A1", "@x"], [("-1+1", -1.5, None)])
    content = base64.b64decode(download.uri.partition(",")[2]).decode()
    assert list(csv.reader(io.StringIO(content))) == [["'=cmd|'/c calc'!A1", "'@x"], ["'-1+1", "-1.5", ""]]


def test_the_bars_of_both_directions_have_one_scale(complete: RunDirectory) -> None:
    results = complete.read_results()
    better = MetricSummary(accuracy=53.0, learned=71.0)
    results = results.model_copy(update={"summary": results.summary | {"video2audio": {"Avg": better}}})
    assert [card.largest for card in cards(results, complete.config)] == [80, 80]


def test_chance_follows_the_gallery(complete: RunDirectory) -> None:
    results = complete.read_results()
    uneven = [*results.tasks[:-1], TaskResult(id="x", title="x", classes=1, train_clips=1, queries=6)]
    results = results.model_copy(update={"tasks": uneven})
    assert gallery_sizes(results, complete.config) == [7 * 24 + 6] * 8
    pool = cards(results, complete.config)[0].rows
    assert pool[0].chance == pytest.approx(100 / 174)
    assert pool[-1].chance == pytest.approx(100 * (1 + 5 + 10) / 3 / 174)
    settings: dict[str, Any] = json.loads(complete.config.model_dump_json())
    settings["evaluation"]["gallery"] = "task"
    task = cards(results, RunConfig.model_validate(settings))[0].rows
    assert task[2].chance == pytest.approx((7 * 1000 / 24 + 100) / 8)


def test_a_report_needs_neither_torch_nor_avalanche() -> None:
    code = "import avbench.reports.run_report, sys; sys.exit(bool({'torch', 'avalanche'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The leaderboard's page: complete, self-contained, names are text, and its script does what it says in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from many_runs import make_run
from test_run_report import Page

from avbench.reports.leaderboard.figures import Point, front
from avbench.reports.leaderboard.json_form import as_json
from avbench.reports.leaderboard.page import render
from avbench.reports.leaderboard.ranking import Score
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.results import Caution, Quarantined

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def payload(port: int) -> str:
    """Everything a name could try: elements, handlers, ends of attributes, styles and comments, templates, requests."""
    address = f"//127.0.0.1:{port}/x"
    return (
        f"\"'><img src={address} onerror=document.title='taken'><script>document.title='taken'</script>"
        f"</style></title></script>{{{{7*7}}}}<!--<svg onload=document.title='taken'>url({address})"
        f"<link rel=stylesheet href={address}><a href=javascript:document.title='taken'>]]>\\$"
    )


def hostile(folder: Path, port: int) -> Path:
    """Runs in which every text is a payload."""
    evil = payload(port)
    for seed in range(2):
        directory = make_run(
            folder / f"run {seed} {evil}".replace("/", "_")[:120],
            evil,
            seed=seed,
            options={evil: evil, "n": seed},
            settings={"profile": evil, "bench": evil},
            networks={"teacher": 0.7},
            quarantined={evil: Quarantined(reason=evil, message=evil)},
            warnings=[Caution(code=evil, message=evil)],
        )
        results = directory.read_results()
        provenance = results.provenance.model_copy(update={"processor": f"{evil} {seed}", "git_commit": evil})
        track = results.track.model_copy(update={"memory": evil, "budget": evil})
        directory.write_results(results.model_copy(update={"provenance": provenance, "track": track}))
    broken = make_run(folder / f"broken {evil}".replace("/", "_")[:120])
    broken.results.write_text('{"' + evil.replace('"', "") + '": 1}')
    return folder


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("runs")
    settings = {"bench": "continual-vs", "profile": "paper"}
    for seed in range(2):
        make_run(folder / f"a{seed}", "er", seed, noise=0.6, settings=settings)
        make_run(folder / f"b{seed}", "cls-er", seed, noise=1.2, settings=settings, networks={"stable": 0.8})
        make_run(folder / f"c{seed}", "finetune", seed, noise=3.0, settings=settings, memory=None)
        make_run(folder / f"f{seed}", "stella", seed, settings={"limit": 7})
    make_run(folder / "d", "multitask", noise=0.4, settings=settings, memory=None, joint_stream=True)
    make_run(folder / "e", "mir", finished=1, settings=settings)
    return build_board([folder])


@pytest.fixture(scope="module")
def html(board: Board) -> str:
    return render(board, as_json(board))


def assert_static(html: str) -> Page:
    """One script, known by its hash; nothing else that could run or load."""
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for target in [*page.values("href"), *page.values("src")]:
        assert target.startswith(("#", "data:text/csv;charset=utf-8;base64,", "data:application/json;base64,")), target
        if target.startswith("#"):
            assert target[1:] in ids
    assert set(page.values("for")) <= set(ids)
    assert page.tags["script"] == 1
    assert not set(page.tags) & {"img", "link", "iframe", "object", "embed", "form", "base", "foreignobject"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    found = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and name == "content")
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{found}'; base-uri 'none'; form-action 'none'"
    )
    assert html.index("Content-Security-Policy") < html.index("<script>")
    return page


def test_the_page_shows_rows_badges_and_what_is_published(board: Board, html: str) -> None:
    page = assert_static(html)
    rows = [(dict(pairs)["data-kind"], dict(pairs)["data-name"].strip()) for pairs in rows_of(page)]
    assert [name for kind, name in rows if kind == "ranked"] == ["er", "cls-er", "finetune", "stella"]
    assert ("network", "stable model") in rows and ("bound", "multitask") in rows and ("unranked", "mir") in rows
    assert [name for kind, name in rows if kind == "published"][-3:] == ["STELLA", "STELLA+", "Multitask"]
    for text in ("Published, not ranked", "incomplete: 1 of 3 tasks", "upper bound", "Limited to 7 clips per task",
                 "Some tracks are synthetic", "No published rows: these clips are rendered"):  # fmt: skip
        assert text in page.text
    data = next(href for href in page.values("href") if href.startswith("data:application/json"))
    assert json.loads(base64.b64decode(data.partition(",")[2])) == json.loads(as_json(board))


def test_every_row_has_a_cell_for_every_column(html: str) -> None:
    for table in re.findall(r'<table class="board">(.*?)</table>', html, re.S):
        columns = table.count("<th ") - table.count('<th scope="row"')
        for row in re.findall(r"<tr data-kind.*?</tr>", table, re.S):
            assert len(re.findall(r"<t[dh][ >]", row)) == columns


def test_the_same_runs_give_the_same_page(board: Board, html: str) -> None:
    assert render(board, as_json(board)) == html


def test_nothing_from_data_becomes_markup(tmp_path: Path) -> None:
    board = build_board([hostile(tmp_path, 9)])
    page = assert_static(render(board, as_json(board)))
    assert page.text.count("document.title='taken'") > 10
    assert "{{7*7}}" in page.text
    assert "teacher model" in page.text


def test_the_front_holds_whom_no_other_beats() -> None:
    points = [Point(name, cost, Score(accuracy)) for name, cost, accuracy in
              [("cheap", 1, 2), ("beaten", 2, 1), ("dear", 3, 9), ("same price", 3, 8), ("dearer", 4, 9)]]  # fmt: skip
    found = front(points)
    assert [point.name for point in found] == ["cheap", "dear"]
    for point in points:
        beaten = any(p.cost <= point.cost and p.accuracy.value >= point.accuracy.value and p != point for p in points)
        assert beaten != (point in found)


def test_a_large_board_stays_small(board: Board) -> None:
    track = board.tracks[0]
    one = next(one for one in track.rows if one.tier is not None)
    rows = tuple(replace(one, row=replace(one.row, strategy=f"method {number}")) for number in range(200))
    html = render(replace(board, tracks=(replace(track, rows=rows, published=()),)), "{}")
    page = assert_static(html)
    assert len(rows_of(page)) == 200
    assert len(html) < 2_000_000
    assert sum(page.tags.values()) < 20_000


DRIVER = """
const names = (body) => [...body.rows].filter((r) => !r.hidden).map((r) => r.dataset.name.trim());
const body = document.querySelector("tbody.sortable");
const result = {};
const all = (selector) => [...document.querySelectorAll(selector)];
const click = (title) => all("section.track th button").find((b) => b.textContent === title).click();
result.start = names(body);
click("F"); result.byF = names(body);
click("F"); result.byFagain = names(body);
click("Method"); result.byName = names(body);
result.shown = document.querySelectorAll("th.in-audio2video")[0].offsetWidth;
document.getElementById("view-audio2video").click();
result.shownThen = document.querySelectorAll("th.in-audio2video")[0].offsetWidth > 0;
const set = (field, value) => { field.value = value; field.dispatchEvent(new Event("input")); };
set(document.getElementById("search"), "cls");
result.found = names(body); result.count = document.getElementById("count").textContent;
set(document.getElementById("search"), "");
const tick = (id) => document.getElementById(id).click();
tick("show-unranked"); result.ranked = names(body);
tick("show-published"); result.published = all("tr[data-kind=published]").filter((r) => !r.hidden).length;
set(document.querySelector("select[data-facet]"), "continual-synth");
result.tracks = all("section.track").map((t) => t.hidden);
document.body.dataset.result = JSON.stringify(result);
"""


class Counter(BaseHTTPRequestHandler):
    """Notes every request that a page makes."""

    seen: list[str] = []  # noqa: RUF012 (shared by all requests on purpose)

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    Counter.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), Counter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def opened(page: Path, profile: Path) -> str:
    """The document as Chromium has it once its scripts have run."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_payloads_do_nothing_in_a_browser_and_nothing_is_requested(tmp_path: Path, server: int) -> None:
    board = build_board([hostile(tmp_path / "runs", server)])
    (tmp_path / "board.html").write_text(render(board, as_json(board)))
    dom = opened(tmp_path / "board.html", tmp_path / "profile")
    assert "<title>Leaderboard · avbench</title>" in dom
    assert 'class="scripted"' in dom  # our own script ran
    assert Counter.seen == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_sorting_and_filtering_in_a_browser(board: Board, html: str, tmp_path: Path) -> None:
    allowed = base64.b64encode(hashlib.sha256(DRIVER.encode()).digest()).decode()
    driven = html.replace("script-src '", f"script-src 'sha256-{allowed}' '", 1)
    driven = driven.replace("</body>", f"<script>{DRIVER}</script></body>")
    (tmp_path / "board.html").write_text(driven)
    dom = opened(tmp_path / "board.html", tmp_path / "profile")
    result = json.loads(re.search(r'data-result="(.*?)"', dom)[1].replace("&quot;", '"'))  # type: ignore[index]
    assert result["start"] == ["er", "cls-er", "stable model", "finetune", "mir", "multitask"]
    lost = {one.row.strategy: one.forgetting.value for one in board.tracks[0].rows if one.forgetting}
    by_forgetting = sorted(lost, key=lost.__getitem__)
    assert [name for name in result["byF"] if name in by_forgetting] == by_forgetting
    assert result["byF"][-2:] == ["mir", "multitask"]  # without a number: last either way
    assert [name for name in result["byFagain"] if name in by_forgetting] == by_forgetting[::-1]
    assert result["byFagain"][-2:] == ["mir", "multitask"]
    for order in (result["byF"], result["byFagain"], result["byName"]):
        assert order[order.index("cls-er") + 1] == "stable model"
    assert [name for name in result["byName"] if name != "stable model"] == [
        "cls-er",
        "er",
        "finetune",
        "mir",
        "multitask",
    ]
    assert (result["shown"], result["shownThen"]) == (0, True)
    assert result["found"] == ["cls-er", "stable model"] and result["count"].startswith(
        "2 of "
    )  # CLS-ER is published too
    assert result["ranked"] == ["cls-er", "stable model", "er", "finetune"]
    assert result["published"] == 0
    assert result["tracks"] == [True, False]


def rows_of(page: Page) -> list[list[tuple[str, str]]]:
    """The attributes of the table's rows."""
    kinds = [value for tag, name, value in page.attributes if tag == "tr" and name == "data-kind"]
    names = [value for tag, name, value in page.attributes if tag == "tr" and name == "data-name"]
    return [[("data-kind", kind), ("data-name", name)] for kind, name in zip(kinds, names, strict=True)]

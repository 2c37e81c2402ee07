"""Downstream tables of the papers from made-up runs: our means over seeds beside what was printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from many_runs import make_run
from test_paper_pages import material

from avbench import downstream_run
from avbench.errors import DataError
from avbench.reports.paper.catalogue import ITEMS
from avbench.reports.paper.document import Table
from avbench.reports.paper.published import read_published
from avbench.reports.paper.renderers import render
from avbench.reproduction import _judge
from avbench.results.downstream import DownstreamResult, Evaluation, Score, Summary
from avbench.results.schema import Caution

VALUES = {"er": (50.0, 60.0), "stella": (70.0, 72.0)}


def result(task: str, metrics: dict[str, float], **changes: Any) -> DownstreamResult:
    scores = {name: Score(value=value, low=0, high=100, chance=12.5) for name, value in metrics.items()}
    fields: dict[str, Any] = {
        "task": task, "task_version": "1", "title": task, "variant": "paper", "options": {}, "backbone": "trained",
        "strategy": "er", "bench": "continual-synth", "profile": "quick", "seed": 0, "evaluated_model": "working",
        "dataset": "noise", "synthetic": True, "metrics": list(metrics), "examples": ["a", "b"],
        "evaluations": [Evaluation(after=3, scores=scores)],
    }  # fmt: skip
    return DownstreamResult(**fields | changes)


def write(folder: Path, found: DownstreamResult) -> None:
    (folder / "downstream").mkdir(exist_ok=True)
    (folder / "downstream" / f"{found.name}.json").write_text(found.to_json())


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, list[Path]]:
    made = {name: [make_run(tmp_path / f"{name}-{seed}", name, seed).path for seed in (0, 1)] for name in VALUES}
    for name, values in VALUES.items():
        for folder, value in zip(made[name], values, strict=True):
            write(folder, result("classification", {"top-1": value}))
    return made


def table(name: str, folders: dict[str, list[Path]], title: str) -> tuple[dict[str, list[str]], Table]:
    blocks = render(material(ITEMS[name], folders)).blocks
    found = next(block for block in blocks if isinstance(block, Table) and block.title == title)
    return {line.name: [cell.text for cell in line.cells] for line in found.lines}, found


def test_means_over_seeds_stand_beside_the_printed_accuracy(folders: dict[str, list[Path]]) -> None:
    rows, found = table("table4", folders, "Audio-video classification")
    assert rows["ER"] == ["55.00", "57.09"] and rows["STELLA"] == ["71.00", "58.20"]
    assert rows["MIR"] == ["–", "56.82"]
    assert "noise (synthetic), 2 test examples, chance top-1 12.50" in found.note


def test_a_task_by_which_no_run_was_judged_says_so(folders: dict[str, list[Path]]) -> None:
    rows, found = table("table4", folders, "Retrieval after fine-tuning")
    assert rows["ER"][0] == "–" and rows["ER"][1] == "2.26" and found.note == "No run was judged by this task."


@pytest.mark.parametrize(
    ("item", "task", "metrics", "title", "printed"),
    [
        ("table4", "segmentation", {"MIoU": 51.5, "F-score": 60.0}, "Audio-video segmentation", "56.59"),
        ("table8", "events", {"accuracy": 51.5, "event or background": 60.0}, "Event localisation", "56.68"),
    ],
)
def test_segmentation_and_events_stand_beside_their_printed_numbers(
    folders: dict[str, list[Path]], item: str, task: str, metrics: dict[str, float], title: str, printed: str
) -> None:
    seen = "2 of the 5 test videos (40 %) are in the training stream of continual-vs"
    for place, folder in enumerate(folders["stella"]):
        shifted = {name: value + place for name, value in metrics.items()}
        write(folder, result(task, shifted, warnings=[Caution(code="overlap", message=seen)]))
    rows, found = table(item, folders, title)
    assert rows["STELLA"] == ["52.00", printed] and rows["ER"][0] == "–"
    assert "noise (synthetic), 2 test examples" in found.note and found.note.count(seen) == 1


def test_every_column_that_was_printed_has_a_number_for_every_method() -> None:
    for name, bench in (("table4", "continual-vs"), ("table8", "continual-vs"), ("table8", "continual-as")):
        item = ITEMS[name]
        rows = [section.rows for file in item.published for section in read_published(file, bench)]
        columns = [column.published for judged in item.judged for column in judged.columns]
        printed = [column for column in columns if any(column in row for one in rows for row in one.values())]
        assert printed, name
        for column in printed:
            (one,) = [one for one in rows if any(column in row for row in one.values())]
            lacking = {variant.label for variant in item.variants if one.get(variant.label, {}).get(column) is None}
            assert lacking <= {"Multitask"}, (name, column)  # not printed for retrieval


def test_a_and_f_after_every_task(folders: dict[str, list[Path]]) -> None:
    score = Score(value=50, low=0, high=100, chance=12.5)
    three = [Evaluation(after=t, scores={"top-1": score}) for t in (1, 2, 3)]
    for place, folder in enumerate(folders["stella"]):
        summary = Summary(accuracy=40 + place, forgetting_paper=2.5, forgetting_official=0.0, learned=41)
        changes = {"variant": "flava", "evaluations": three, "summary": {"top-1": summary}}
        write(folder, result("classification", {"top-1": 50.0}, **changes))
    rows, _ = table("flava-table4", folders, "Audio-video classification after every task")
    assert rows["FLAVA"] == ["40.50", "58.65", "2.50", "0.00", "0.64"]


def test_what_is_not_judged_yet_is_judged_and_a_task_without_data_is_told_once(
    folders: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def evaluate(folder: Path, wanted: downstream_run.Request) -> None:
        asked.append((wanted.task, folder.name))
        if wanted.task != "classification":
            raise DataError("no data")
        write(folder, result("classification", {"top-1": 1.0}))

    monkeypatch.setattr(downstream_run, "evaluate", evaluate)
    (folders["er"][1] / "downstream" / "classification.json").unlink()

    class Run:
        def __init__(self, folder: Path) -> None:
            self.name, self.place = folder.name, folder

        def folder(self, out: Path) -> Path:
            return self.place

    class Wanted:
        roots: dict[str, Path] = {}  # noqa: RUF012

    rows = {name: [Run(folder) for folder in made] for name, made in folders.items()}
    problems = _judge(ITEMS["table4"], rows, Wanted(), tmp_path, lambda event: None)  # type: ignore[arg-type]
    assert problems == ["retrieval: no data", "segmentation: no data"]
    assert asked == [("retrieval", "er-0"), ("classification", "er-1"), ("segmentation", "er-0")]

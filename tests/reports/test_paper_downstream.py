"""Downstream tables of the papers from made-up runs: our means over seeds beside what was printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from many_runs import make_run
from test_paper_pages import material

from avbench import registry
from avbench.config import RunConfig
from avbench.downstream import run as downstream_run
from avbench.downstream.options import resolve_options
from avbench.errors import CheckpointError, DataError
from avbench.reports.paper.catalogue import ITEMS
from avbench.reports.paper.declaration import Judged
from avbench.reports.paper.document import Table
from avbench.reports.paper.material import Material
from avbench.reports.paper.published import Published, read_published
from avbench.reports.paper.renderers import render
from avbench.results import RunDirectory
from avbench.results.downstream import DownstreamResult, Evaluation, Score, Summary
from avbench.results.schema import Caution, Provenance
from avbench.sweeps import judging as reproduction_judging
from avbench.sweeps.judging import judge

VALUES = {"er": (50.0, 60.0), "stella": (70.0, 72.0)}


def result(task: str, metrics: dict[str, float], **changes: Any) -> DownstreamResult:
    scores = {name: Score(value=value, low=0, high=100, chance=12.5) for name, value in metrics.items()}
    plugin, config = (
        registry.find("downstream", task),
        RunConfig(strategy="er", bench="continual-synth", profile="quick"),
    )
    options = resolve_options(plugin, config, changes.get("variant", "paper"), {}).model_dump(mode="json")
    fields: dict[str, Any] = {
        "task": task, "task_version": plugin.load().version, "title": task, "variant": "paper", "options": options,
        "backbone": "trained",
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


class Asked:
    """What would be measured: nothing is, and every run that is asked for is remembered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any = DataError("no data")) -> None:
        self.asked, self.answer = list[tuple[str, str]](), answer
        monkeypatch.setattr(reproduction_judging, "evaluate", self.evaluate)

    def evaluate(self, folder: Path, wanted: downstream_run.Request) -> DownstreamResult:
        self.asked.append((wanted.task, folder.name))
        found = self.answer(folder, wanted) if callable(self.answer) else self.answer
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]


def judged_of(
    name: str, folders: dict[str, list[Path]], roots: dict[str, Path] | None = None
) -> tuple[dict[Judged, dict[Path, DownstreamResult]], list[str]]:
    opened = [RunDirectory.open(folder) for made in folders.values() for folder in made]
    return judge(ITEMS[name], [(one, one.read_results()) for one in opened], roots or {}, lambda event: None)


def table(name: str, folders: dict[str, list[Path]], title: str) -> tuple[dict[str, list[str]], Table]:
    with pytest.MonkeyPatch.context() as patch:
        Asked(patch)
        judged, _ = judged_of(name, folders)
    blocks = render(material(ITEMS[name], folders, judged=judged)).blocks
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
    rows, found = table("flava-table4", folders, "Audio-video classification after every task")
    assert rows["FLAVA"] == ["40.50", "58.65", "0.28", "2.50", "0.00", "0.64", "0.27"]
    titles = [head.title for head in found.heads]
    assert titles == ["A", "published", "± SD (published)", "F", "F official", "published", "± SD (published)"]
    assert [head.published for head in found.heads] == [title.endswith(("published", ")")) for title in titles]
    assert "printed standard deviation over runs, no interval" in found.note


def test_what_is_not_judged_yet_is_judged_and_a_task_without_data_is_told_once(
    folders: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(folder: Path, wanted: downstream_run.Request) -> Any:
        known = wanted.task == "classification"
        return result("classification", {"top-1": 1.0}) if known else DataError("no data")

    asked = Asked(monkeypatch, answer)
    (folders["er"][1] / "downstream" / "classification.json").unlink()
    found, problems = judged_of("table4", folders)
    assert problems == ["retrieval: no data", "segmentation: no data"]
    assert asked.asked == [("retrieval", "er-0"), ("classification", "er-1"), ("segmentation", "er-0")]
    (values,) = [one for judged, one in found.items() if judged.task == "classification"]
    assert [values[folder].final.scores["top-1"].value for folder in folders["er"]] == [50.0, 1.0]


def test_a_run_that_can_not_be_judged_leaves_the_others_to_be_judged(
    folders: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in folders.values():
        for folder in made:
            (folder / "downstream" / "classification.json").unlink()

    def answer(folder: Path, wanted: downstream_run.Request) -> Any:
        damaged = CheckpointError(f"{folder}/weights are damaged")
        return damaged if folder.name == "er-0" else result(wanted.task, {"top-1": 1.0})

    asked = Asked(monkeypatch, answer)
    found, problems = judged_of("table4", folders)
    assert [name for task, name in asked.asked if task == "classification"] == ["er-0", "er-1", "stella-0", "stella-1"]
    assert "classification: er-0/weights are damaged (run er-0)" in problems  # and no folder of this machine
    assert all(len(one) == 3 for one in found.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"epochs": 1}},
        {"task_version": "0"},
        {"evaluated_model": "slow"},
        {"limit": 3},
        {"synthetic": False, "dataset": "somebody's recordings"},
        {"backbone": "random"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_only_what_was_measured_as_published_is_shown(
    folders: dict[str, list[Path]], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an earlier avbench wrote it under the plain name."""
    other = result("classification", {"top-1": 99.0}, **changes)
    (folders["er"][0] / "downstream" / "classification.json").write_text(other.to_json())
    asked = Asked(monkeypatch)
    judged_of("table4", folders)
    assert ("classification", "er-0") in asked.asked and ("classification", "er-1") not in asked.asked
    rows, _ = table("table4", folders, "Audio-video classification")
    assert rows["ER"][0] == "–" and rows["STELLA"][0] == "71.00"


def test_a_result_of_changed_options_has_a_file_of_its_own(folders: dict[str, list[Path]]) -> None:
    plain = result("classification", {"top-1": 50.0})
    options = plain.options | {"epochs": 1}
    changed = result("classification", {"top-1": 99.0}, options=options, changed=["epochs"])
    again = result("classification", {"top-1": 98.0}, options=options, changed=["epochs"])
    more = result("classification", {"top-1": 97.0}, options=plain.options | {"epochs": 2}, changed=["epochs"])
    assert plain.name == "classification" and changed.name == again.name
    assert len({plain.name, changed.name, more.name}) == 3
    write(folders["er"][0], changed)
    rows, _ = table("table4", folders, "Audio-video classification")
    assert rows["ER"][0] == "55.00"


def test_recordings_that_were_named_are_judged_beside_what_was_rendered(
    folders: dict[str, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = {"dataset": "recordings", "synthetic": False, "on_recordings": True}
    asked = Asked(monkeypatch, lambda folder, wanted: result(wanted.task, {"top-1": 1.0}, **recorded))
    judged_of("table4", folders, {"classification": tmp_path})
    assert [name for task, name in asked.asked if task == "classification"] == ["er-0", "er-1", "stella-0", "stella-1"]
    assert result("classification", {"top-1": 1.0}, **recorded).name == "classification-recordings"


def test_runs_that_were_judged_on_other_examples_are_left_out_and_named(
    folders: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = result("classification", {"top-1": 99.0}, provenance=Provenance(clip_list_hash="other"))
    write(folders["stella"][0], other)
    Asked(monkeypatch)
    _, problems = judged_of("table4", folders)
    (told,) = [text for text in problems if text.startswith("classification")]
    assert "run stella-0 is left out" in told and "examples" in told and "delete stella-0/downstream" in told
    rows, _ = table("table4", folders, "Audio-video classification")
    assert rows["STELLA"][0] == "–" and rows["ER"][0] == "55.00"


@pytest.mark.parametrize(("text", "said"), [('{"schema_version": 2}', "newer avbench"), ("{", "is damaged")])
def test_a_result_that_can_not_be_read_is_named_and_not_measured_again(
    folders: dict[str, list[Path]], text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders["er"][0] / "downstream" / "classification.json"
    path.write_text(text)
    asked = Asked(monkeypatch)
    _, problems = judged_of("table4", folders)
    assert [name for task, name in asked.asked if task == "classification"] == [] and path.read_text() == text
    assert any(one.startswith("classification: er-0/downstream/") and said in one for one in problems)


# --- published numbers ------------------------------------------------------------------------------------------------


def published(**values: float | None) -> Published:
    return Published("a paper", "continual-vs", "", "", {"ER": values})


@pytest.mark.parametrize(
    ("sections", "shown", "value"),
    [
        ([published(a=1.0)], True, 1.0),
        ([published(a=1.0), published(b=2.0)], True, 1.0),
        ([published(a=1.0), published(a=1.0)], True, 1.0),
        ([published(a=1.0), published(a=2.0)], True, None),  # which of them stands for it nobody knows
        ([published(a=None)], False, None),
        ([], False, None),
    ],
)
def test_a_published_number_is_the_only_one_of_its_row_and_column(
    sections: list[Published], shown: bool, value: float | None
) -> None:
    made: Material = material(ITEMS["table1"], {})
    made.__dict__["published"] = sections
    assert made.is_printed("a") is shown and made.printed("ER", "a").value == value
    assert made.printed("MIR", "a").value is None

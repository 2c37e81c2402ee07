"""Pages of the papers' tables and figures, drawn from made-up runs: what is computed, marked, escaped, left open."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from many_runs import TASKS, edit_results, make_run
from test_run_report import assert_self_contained

from avbench.reports.paper import charts
from avbench.reports.paper.catalogue import ITEMS
from avbench.reports.paper.declaration import Item
from avbench.reports.paper.document import Chart, Document, Line, Number, Table
from avbench.reports.paper.material import Material, over_seeds, read_entry
from avbench.reports.paper.page import as_html, write
from avbench.reports.paper.render_tables import clusters, differences
from avbench.reports.paper.renderers import render
from avbench.reports.paper.text import as_csv, as_latex, as_markdown
from avbench.results.schema import ModalityGap
from avbench.results.step_cost import StepCost

GAPS = ModalityGap(after=[[0.5, 0.6, 0.7], [0.4, 0.8, 0.7], [0.3, 0.5, 0.9]], accumulated=[0.5, 0.6, 0.7])
STEP = StepCost(
    batch=9, steps=10, clips_per_second=20.04, peak_bytes=2**31, on_gpu=False, units_per_clip=6.0, machine="a machine"
)


def runs(folder: Path, seeds: Sequence[int] = (0, 1, 2), **changes: Any) -> dict[str, list[Path]]:
    """Folders of runs by strategy: STELLA is better than ER, and Finetune far worse."""
    noise = {"finetune": 1.6, "er": 0.9, "stella": 0.5, "multitask": 0.4}
    made = {}
    for strategy, level in noise.items():
        extra: dict[str, Any] = {"joint_stream": True} if strategy == "multitask" else {}
        memory = None if strategy in ("finetune", "multitask") else "12 clips"
        made[strategy] = [
            make_run(folder / f"{strategy}-{s}", strategy, s, level, memory=memory, **changes, **extra).path
            for s in seeds
        ]
    return made


def material(item: Item, folders: dict[str, list[Path]], **changes: Any) -> Material:
    """What a renderer gets; rows of other methods have no runs."""
    entries = tuple(read_entry(v, folders.get(v.strategy, []), {}) for v in item.variants)
    known: dict[str, Any] = {
        "bench": "continual-synth",
        "profile": "quick",
        "seeds": 3,
        "restricted": False,
        "sets": (),
    }
    return Material(item=item, entries=entries, steps={}, **known | changes)


def line(table: Table, name: str) -> Line:
    return next(one for one in table.lines if one.name == name and one.kind != "published")


def table_called(document: Document, title: str) -> Table:
    return next(table for table in document.tables if table.title == title)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return runs(tmp_path_factory.mktemp("runs"), modality_gap=GAPS)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_intervals_over_seeds_are_students():
    values = [3.0, 5.0, 8.5]
    number = over_seeds(values)
    assert number.value == pytest.approx(mean(values))
    assert number.half == pytest.approx(4.302653 * stdev(values) / math.sqrt(3))  # Student's t at 97.5 %, 2 degrees
    assert over_seeds([4.0]) == Number(4.0) and over_seeds([]).value is None
    assert (Number(-0.001).text, Number(1.005, 0.5).margin, Number().text) == ("0.00", "± 0.50", "–")
    assert Number(-1.5).text == "−1.50"


def test_a_table_has_our_means_beside_the_published_numbers(folders):
    document = render(material(ITEMS["table1"], folders))
    table = table_called(document, "Averages")
    heads = [(head.group, head.title) for head in table.heads]
    cells = dict(zip(heads, line(table, "STELLA").cells, strict=False))
    found = [run.results.summary["audio2video"]["Avg"] for run in material(ITEMS["table1"], folders).entries[8].runs]
    assert cells["Audio → video", "A"].value == pytest.approx(mean(row.accuracy for row in found))
    assert cells["Audio → video", "F official"].value == pytest.approx(mean(row.forgetting_official for row in found))
    published = [c.value for h, c in zip(table.heads, line(table, "STELLA").cells, strict=True) if h.published]
    assert published == [14.16, 4.38, 14.07, 4.65]
    assert line(table, "Multitask").kind == "bound" and line(table, "MIR").mark == "no complete run"
    whole = table_called(document, "Every column")
    assert len(whole.heads) == 16 and sum(one.kind == "published" for one in whole.lines) == 11
    named = [(head.group, head.title) for head in whole.heads]
    ours = dict(zip(named, line(whole, "STELLA").cells, strict=True))
    printed = dict(zip(named, next(one for one in whole.lines if one.kind == "published").cells, strict=True))
    lost = "Audio → video", "Avg F official"  # under one head stands one reading of F
    assert ours[lost] == cells["Audio → video", "F official"] and printed[lost].value == 10.5


def test_tiers_rank_only_our_comparable_rows(folders, tmp_path):
    table = differences(material(ITEMS["table1"], folders))
    tier = {one.name: one.cells[1].value for one in table.lines}
    assert tier["STELLA"] == 1 and tier["Finetune"] == 3 and tier["Multitask"] is None
    assert "published" not in {one.kind for one in table.lines}
    assert line(table, "STELLA").cells[0].half is not None  # over seeds and queries, from the saved embeddings
    other = {**folders, "er": [make_run(tmp_path / "er", "er", settings={"training": {"epochs": 3}}).path]}
    mixed = material(ITEMS["table1"], other)
    table = differences(mixed)
    assert line(table, "ER").mark == "exam 2" and line(table, "ER").cells[1].value is None
    assert [[entry.variant.label for entry in cluster] for cluster in clusters(mixed.known)] == [
        ["Finetune", "STELLA", "Multitask"],
        ["ER"],
    ]
    assert line(table_called(render(mixed), "Averages"), "ER").mark == "another exam"


def test_the_cost_of_a_step_stands_beside_the_published_one(folders):
    document = render(replace(material(ITEMS["table2"], folders), steps={"ER": STEP}))
    table = table_called(document, "What a step costs")
    assert [cell.text for cell in line(table, "ER").cells] == ["20.0", "17.70", "2.00", "30.95", "9", "9", "6.0"]
    assert [cell.text for cell in line(table, "STELLA").cells] == ["–", "17.29", "–", "17.45", "–", "9", "–"]
    assert "a machine" in table.note and "resident in the process" in table.note and "median of 10 steps" in table.note
    assert (
        "one V100 at a batch of 9, of 15 for STELLA++" in table.note and "Not at the published batch" not in table.note
    )


def test_costs_on_a_gpu_tell_reserved_memory_and_batches_that_are_not_the_published_ones(folders):
    gpu = STEP.model_copy(update={"on_gpu": True, "reserved_bytes": 3 * 2**30, "steps": 100})
    steps = {"ER": gpu, "MIR": gpu.model_copy(update={"batch": 48})}
    table = table_called(render(replace(material(ITEMS["table2"], folders), steps=steps)), "What a step costs")
    assert [head.title for head in table.heads if head.group == "Memory"] == [
        "peak GiB",
        "reserved GiB",
        "published GB",
    ]
    assert [cell.text for cell in line(table, "ER").cells] == [
        "20.0",
        "17.70",
        "2.00",
        "3.00",
        "30.95",
        "9",
        "9",
        "6.0",
    ]
    assert "Not at the published batch: MIR;" in table.note and "median of 100 steps" in table.note
    third = table_called(
        render(replace(material(ITEMS["table3"], folders), steps={"Random": STEP})), "What a step costs"
    )
    assert [head.title for head in third.heads] == [
        "clips/s",
        "peak GiB",
        "published GB",
        "batch",
        "published",
        "units/clip",
    ]


def test_recall_of_the_tasks_so_far_begins_and_ends_as_it_must(folders):
    made = material(ITEMS["figure5"], folders)
    document = render(made)
    table = table_called(document, "Recall of the tasks so far")
    stella = line(table, "STELLA").cells
    results = [run.results for run in made.entries[8].runs]
    first = mean(mean(r.directions["audio2video"].recall[f"R@{k}"].after[0][0] for k in (1, 5, 10)) for r in results)
    assert stella[0].value == pytest.approx(first)
    assert stella[TASKS - 1].value == pytest.approx(mean(r.summary["audio2video"]["Avg"].accuracy for r in results))
    assert "Multitask" not in {one.name for one in table.lines}
    each = table_called(document, "Recall of each task")
    assert [cell.value is None for cell in line(each, "Task 2: ER").cells] == [True, True, False]


def test_gaps_along_the_stream_and_their_decline(folders):
    document = render(material(ITEMS["figure10"], folders))
    decline = table_called(document, "Decline of the modality gap")
    assert line(decline, "ER").cells[0].value == pytest.approx(mean([0.5 - 0.3, 0.8 - 0.5]))
    assert line(decline, "ER").cells[1].value == pytest.approx(mean([0.45 - 0.3, 0.8 - 0.5]))
    accumulated = table_called(document, "Accumulated modality gap")
    assert [cell.value for cell in line(accumulated, "STELLA").cells] == pytest.approx([0.5, 0.6, 0.7])
    figure6 = render(material(ITEMS["figure6"], folders))
    gap = figure6.tables[-1]
    assert {one.name for one in gap.lines} == {"STELLA"}  # ESMER has no run
    assert [cell.text for cell in line(gap, "STELLA").cells] == ["0.300", "0.463"]


def test_a_plane_of_two_components_keeps_means_and_never_stretches():
    random = np.random.default_rng(0)
    audio, video = random.normal(size=(30, 8)), random.normal(size=(30, 8)) + 2
    flat = charts.projected(audio, video)
    gap = np.linalg.norm(audio.mean(0) - video.mean(0))
    drawn = np.linalg.norm(flat[0].mean(0) - flat[1].mean(0))
    assert 0.9 * gap < drawn <= gap + 1e-9  # the gap is the main direction here
    again = charts.projected(audio, video)
    assert np.array_equal(flat[0], again[0]) and np.array_equal(flat[1], again[1])
    pairs = np.linalg.norm(flat[0][:, None] - flat[0][None], axis=-1)
    assert (pairs <= np.linalg.norm(audio[:, None] - audio[None], axis=-1) + 1e-9).all()


def test_accuracy_against_memory_has_a_curve_for_each_method_with_several_sizes(tmp_path):
    item = ITEMS["figure12"]
    sizes = {"ER, memory × 0.25": 3, "ER, memory × 0.5": 6, "ER, memory × 1": 12}
    entries = []
    for variant in item.variants:
        size = sizes.get(variant.label)
        options = {"options": {"memory": size}, "memory": f"{size} clips"}
        made = [make_run(tmp_path / f"m{size}", "er", noise=1 / size, **options).path] if size else []
        if variant.label == "Finetune":
            made = [make_run(tmp_path / "finetune", "finetune", noise=2, memory=None).path]
        entries.append(read_entry(variant, made, {}))
    document = render(replace(material(item, {}), entries=tuple(entries)))
    table = table_called(document, "Accuracy by rehearsal memory")
    assert [one.cells[0].value for one in table.lines if "ER" in one.name] == [3, 6, 12]
    chart = next(block for block in document.blocks if isinstance(block, Chart))
    assert {key.text for key in chart.legend} == {"ER", "Finetune"}
    marks = {one.name: one.mark for one in table_called(document, "Which differences are real").lines}
    assert len({marks[name] for name in sizes}) == 3  # another memory is another exam


# --- what is said about the numbers -----------------------------------------------------------------------------------


def test_synthetic_is_said_everywhere(folders, tmp_path):
    document = render(material(ITEMS["table1"], folders))
    assert "Synthetic data" in [badge.text for badge in document.badges]
    assert "SYNTHETIC DATA" in as_markdown(document) and "SYNTHETIC DATA" in as_latex(document)
    rows = list(csv.DictReader(io.StringIO(as_csv(document))))
    assert {row["synthetic"] for row in rows if row["source"] == "ours"} == {"yes"}
    assert {row["synthetic"] for row in rows if row["source"] == "published"} == {"no"}
    assert as_html(document).count("ynthetic data") >= 2
    assert "recordings" in as_html(document)


def test_what_is_missing_or_restricted_is_named(tmp_path):
    made = runs(tmp_path, seeds=[0])
    half = make_run(tmp_path / "half", "mir", finished=1).path
    damaged = make_run(tmp_path / "damaged", "derpp").path
    (damaged / "results.json").write_text("{")
    made |= {"mir": [half], "derpp": [damaged], "gmed": [tmp_path / "gone"]}
    document = render(material(ITEMS["table1"], made, seeds=1, restricted=True, sets=("training.epochs=1",)))
    told = " ".join(document.warnings)
    assert "run half: not finished, 1 of 3 tasks" in told and "run damaged" in told and "run gone" in told
    assert "One seed" in told and "training.epochs=1" in told
    assert {"Incomplete", "Some rows left out"} <= {badge.text for badge in document.badges}


@pytest.mark.parametrize("name", ITEMS)
def test_every_item_has_a_page_that_stands_alone(name, folders, tmp_path):
    document = render(material(ITEMS[name], folders))
    page = assert_self_contained(write(document, tmp_path).read_text(encoding="utf-8"))
    assert ITEMS[name].title in page.text and (not document.unknown or "What our sources don’t say" in page.text)
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".md", ".tex", ".csv"}
    assert render(material(ITEMS[name], folders)) == document  # the same runs, the same page


@pytest.mark.parametrize("name", ["table2", "figure5", "figure6", "figure12", "figure7"])
def test_without_any_complete_run_there_still_is_a_page(name, tmp_path):
    document = render(material(ITEMS[name], {}))
    assert document.blocks == ()
    assert "No run of this item is complete" in write(document, tmp_path).read_text(encoding="utf-8")


def test_text_from_data_and_settings_stays_text(tmp_path):
    evil = '<script>alert(1)</script>|$x_1$\\input{a}"><img src=x onerror=alert(1)>'
    made = runs(tmp_path, seeds=[0])
    for folder in (path for paths in made.values() for path in paths):
        from avbench.results import RunDirectory

        directory = RunDirectory.open(folder)
        tasks = [{**task.model_dump(), "title": evil} for task in directory.read_results().tasks]
        edit_results(directory, tasks=tasks)
    document = render(material(ITEMS["figure5"], made, sets=(f"training.x={evil}", "data.root=/home/ada/clips")))
    page = assert_self_contained(as_html(document))
    assert evil in page.text and "/home/ada" not in page.text
    assert "<script>" not in as_markdown(document)
    assert r"\input{" not in as_latex(document)

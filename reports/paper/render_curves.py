"""Curves of retrieval: along the stream, and against the size of the rehearsal memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from avbench.evaluation.forgetting import along_the_stream
from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper import charts
from avbench.reports.paper.charts import Curve, Panel
from avbench.reports.paper.document import Block, Chart, Head, Key, Line, Number, Table
from avbench.reports.paper.material import Entry, Material, over_seeds
from avbench.reports.paper.render_tables import averages, differences
from avbench.reports.svg import drawing, inline

_RECALL = "mean of R@1, R@5 and R@10 in %"


def stream(material: Material) -> list[Block]:
    """Recall of the tasks trained so far, and of each task since it was trained."""
    return [_so_far(material), _each_task(material), averages(material), differences(material)]


def memory(material: Material) -> list[Block]:
    """Accuracy against the clips of rehearsal memory that a method was given."""
    groups: dict[str, list[Entry]] = {}
    for entry in material.known:
        groups.setdefault(entry.variant.curve, []).append(entry)
    curves = {name: rows for name, rows in groups.items() if len(rows) > 1}
    across = {name: rows[0] for name, rows in groups.items() if len(rows) == 1}
    panels = [
        Panel(
            title,
            [
                Curve(name, [_memory(row) for row in rows], [row.number("accuracy", way).value for row in rows])
                for name, rows in curves.items()
            ],
            {name: row.number("accuracy", way).value or 0.0 for name, row in across.items()},
        )
        for way, title in TITLES.items()
    ]
    heads = (Head("clips"), *(Head("A", title) for title in TITLES.values()))
    lines = tuple(
        Line(row.variant.label, (Number(_memory(row), digits=0), *(row.number("accuracy", way) for way in TITLES)))
        for row in material.known
    )
    note = f"A, {_RECALL}, mean over seeds; dashed: methods without a rehearsal memory."
    numbers = Table("Accuracy by rehearsal memory", heads, lines, note)
    chart = _chart("memory", panels, list(groups), "clips in the rehearsal memory", 2, (4.3, 2.9), numbers)
    return [replace(chart, opened=True), differences(material)]


def _so_far(material: Material) -> Chart:
    rows = _continual(material.known)
    bound = {row.variant.label: row for row in material.known if row not in rows}
    assert material.first is not None
    tasks = [task.title for task in material.first.results.tasks]
    points = {
        way: {row.variant.label: _seed_means([_accuracies(run, way) for run in row.runs]) for row in rows}
        for way in TITLES
    }
    panels = [
        Panel(
            title,
            [Curve(name, range(1, len(found) + 1), [n.value for n in found]) for name, found in points[way].items()],
            {name: row.number("accuracy", way).value or 0.0 for name, row in bound.items()},
        )
        for way, title in TITLES.items()
    ]
    heads = tuple(Head(f"{place}. {name}", title) for title in TITLES.values() for place, name in enumerate(tasks, 1))
    lines = tuple(
        Line(row.variant.label, tuple(n for way in TITLES for n in points[way][row.variant.label])) for row in rows
    )
    note = f"Recall of the tasks trained so far after each task, {_RECALL}, mean over seeds; dashed: all tasks at once."
    names = [row.variant.label for row in material.known]
    numbers = Table("Recall of the tasks so far", heads, lines, note)
    return _chart("so-far", panels, names, "tasks trained", 2, (4.3, 2.9), numbers)


def _each_task(material: Material) -> Chart:
    rows = _continual(material.known)
    assert material.first is not None
    tasks = material.first.results.tasks
    panels, lines = [], []
    for task in range(len(tasks)):
        found = {row.variant.label: _seed_means([_of_task(run, task)[task:] for run in row.runs]) for row in rows}
        steps = range(1, len(tasks) + 1)
        before = (Number(),) * task
        drawn = [Curve(name, steps, [v.value for v in (*before, *values)]) for name, values in found.items()]
        panels.append(Panel(tasks[task].title, drawn, {}))
        lines += [Line(f"{tasks[task].title}: {name}", (*before, *values)) for name, values in found.items()]
    heads = tuple(Head(f"after {place}") for place in range(1, len(tasks) + 1))
    note = f"Each task since it was trained, mean of both directions, {_RECALL}, mean over seeds."
    numbers = Table("Recall of each task", heads, tuple(lines), note)
    names = [row.variant.label for row in material.known]
    return _chart("each-task", panels, names, "", 4, (2.2, 1.5), numbers)


def _chart(
    name: str, panels: Sequence[Panel], names: list[str], x_label: str, columns: int, size: tuple[float, float],
    numbers: Table,
) -> Chart:  # fmt: skip
    colours = charts.colour_of(names)
    drawn = {curve.name for panel in panels for curve in panel.curves} | {n for panel in panels for n in panel.across}
    with drawing():
        figure = charts.curves(panels, names, x_label, columns, size)
        svg = inline(figure, name, f"{numbers.title}: {len(panels)} panels, {len(drawn)} methods.")
    legend = tuple(Key(colours[one], one) for one in names if one in drawn)
    return Chart(numbers.title, svg, numbers, numbers.note, legend)


def _continual(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if not entry.runs[0].results.joint_stream]


def _memory(entry: Entry) -> float:
    asked = entry.runs[0].config.options.get("memory", 0)
    return float(asked) if isinstance(asked, int) else float(entry.runs[0].results.efficiency.memory_capacity)


def _matrix(run: FoundRun, way: str) -> list[list[float]]:
    """Recall after each experience for each task, mean of the recall columns."""
    found = run.results.directions[way].recall.values()  # type: ignore[index]
    return [[mean(cells) for cells in zip(*rows, strict=True)] for rows in zip(*(r.after for r in found), strict=True)]


def _accuracies(run: FoundRun, way: str) -> list[float]:
    return [accuracy for accuracy, _ in along_the_stream(_matrix(run, way))]


def _of_task(run: FoundRun, task: int) -> list[float]:
    """Recall of one task after each experience, mean of both directions."""
    return [mean(pair) for pair in zip(*([row[task] for row in _matrix(run, way)] for way in TITLES), strict=True)]


def _seed_means(values: Sequence[Sequence[float]]) -> list[Number]:
    return [over_seeds(column) for column in zip(*values, strict=True)]

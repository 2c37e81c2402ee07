"""The modality gap: along the stream, its decline, and the embeddings it is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import AvbenchError
from avbench.evaluation.modality_gap import Decline, decline
from avbench.evaluation.similarity import MODALITIES, load
from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper import charts
from avbench.reports.paper.charts import Curve, Panel
from avbench.reports.paper.document import Block, Chart, Head, Key, Line, Number, Table
from avbench.reports.paper.material import Entry, Material, over_seeds
from avbench.reports.svg import drawing, inline

_DEFINED = (
    "The gap is the distance between the mean audio and the mean video embedding, 0 to 2, over retrieval clips; how "
    "the paper computed it is not released."
)


def gap_and_embeddings(material: Material) -> list[Block]:
    """The accumulated gap along the stream, and one task's embeddings at the end."""
    return [_accumulated(material), *embeddings(material)]


def gap_and_decline(material: Material) -> list[Block]:
    """How much the gap of earlier tasks has shrunk at the end, and the accumulated gap along the stream."""
    return [_declines(material), _accumulated(material)]


def embeddings(material: Material) -> list[Block]:
    """One task's embeddings at the end, projected, beside the published gaps."""
    task, title = _task(material)
    shown = [e for e in material.known if not material.item.shown or e.variant.label in material.item.shown]
    panels, unseen = {}, []
    for entry in shown:
        points = _final_embeddings(entry.runs[0], task)
        if points is None:
            unseen.append(entry.variant.label)
        else:
            name = f"{entry.variant.label}, gap {entry.runs[0].results.modality_gap.after[-1][task]:.3f}"
            panels[name] = charts.projected(*points)
    sections = [section for section in material.published if section.task in material.item.tasks]
    heads = (Head("gap"), *(Head("published", f"{s.bench}, {s.task}", published=True) for s in sections))
    lines = tuple(
        Line(e.variant.label, (e.per_run(lambda run: _final_gap(run, task), 3), *_printed(e, sections))) for e in shown
    )
    note = f"Clips of {title} after the last task, mean over seeds. {_DEFINED}"
    numbers = Table(f"Modality gap of {title} at the end", heads, lines, note)
    if not panels:
        return [numbers]
    with drawing():
        svg = inline(charts.embeddings(panels), "embeddings", f"Audio and video embeddings of {title}, projected.")
    caption = (
        f"Embeddings of {title} after the last task, first seed, on the two principal components of audio and video "
        "together; the line joins their means. Distances in the plane are no longer than the gap."
    )
    caption += f" No embeddings were kept of {', '.join(unseen)}." if unseen else ""
    legend = (Key("var(--audio)", "audio"), Key("var(--video)", "video"))
    return [Chart(f"Embeddings of {title}", svg, numbers, f"{caption} {note}", legend, opened=True)]


def _accumulated(material: Material) -> Chart:
    rows = [entry for entry in material.known if not entry.runs[0].results.joint_stream]
    found = {entry.variant.label: _accumulated_gaps(entry) for entry in rows}
    panel = Panel(
        "Accumulated modality gap",
        [Curve(name, range(1, len(values) + 1), [v.value for v in values]) for name, values in found.items()],
        {},
    )
    assert material.first is not None
    heads = tuple(Head(f"{place}. {task.title}") for place, task in enumerate(material.first.results.tasks, 1))
    lines = tuple(Line(name, tuple(values)) for name, values in found.items())
    note = f"After each task, over the clips of all tasks trained so far, mean over seeds. {_DEFINED}"
    numbers = Table("Accumulated modality gap", heads, lines, note)
    names = list(found)
    with drawing():
        figure = charts.curves([panel], names, "tasks trained", 1, (6.4, 3.1), from_zero=False)
        svg = inline(figure, "accumulated", f"Accumulated modality gap along the stream, {len(names)} methods.")
    legend = tuple(Key(colour, name) for name, colour in charts.colour_of(names).items())
    return Chart(numbers.title, svg, numbers, note, legend)


def _declines(material: Material) -> Chart:
    rows = [entry for entry in material.known if not entry.runs[0].results.joint_stream]
    variants: tuple[Decline, ...] = ("largest", "mean")
    found = {e.variant.label: [e.per_run(lambda run, v=v: _decline(run, v), 3) for v in variants] for e in rows}  # type: ignore[misc]
    heads = (Head("largest drop"), Head("mean drop"))
    lines = tuple(Line(name, tuple(values)) for name, values in found.items())
    note = (
        "Mean over the earlier tasks of how far each one’s gap has fallen by the end: from its largest value, as the "
        f"released tool computes it (drawn), or from its mean since it was trained. {_DEFINED}"
    )
    numbers = Table("Decline of the modality gap", heads, lines, note)
    drawn = {name: (one.value, one.half) for name, (one, _) in found.items() if one.value is not None}
    with drawing():
        svg = inline(charts.bars(drawn, "decline of the gap"), "decline", "Decline of the modality gap by method.")
    return Chart(numbers.title, svg, numbers, f"Whiskers: 95 % intervals over seeds. {note}")


def _task(material: Material) -> tuple[int, str]:
    """Which task the item is about: the first of its tasks that this benchmark has, or else the first of all."""
    assert material.first is not None
    tasks = material.first.results.tasks
    ids = [task.id for task in tasks]
    index = next((ids.index(name) for name in material.item.tasks if name in ids), 0)
    return index, tasks[index].title


def _final_embeddings(run: FoundRun, task: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    try:
        saved = load(run.directory.similarity / f"after-{run.results.experiences:02d}.npz")
    except AvbenchError:
        return None
    rows = np.flatnonzero(saved.task_of == task)
    if set(saved.embeddings) != set(MODALITIES) or len(rows) < 2:
        return None
    audio, video = (saved.embeddings[name][rows].astype(np.float64) for name in MODALITIES)
    return audio, video


def _final_gap(run: FoundRun, task: int) -> float | None:
    after = run.results.modality_gap.after
    return after[-1][task] if after else None


def _decline(run: FoundRun, variant: Decline) -> float | None:
    after = run.results.modality_gap.after
    return decline(after, variant) if len(after) == len(run.results.tasks) else None


def _printed(entry: Entry, sections: Sequence[Any]) -> tuple[Number, ...]:
    return tuple(Number(section.rows.get(entry.variant.label, {}).get("gap"), digits=3) for section in sections)


def _accumulated_gaps(entry: Entry) -> list[Number]:
    """After each task; unknown in runs of versions that did not measure it."""
    values = [run.results.modality_gap.accumulated for run in entry.runs]
    tasks = len(entry.runs[0].results.tasks)
    if any(len(one) != tasks for one in values):
        return [Number(digits=3)] * tasks
    return [over_seeds(column, 3) for column in zip(*values, strict=True)]

"""The rehearsal memory: whose clips it holds along the stream, and how many of those offered it accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from avbench.evaluation.transfer import acceptance_rates, reservoir_rate
from avbench.reports.downloads import Download, csv_download
from avbench.reports.drawn import Drawn
from avbench.reports.learning_figures import acceptance, memory_by_task
from avbench.reports.svg import drawing, inline
from avbench.results.schema import Results

Event = Mapping[str, Any]


@dataclass(frozen=True)
class MemoryView:
    """Everything drawn of the memory; `missing` says what the run has not kept."""

    titles: list[str]
    occupancy: Drawn | None = None
    acceptance: Drawn | None = None
    distinct: int | None = None  # different clips in it at the latest evaluation
    visits: int = 0
    accepted: int = 0
    downloads: list[Download] = field(default_factory=list)
    missing: str = ""


def memory_view(results: Results, steps: Sequence[Event], borders: Sequence[float]) -> MemoryView | None:
    """The view; None for a method without a memory, and before any training.

    Args:
        steps: `step` events of the journal, each step once, in order.
        borders: steps at which an experience begins.
    """
    held = results.rehearsal
    if not results.efficiency.memory_clips:
        return None
    titles = ["all tasks"] if results.joint_stream else [task.title for task in results.tasks]
    if not held.occupancy:
        return MemoryView(titles, missing="This run is older than the count of whose clips its memory held.")
    with drawing():
        described = "Clips in the rehearsal memory after each task, by the task they came from."
        figure = memory_by_task(held.occupancy, results.efficiency.memory_capacity)
        occupancy = Drawn(inline(figure, "memory-by-task", described))
        accepted, table = _acceptance(steps, borders, results.efficiency.memory_capacity)
    header = ["after experience", *titles, "different clips", "offered so far", "accepted so far"]
    columns = zip(held.occupancy, held.distinct, held.visits, held.accepted, strict=True)
    rows: list[Sequence[str | float | None]] = [
        (str(count), *slots, different, offered, stored)
        for count, (slots, different, offered, stored) in enumerate(columns, start=1)
    ]
    return MemoryView(
        titles=titles,
        occupancy=occupancy,
        acceptance=accepted,
        distinct=held.distinct[-1],
        visits=held.visits[-1],
        accepted=held.accepted[-1],
        downloads=[csv_download("rehearsal-memory", header, rows), *table],
    )


def _acceptance(steps: Sequence[Event], borders: Sequence[float], capacity: int) -> tuple[Drawn | None, list[Download]]:
    known = [event for event in steps if isinstance(event.get("memory_visits"), int) and "memory_accepted" in event]
    if len(known) < 2:
        return None, []
    visits, accepted = ([0, *(int(event[name]) for event in known)] for name in ("memory_visits", "memory_accepted"))
    rates = acceptance_rates(visits, accepted)
    expected = [100 * reservoir_rate(capacity, (first + last) / 2) for first, last in pairwise(visits)]
    points = [
        (event["step"], 100 * rate, one)
        for event, rate, one in zip(known, rates, expected, strict=True)
        if rate is not None
    ]
    if len(points) < 2:
        return None, []
    numbers, percent, formula = zip(*points, strict=True)
    described = "Share of the clips offered to the rehearsal memory that it stored, over steps."
    drawn = Drawn(inline(acceptance(numbers, percent, formula, borders), "memory-acceptance", described))
    return drawn, [csv_download("memory-acceptance", ["step", "accepted %", "expected of a reservoir %"], points)]

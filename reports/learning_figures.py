"""Learning and forgetting task by task, and the rehearsal memory, drawn.

Each function draws numbers it is given and returns a Matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from avbench.reports.figures import COLOURS, Row, canvas, smoothed
from avbench.reports.gap_figures import task_colour
from avbench.reports.svg import INK, LINE, MUTED, PAPER, label


def bars_of_tasks(values: Mapping[str, Sequence[float | None]], titles: Sequence[str], largest: float) -> Figure:
    """A number for each task in both directions, in points; None where it is not defined.

    Args:
        largest: what the axis reaches on either side, so that figures beside each other can be compared.
    """
    figure, axes = canvas(3.4, 0.4 + 0.33 * len(titles), left=1.25, bottom=0.28, top=0.05)
    height, rows = 0.32, np.arange(len(titles))
    for place, (direction, found) in enumerate(values.items()):
        lengths = [0.0 if value is None else value for value in found]
        axes.barh(rows + (place - 0.5) * height, lengths, height * 0.92, color=COLOURS[direction])
    for row in (row for row in range(len(titles)) if all(found[row] is None for found in values.values())):
        axes.text(0.03 * largest, row, "not defined", color=MUTED, size=7.5, va="center")
    axes.axvline(0, color=MUTED, linewidth=0.9)
    axes.set_xlim(-largest, largest)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks(rows, [label(title, 18) for title in titles], color=INK)
    axes.set_ylim(len(titles) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=5)
    return figure


def plasticity_and_stability(learned: Mapping[str, Row], kept: Mapping[str, Row], chance: float) -> Figure:
    """Each task, by its number: how well it was learned (across) and how well it is known at the end (upwards)."""
    figure, axes = canvas(4.9, 3.9, left=0.5, bottom=0.46, top=0.08)
    every = [value for found in (learned, kept) for row in found.values() for value in row]
    end = max([*every, chance, 1e-9]) * 1.1
    axes.plot([0, end], [0, end], color=LINE, linewidth=1.2)
    axes.annotate("nothing lost", (0.97 * end, 0.97 * end), (-4, -2), textcoords="offset points", ha="right", va="top",
                  rotation=38, rotation_mode="anchor", color=MUTED, size=8)  # fmt: skip
    axes.axhline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.axvline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    for direction, row in learned.items():
        together: dict[tuple[float, float], list[int]] = {}
        for task, place in enumerate(zip(row, kept[direction], strict=True), start=1):
            together.setdefault(place, []).append(task)
        for (across, up), tasks in together.items():
            axes.plot(across, up, "o", color=COLOURS[direction], markersize=12, alpha=0.88, clip_on=False)
            named, size = "·".join(map(str, tasks)), 7.5 if len(tasks) == 1 else 6
            axes.text(across, up, named, color=PAPER, size=size, ha="center", va="center_baseline", weight="bold")
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    axes.set_xlabel("just after learning, %")
    axes.set_ylabel("at the end, %")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    return figure


def memory_by_task(occupancy: Sequence[Row], capacity: int) -> Figure:
    """Slots of the memory after each experience, stacked by the task that their clips came from; a line at capacity."""
    figure, axes = canvas(4.9, 2.6, left=0.5, bottom=0.46, top=0.1)
    x, base = np.arange(1, len(occupancy) + 1), np.zeros(len(occupancy))
    for task in range(len(occupancy[0])):
        slots = np.asarray([row[task] for row in occupancy], float)
        axes.bar(x, slots, 0.82, bottom=base, color=task_colour(task), edgecolor=PAPER, linewidth=0.6)
        base += slots
    axes.axhline(capacity, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.set_xlim(0.4, len(occupancy) + 0.6)
    axes.set_xlabel("tasks trained")
    axes.set_ylabel("clips in memory")
    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="x", visible=False)
    return figure


def acceptance(steps: Row, rates: Row, expected: Row, borders: Sequence[float]) -> Figure:
    """Share of the stream's clips that the memory stored, as logged and smoothed, beside what a reservoir expects."""
    figure, axes = canvas(4.9, 2.6, left=0.5, bottom=0.46, top=0.1)
    for border in borders:
        axes.axvline(border, color=LINE, linewidth=0.8)
    axes.plot(steps, np.where(np.asarray(rates) > 0, rates, np.nan), color=MUTED, linewidth=0.7, alpha=0.6)
    axes.plot(steps, smoothed(np.asarray(rates, float), 1 + len(rates) // 40), color=INK, linewidth=1.6)
    axes.plot(steps, expected, color=MUTED, linewidth=1.1, linestyle=(0, (3, 3)))
    axes.set_yscale("log")
    axes.set_ylim(min([100.0, *(value for value in (*rates, *expected) if value > 0)]) / 1.5, 130)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("steps")
    axes.set_ylabel("accepted, %")
    axes.grid(axis="x", visible=False)
    axes.minorticks_off()
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure

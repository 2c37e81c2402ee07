"""The figures of a comparison: one colour per method, the same in every figure, light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from avbench.reports.leaderboard.ranking import Score
from avbench.reports.svg import INK, MUTED, inline, label

COLOURS = 8  # custom properties --m0 to --m7 of the page; further methods repeat them, dashed
_PLACEHOLDER = re.compile(r"(?<=: )#0b0b0([0-7])\b")


@dataclass(frozen=True)
class Series:
    """A method's numbers: places on the horizontal axis, or tasks, and scores."""

    index: int
    points: Sequence[tuple[int, Score]]


def colour(index: int) -> str:
    """The placeholder of a method's colour, which `drawn` turns into a custom property."""
    return f"#0b0b0{index % COLOURS}"


def drawn(figure: Figure, name: str, described: str) -> Markup:
    """The figure as an SVG element in the colours of the page; see `inline`."""
    return Markup(_PLACEHOLDER.sub(lambda found: f"var(--m{found[1]})", inline(figure, name, described)))


def curves(series: Sequence[Series], tasks: int, width: float, level: float | None = None) -> Figure:
    """Lines over the number of tasks trained, each in a band of its half width.

    Args:
        width: in inches.
        level: a number to compare with, as a dashed line; the axis begins at 0 where it is above.
    """
    figure = Figure(figsize=(width, 3.0))
    axes = figure.add_axes((0.42 / width, 0.15, 1 - 0.52 / width, 0.81))
    for one in series:
        x = [place for place, _ in one.points]
        y = [score.value for _, score in one.points]
        if all(score.half is not None for _, score in one.points):
            low, high = ([getattr(score, end) for _, score in one.points] for end in ("low", "high"))
            axes.fill_between(x, low, high, color=colour(one.index), alpha=0.11, linewidth=0)
        style = "-" if one.index < COLOURS else (0, (4, 2))
        axes.plot(x, y, color=colour(one.index), linestyle=style, marker="o", markersize=4)
    if level is not None:
        axes.axhline(level, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    if level:
        axes.set_ylim(bottom=0)
    axes.set_xlim(0.7, tasks + 0.3)
    axes.set_xlabel("tasks trained")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", visible=False)
    return figure


def task_bars(series: Sequence[Series], titles: Sequence[str], chance: float) -> Figure:
    """Grouped bars, a group for each task, with intervals; the dashed line is chance."""
    width = max(11.7, 0.5 + len(titles) * (0.3 + 0.12 * len(series)))
    figure = Figure(figsize=(width, 3.0))
    axes = figure.add_axes((0.42 / width, 0.1, 1 - 0.52 / width, 0.87))
    step = 0.84 / max(len(series), 1)
    for number, one in enumerate(series):
        places = [task - 0.42 + step * (number + 0.5) for task, _ in one.points]
        values = [score.value for _, score in one.points]
        hatch = None if one.index < COLOURS else "////"
        axes.bar(places, values, 0.86 * step, color=colour(one.index), alpha=0.85, hatch=hatch, linewidth=0)
        for place, (_, score) in zip(places, one.points, strict=True):
            if score.interval is not None:
                axes.vlines(place, max(score.interval[0], 0), score.interval[1], color=INK, linewidth=0.9, alpha=0.7)
    axes.axhline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.set_xticks(range(len(titles)), [label(title, 18) for title in titles])
    axes.set_xlim(-0.6, len(titles) - 0.4)
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", visible=False)
    return figure

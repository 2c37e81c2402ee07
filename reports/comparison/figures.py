"""The figures of a comparison: one colour per method, the same in every figure, light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from avbench.reports.leaderboard.ranking import Score
from avbench.reports.svg import AUDIO, INK, MUTED, inline, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 8  # custom properties --m0 to --m7 of the page; where there are more methods, each is drawn by itself
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
        _band(axes, one, 0.11)
        axes.plot(*_line(one), color=colour(one.index), marker="o", markersize=4)
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


def panel(series: Sequence[Series], shown: Series, title: str, tasks: int, level: float | None = None) -> Figure:
    """The line of one method in its band, before the pale lines of all; the same axes for every method."""
    width, height = 2.7, 1.7
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.36 / width, 0.24 / height, 1 - 0.42 / width, 1 - 0.5 / height))
    for one in series:
        axes.plot(*_line(one), color=MUTED, linewidth=0.7, alpha=0.4)
    ends = [end for one in series for _, score in one.points for end in (score.low, score.high, score.value)]
    known = [end for end in ends if end is not None]
    _band(axes, shown, 0.2)
    axes.plot(*_line(shown), color=colour(shown.index), marker="o", markersize=3.5)
    if level is not None:
        axes.axhline(level, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    margin = 0.05 * (max(known) - min(known)) or 1.0
    axes.set_ylim(0 if level else min(known) - margin, max(known) + margin)
    axes.set_xlim(0.7, tasks + 0.3)
    axes.set_title(label(title, 28))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", visible=False)
    return figure


def _line(one: Series) -> tuple[list[int], list[float]]:
    return [place for place, _ in one.points], [score.value for _, score in one.points]


def _band(axes: Axes, one: Series, strength: float) -> None:
    if all(score.half is not None for _, score in one.points):
        low, high = ([getattr(score, end) for _, score in one.points] for end in ("low", "high"))
        axes.fill_between(_line(one)[0], low, high, color=colour(one.index), alpha=strength, linewidth=0)


def task_matrix(series: Sequence[Series], names: Sequence[str], titles: Sequence[str]) -> Figure:
    """A row of cells for each method, a column for each task: the fuller the colour, the more."""
    rows = [label(names[one.index], 28) for one in series]
    left, bottom = 0.2 + 0.068 * max(map(len, rows)), 0.3
    width, height = 11.7, bottom + 0.27 * len(rows) + 0.05
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + 0.1) / width, 1 - (bottom + 0.05) / height))
    largest = max(score.value for one in series for _, score in one.points) or 1.0
    for row, one in enumerate(series):
        for task, score in one.points:
            strength = 0.04 + 0.66 * max(score.value, 0.0) / largest
            axes.add_patch(Rectangle((task - 0.49, row - 0.46), 0.98, 0.92, color=AUDIO, alpha=strength, linewidth=0))
            half = "" if score.half is None else f" ± {score.half:.1f}"
            axes.text(task, row, f"{score.value:.1f}{half}", ha="center", va="center", fontsize=8.5, color=INK)
    axes.set_xticks(range(len(titles)), [label(title, 18) for title in titles])
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlim(-0.5, len(titles) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
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
        axes.bar(places, values, 0.86 * step, color=colour(one.index), alpha=0.85, linewidth=0)
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

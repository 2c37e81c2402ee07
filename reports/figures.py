"""The figures of a run report. Each function draws numbers it is given and returns a Matplotlib figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avbench.reports.svg import AUDIO, INK, LINE, MUTED, PAPER, VIDEO, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_CHARACTER = 0.064  # inches, about the width of one in a tick label
COLOURS = {"audio2video": AUDIO, "video2audio": VIDEO}
Row = Sequence[float]


def accuracy_matrix(
    before: Row, after: Sequence[Row], titles: Sequence[str], experiences: Sequence[str], colour: str, largest: float
) -> Figure:
    """Heatmap of one R@K: a row after each experience, a column per task, the diagonal framed.

    Args:
        before: the row before training; empty when it was not evaluated.
        titles, experiences: what to call the columns and the rows.
        largest: the percentage at which the colour is fullest.
    """
    import seaborn
    from matplotlib.colors import ListedColormap, to_rgb
    from matplotlib.patches import Rectangle

    rows = [*([before] if before else []), *after]
    columns = [label(title) for title in titles]
    names = [*(["before training"] if before else []), *(f"after {label(name)}" for name in experiences[: len(after)])]
    left, bottom = 0.1 + _CHARACTER * max(map(len, names)), 0.15 + 0.62 * _CHARACTER * max(map(len, columns))
    size = (left + 0.43 * len(titles) + 0.1, bottom + 0.29 * len(rows) + 0.05)
    figure, axes = canvas(*size, left=left, bottom=bottom, top=0.05)
    axes.grid(visible=False)
    shades = ListedColormap([(*to_rgb(colour), strength) for strength in np.linspace(0.04, 0.72, 128)])
    seaborn.heatmap(
        np.asarray(rows),
        cmap=shades,
        vmin=0,
        vmax=max(largest, 1e-9),
        cbar=False,
        ax=axes,
        linewidths=1.5,
        linecolor=PAPER,
        annot=np.vectorize(_short)(rows),
        fmt="",
        annot_kws={"color": INK, "size": 8},
        xticklabels=columns,
        yticklabels=names,
    )
    for task in range(len(after) if len(experiences) == len(titles) else 0):
        corner = (task, task + bool(before))
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.3, clip_on=False))
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_xticklabels(axes.get_xticklabels(), rotation=38, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
    return figure


@dataclass(frozen=True)
class TaskScores:
    """One task along the stream.

    Attributes:
        scores: per direction, percent after `first`, `first` + 1, ... experiences (0: before training).
        learned_at: number of experiences after which the task has been trained, 1 for the first task.
        chance: in percent.
    """

    title: str
    scores: Mapping[str, Row]
    learned_at: int
    chance: float


def task_curves(tasks: Iterable[TaskScores], first: int, last: int, largest: float) -> Iterator[Figure]:
    """Each task's score in both directions from `first` to `last`; a filled dot marks the experience that taught it.

    It is the same figure each time, to be used before the next: making axes takes longer than drawing a task.
    """
    figure, axes = canvas(2.5, 1.6, left=0.32)
    axes.set_ylim(0, largest * 1.08 or 1)
    _count_axis(axes, first, last, numbers=5)
    for task in tasks:
        axes.set_title(label(task.title, 26))
        drawn = [line for way, row in task.scores.items() for line in _task(axes, row, first, task.learned_at, way)]
        drawn.append(axes.axhline(task.chance, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3))))
        yield figure
        for line in drawn:
            line.remove()


def _task(axes: Axes, values: Row, first: int, learned_at: int, direction: str) -> list[Line2D]:
    x, split, colour = first + np.arange(len(values)), max(learned_at - first, 0), COLOURS[direction]
    lines = axes.plot(x[: split + 1], values[: split + 1], color=colour, linewidth=1.1, alpha=0.55)
    lines += axes.plot(x[split:], values[split:], color=colour)
    if split < len(values):
        lines += axes.plot(x[split], values[split], "o", color=colour, markersize=4.5, clip_on=False)
    return lines


def stream_average(points: Mapping[str, Sequence[tuple[int, float]]], tasks: int) -> Figure:
    """A number along the stream in both directions, against the number of experiences."""
    figure, axes = canvas(4.9, 2.2, left=0.36, bottom=0.42, top=0.1)
    for direction, values in points.items():
        x, y = zip(*values, strict=True) if values else ((), ())
        axes.plot(x, y, color=COLOURS[direction], marker="o", markersize=3.5)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel("tasks trained")
    _count_axis(axes, 1, tasks)
    return figure


def learned_and_kept(learned: Row, kept: Row, titles: Sequence[str], colour: str, chance: float) -> Figure:
    """Each task's score just after it was trained (open) and at the end (filled)."""
    figure, axes = canvas(4.9, 0.45 + 0.27 * len(titles), left=1.4, top=0.05)
    rows = np.arange(len(titles))
    axes.hlines(rows, learned, kept, color=colour, linewidth=3, alpha=0.35)
    dot: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 6.5, "clip_on": False, "zorder": 3}
    axes.plot(learned, rows, markerfacecolor=PAPER, markeredgecolor=colour, markeredgewidth=1.5, **dot)
    axes.plot(kept, rows, color=colour, **dot)
    axes.axvline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.set_yticks(rows, [label(title) for title in titles], color=INK)
    axes.set_ylim(len(titles) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=9)
    return figure


def loss_curve(steps: Row, values: Row, borders: Sequence[float], title: str) -> Figure:
    """One loss term over steps, as logged (thin) and smoothed; vertical lines where an experience begins."""
    figure, axes = canvas(3.3, 1.8, left=0.46)
    for border in borders:
        axes.axvline(border, color=LINE, linewidth=0.8)
    axes.plot(steps, values, color=MUTED, linewidth=0.7, alpha=0.55)
    parts = np.searchsorted(steps, borders)
    for x, y in zip(np.split(np.asarray(steps), parts), np.split(np.asarray(values), parts), strict=True):
        axes.plot(x, smoothed(y, 1 + len(values) // 40), color=INK, linewidth=1.5)
    axes.set_title(label(title, 30))
    axes.grid(axis="x", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    return figure


def canvas(width: float, height: float, left: float, bottom: float = 0.25, top: float = 0.25) -> tuple[Figure, Axes]:
    """A figure with one set of axes and margins in inches: laying figures out automatically takes most of the time."""
    figure = Figure(figsize=(width, height))
    right = 0.08
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure, figure.add_axes(box)


def _short(value: Any) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def _count_axis(axes: Axes, first: int, last: int, numbers: int = 9) -> None:
    axes.set_xlim(first - 0.3, max(last, first + 1) + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=numbers, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", visible=False)


def smoothed(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Running mean over `reach` neighbours on either side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first))

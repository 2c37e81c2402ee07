"""The modality gap drawn: along the stream, its decline, and the embeddings it is measured on.

Each function draws numbers it is given and returns a Matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avbench.evaluation.projection import Projection
from avbench.reports.figures import Row, canvas
from avbench.reports.svg import AUDIO, INK, LINE, MUTED, PAPER, TASKS, VIDEO, label


def task_colour(task: int) -> str:
    """The colour of a task in every figure that tells tasks apart."""
    return TASKS[task % len(TASKS)]


def gap_along_the_stream(before: Row, after: Sequence[Row], accumulated: Row) -> Figure:
    """The gap of each task, a dot where it was trained, and thick the gap of all tasks trained so far.

    Args:
        before: per task, before training; empty when it was not evaluated.
        after: a row after each experience.
        accumulated: one value after each experience.
    """
    figure, axes = canvas(4.9, 3.1, left=0.44, bottom=0.46, top=0.1)
    rows = [*([before] if before else []), *after]
    first = 0 if before else 1
    x = first + np.arange(len(rows))
    for task in range(len(rows[0])):
        values, learned = [row[task] for row in rows], task + 1 - first
        axes.plot(x, values, color=task_colour(task), linewidth=1.2, alpha=0.75)
        if learned < len(values):
            axes.plot(x[learned], values[learned], "o", color=task_colour(task), markersize=5)
    axes.plot(np.arange(1, len(accumulated) + 1), accumulated, color=INK, linewidth=2.4)
    axes.set_xlabel("tasks trained")
    axes.set_xlim(first - 0.2, max(x[-1], first + 1) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def gap_declines(largest: Row, mean: Row, titles: Sequence[str]) -> Figure:
    """How far each earlier task's gap has fallen at the end: from its largest value (filled), from its mean (open)."""
    figure, axes = canvas(4.9, 0.7 + 0.34 * len(titles), left=1.4, bottom=0.3, top=0.05)
    rows, height = np.arange(len(titles)), 0.34
    colours = [task_colour(task) for task in range(len(titles))]
    axes.barh(rows - height / 2, largest, height, color=colours)
    axes.barh(rows + height / 2, mean, height, facecolor=PAPER, edgecolor=colours, linewidth=1.2)
    axes.axvline(0, color=MUTED, linewidth=0.9)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks(rows, [label(title) for title in titles], color=INK)
    axes.set_ylim(len(titles) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=6)
    return figure


def plane(projection: Projection, task_of: NDArray[np.integer[Any]], gap: float, to_scale: bool) -> Figure:
    """Clips in a plane: sounds filled, pictures open, a colour for each task, and its number where its clips gather.

    The large dots are the mean of all sounds and of all pictures; the line between them stands for the gap.

    Args:
        task_of: (N,) the task of each clip.
        gap: the distance that is written at the line.
        to_scale: both axes in the same scale.
    """
    figure, axes = canvas(4.9, 4.3, left=0.12, bottom=0.1, top=0.06)
    size: dict[str, Any] = {"linestyle": "", "markersize": 4, "clip_on": False}
    for task in np.unique(task_of):
        colour, rows = task_colour(int(task)), task_of == task
        axes.plot(*projection.audio[rows].T, marker="o", color=colour, markeredgewidth=0, alpha=0.8, **size)
        axes.plot(*projection.video[rows].T, marker="o", color=colour, markerfacecolor="none", **size)
    for task in np.unique(task_of):
        rows = task_of == task
        for points in (projection.audio[rows], projection.video[rows]):
            box = _box("circle,pad=0.15", task_colour(int(task)))
            across, up = np.median(points, axis=0)
            axes.text(across, up, str(task + 1), ha="center", va="center", size=7.5, bbox=box, zorder=5)
    ends = np.stack([projection.audio.mean(axis=0), projection.video.mean(axis=0)])
    axes.plot(*ends.T, color=INK, linewidth=1.6, zorder=6)
    for end, colour in zip(ends, (AUDIO, VIDEO), strict=True):
        axes.plot(*end, "o", color=colour, markersize=10, markeredgecolor=PAPER, markeredgewidth=1.5, zorder=7)
    above: dict[str, Any] = {"xytext": (0, 13), "textcoords": "offset points", "ha": "center"}
    axes.annotate(f"gap {gap:.2f}", ends.mean(axis=0), size=9, bbox=_box("round,pad=0.2", LINE), zorder=8, **above)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.04)
    for side in axes.spines.values():
        side.set_visible(False)
    if to_scale:
        axes.set_aspect("equal", adjustable="datalim")
    return figure


def _box(shape: str, edge: str) -> dict[str, Any]:
    return {"boxstyle": shape, "facecolor": PAPER, "edgecolor": edge, "alpha": 0.9}

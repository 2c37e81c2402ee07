"""Drawings of many methods at once. Each function draws numbers it is given and returns a Matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avbench.reports.svg import AUDIO, INK, LINE, MUTED, VIDEO, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart on white and on black, and by most people who see colours otherwise (after Okabe and Ito, 2008).
PALETTE = (
    *("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#b8860b", "#56a0d3"),
    *("#8c564b", "#7f7f7f", "#9467bd", "#4b9b9b", "#c44e52"),
)
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))  # where there are more curves than colours


Points = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A line through points; missing values break it."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True)
class Panel:
    """One set of axes: its curves, and values of methods that don't depend on x, drawn across."""

    title: str
    curves: Sequence[Curve]
    across: Mapping[str, float]


def colour_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}


def curves(
    panels: Sequence[Panel],
    names: Sequence[str],
    x_label: str,
    columns: int,
    size: tuple[float, float],
    from_zero: bool = True,
) -> Figure:
    """Panels of curves, one colour for each of `names` in all of them.

    Args:
        size: of one panel, in inches.
        from_zero: where the y axis begins.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    margin, foot = 0.45, 0.56
    figure = Figure(figsize=(columns * (size[0] + margin), rows * (size[1] + foot)))
    width, height = figure.get_size_inches()
    colours = colour_of(names)
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        left, bottom = margin + column * (size[0] + margin), height - (row + 1) * (size[1] + foot) + 0.42
        axes = figure.add_axes((left / width, bottom / height, (size[0] - 0.05) / width, (size[1] - 0.12) / height))
        _panel(axes, panel, list(names), colours)
        axes.set_xlabel(x_label)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    return figure


def _panel(axes: Axes, panel: Panel, names: list[str], colours: Mapping[str, str]) -> None:
    for curve in panel.curves:
        y = np.asarray([np.nan if value is None else value for value in curve.y], dtype=np.float64)
        dash = _DASHES[names.index(curve.name) // len(PALETTE) % len(_DASHES)]
        axes.plot(curve.x, y, color=colours[curve.name], linestyle=dash, marker="o", markersize=3.2, linewidth=1.5)
    places = [x for curve in panel.curves for x in curve.x]
    if places:  # also those whose values are missing
        room = 0.04 * max(max(places) - min(places), 1)
        axes.set_xlim(min(places) - room, max(places) + room)
    for name, value in panel.across.items():
        axes.axhline(value, color=colours.get(name, MUTED), linewidth=1.1, linestyle=(0, (4, 2.5)))
    axes.set_title(label(panel.title, 34))
    axes.grid(axis="x", visible=False)


def bars(values: Mapping[str, tuple[float, float | None]], x_label: str) -> Figure:
    """Horizontal bars, each with half of its interval as a whisker."""
    height = 0.55 + 0.25 * len(values)
    figure = Figure(figsize=(5.4, height))
    axes = figure.add_axes((1.5 / 5.4, 0.45 / height, 3.75 / 5.4, 1 - 0.5 / height))
    rows = np.arange(len(values))
    axes.barh(rows, [value for value, _ in values.values()], height=0.55, color=AUDIO, alpha=0.75)
    for row, (value, half) in zip(rows, values.values(), strict=True):
        if half is not None:
            axes.hlines(row, value - half, value + half, color=INK, linewidth=1.2)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(rows, [label(name) for name in values], color=INK)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def embeddings(panels: Mapping[str, tuple[Points, Points]]) -> Figure:
    """Projected embeddings, a panel for each title: audio (N, 2), video (N, 2), their means joined."""
    side, gap = 2.25, 0.2
    figure = Figure(figsize=(len(panels) * (side + gap) + gap, side + 0.4))
    width, height = figure.get_size_inches()
    for place, (title, (audio, video)) in enumerate(panels.items()):
        left = gap + place * (side + gap)
        axes = figure.add_axes((left / width, 0.1 / height, side / width, side / height))
        means = []
        for points, colour in ((audio, AUDIO), (video, VIDEO)):
            axes.plot(points[:, 0], points[:, 1], "o", color=colour, markersize=2.6, alpha=0.45, markeredgewidth=0)
            means.append(points.mean(axis=0))
        axes.plot(*zip(*means, strict=True), color=INK, linewidth=1.3)
        for mean, colour in zip(means, (AUDIO, VIDEO), strict=True):
            axes.plot(*mean, "o", color=colour, markersize=7, markeredgecolor=INK, markeredgewidth=1.1)
        axes.set_title(label(title, 34))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(LINE)
    return figure


def projected(audio: Points, video: Points) -> tuple[Points, Points]:
    """Both, (N, D), on their two common principal components, (N, 2) each; the signs are fixed, so nothing is drawn."""
    both = np.concatenate([audio, video]).astype(np.float64)
    both -= both.mean(axis=0)
    _, _, axes = np.linalg.svd(both, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(axis=1)].diagonal())[:, None]
    flat = both @ axes.T
    return flat[: len(audio)], flat[len(audio) :]

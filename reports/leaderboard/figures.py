"""Accuracy against cost: who is best at a price, and who is beaten at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from avbench.reports.downloads import Download, csv_download
from avbench.reports.leaderboard.ranking import Score
from avbench.reports.leaderboard.rows import Cost
from avbench.reports.leaderboard.tracks import Track
from avbench.reports.svg import AUDIO, INK, MUTED, PAPER, drawing, inline, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, low, right, high
_LETTER, _LINE = 0.066, 0.15  # inches, of a label


@dataclass(frozen=True)
class Point:
    """A method's price and what it gets for it."""

    name: str
    cost: float
    accuracy: Score


@dataclass(frozen=True)
class Tradeoff:
    """A figure of accuracy against one cost, and its numbers."""

    title: str
    svg: Markup
    download: Download


def tradeoffs(track: Track, prefix: str) -> list[Tradeoff]:
    """One figure for each cost that is known of two rows and not the same for all.

    Args:
        prefix: unique on the page.
    """
    bound = max(
        (one.accuracy.value for one in track.rows if one.row.results.joint_stream and one.accuracy), default=None
    )
    drawn = [(key, title, points) for key, title, points in _points(track) if len({p.cost for p in points}) > 1]
    width = 3.85 if len(drawn) < 4 else 2.8
    with drawing():
        return [_tradeoff(f"{prefix}-{key}", title, points, bound, width) for key, title, points in drawn]


def _tradeoff(name: str, title: str, points: Sequence[Point], bound: float | None, width: float) -> Tradeoff:
    described = f"Accuracy A in percent against {title.lower()}, {len(points)} methods."
    svg = inline(tradeoff(points, bound, width), name, described)
    best = front(points)
    rows = [(p.name, p.cost, p.accuracy.value, p.accuracy.low, p.accuracy.high, "yes" * (p in best)) for p in points]
    return Tradeoff(title, svg, csv_download(name, ["method", title, "A", "low", "high", "on the front"], rows))


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats: none is both cheaper and better. From the cheapest to the dearest."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.accuracy.value)):
        if not best or point.accuracy.value > best[-1].accuracy.value:
            best.append(point)
    return best


def tradeoff(points: Sequence[Point], bound: float | None, width: float) -> Figure:
    """Accuracy against cost: the front filled and joined, beaten methods hollow, thin lines the 95 % intervals.

    Args:
        bound: accuracy of training on all tasks at once, drawn as a dashed line.
        width: in inches.
    """
    figure = Figure(figsize=(width, 2.6))
    axes = figure.add_axes((0.3 / width, 0.1, 1 - 0.4 / width, 0.87))
    best = front(points)
    for one, two in pairwise([(p.cost, p.accuracy.value) for p in best]):
        axes.plot([one[0], two[0], two[0]], [one[1], one[1], two[1]], color=AUDIO, linewidth=1.1, alpha=0.5)
    for point in points:
        ours = point in best
        if point.accuracy.interval is not None:
            axes.vlines(point.cost, *point.accuracy.interval, color=MUTED, linewidth=0.9, alpha=0.6)
        axes.plot(point.cost, point.accuracy.value, "o", markersize=6.5 if ours else 5.5, zorder=3 + ours,
                  color=AUDIO if ours else MUTED, markerfacecolor=AUDIO if ours else PAPER)  # fmt: skip
    if bound is not None:
        axes.axhline(bound, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.margins(x=0.22, y=0.12)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _name(figure, axes, [*best, *(point for point in points if point not in best)], len(best))
    return figure


def _name(figure: Figure, axes: Axes, points: Sequence[Point], strong: int) -> None:
    """Names beside their points, as far as there is room: earlier points, of which the first are strong, first."""
    width, height = figure.get_size_inches() * (axes.get_position().width, axes.get_position().height)
    place = axes.transData + axes.transAxes.inverted()

    def spot(cost: float, accuracy: float) -> tuple[float, float]:
        x, y = place.transform((cost, accuracy)) * (width, height)
        return float(x), float(y)

    spots = [spot(p.cost, p.accuracy.value) for p in points]
    taken = [(x - 0.05, y - 0.05, x + 0.05, y + 0.05) for x, y in spots]
    for (left, low), (right, high) in pairwise(spots[:strong]):
        taken += [(left, low, right, low), (right, low, right, high)]
    ends = [(p.cost, p.accuracy.interval) for p in points if p.accuracy.interval is not None]
    lines = [(*spot(cost, low), *spot(cost, high)) for cost, (low, high) in ends]
    for number, (point, (x, y)) in enumerate(zip(points, spots, strict=True)):
        text = label(point.name, 24)
        boxes = [box for box in _places(x, y, _LETTER * len(text)) if _free(box, taken, width, height)]
        if boxes:
            left, low, *_ = next((box for box in boxes if _free(box, lines, width, height)), boxes[0])
            taken.append((left, low, left + _LETTER * len(text), low + _LINE))
            axes.text(left / width, (low + _LINE / 2) / height, text, transform=axes.transAxes, fontsize=8.5,
                      va="center", color=INK if number < strong else MUTED)  # fmt: skip


def _free(box: Box, others: Sequence[Box], width: float, height: float) -> bool:
    inside = box[0] > 0 and box[2] < width and box[1] > 0 and box[3] < height
    return inside and not any(_overlap(box, other) for other in others)


def _places(x: float, y: float, width: float) -> Iterator[Box]:
    """Boxes around a point in which its name may stand, better ones first."""
    for shift in (0.0, 0.13, -0.13, 0.26, -0.26):
        for left in (x + 0.09, x - 0.09 - width):
            yield left, y + shift - _LINE / 2, left + width, y + shift + _LINE / 2


def _overlap(one: Box, two: Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _points(track: Track) -> list[tuple[str, str, list[Point]]]:
    on_gpu = any(one.row.cost.on_gpu for one in track.rows)
    where = "GPU" if on_gpu else "process"
    return [
        ("compute", "Counted compute, units per clip", _with_cost(track, lambda cost: cost.units_per_clip)),
        ("time", "Training time in minutes", _with_cost(track, lambda cost: cost.training_seconds, 60)),
        ("memory", f"Peak memory of the {where} in GiB", _with_cost(track, lambda cost: cost.peak_memory, 2**30)),
        ("bytes", "Rehearsal memory in MiB", _with_cost(track, lambda cost: cost.memory_bytes, 2**20)),
    ]


def _with_cost(track: Track, number: Callable[[Cost], float | None], unit: float = 1) -> list[Point]:
    """The rows of continual learners of which accuracy and this cost are known."""
    found = []
    for one in track.rows:
        cost = number(one.row.cost)
        if one.accuracy is not None and cost is not None and not one.row.results.joint_stream:
            found.append(Point(track.name(one), cost / unit, one.accuracy))
    return found

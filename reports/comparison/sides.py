"""The tracks of a comparison, ready for the page: methods with their colours, figures, differences and costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from markupsafe import Markup

from avbench.reports.comparison.curves import Difference, Metric, differences, gaps, per_task, stream
from avbench.reports.comparison.figures import COLOURS, Series, curves, drawn, panel, task_bars, task_matrix
from avbench.reports.downloads import Download, csv_download
from avbench.reports.leaderboard.columns import Column, columns_of
from avbench.reports.leaderboard.ranking import Placed, Score
from avbench.reports.leaderboard.tracks import Track
from avbench.reports.leaderboard.wording import half_width, marks, number, written
from avbench.reports.svg import drawing

Points = Callable[[Placed], Sequence[tuple[int, Score]]]
_SCORES = (
    "accuracy",
    "forgetting_paper",
    "forgetting_official",
    "learned",
    "backward_transfer",
    "forward_transfer",
)
_COSTS = ("units_per_clip", "clips_per_second", "training_seconds", "peak_memory_bytes", "memory_bytes", "parameters")
_BANDS = "Bands: 95 % intervals over seeds and queries."


@dataclass(frozen=True)
class Method:
    """A row and the number of its colour, by which it is known in every figure of its track."""

    index: int
    name: str
    placed: Placed
    numbers: list[tuple[str, str]]  # of `_SCORES`: text and half width
    marks: list[tuple[str, str]]


@dataclass(frozen=True)
class Drawn:
    """A figure with its caption and the numbers behind it: wide, or several panels, or neither."""

    title: str
    caption: str
    svg: Markup
    download: Download
    shape: Literal["", "wide", "panels"] = ""


@dataclass(frozen=True)
class Pairs:
    """Differences of all pairs in one metric; `largest` points fill half of a bar."""

    title: str
    better: str
    found: list[tuple[Method, Method, Difference]]
    largest: float

    @property
    def rows(self) -> list[tuple[Method, list[tuple[Method, Difference]]]]:
        """Each first method of a pair, and what it is compared with."""
        grouped = groupby(self.found, key=lambda pair: pair[0])
        return [(first, [(second, one) for _, second, one in pairs]) for first, pairs in grouped]

    def is_better(self, one: Difference) -> bool:
        """Whether the sign of a difference speaks for its first method."""
        return (one.value > 0) == (self.better == "more is better")


@dataclass(frozen=True)
class CostBars:
    """One cost of every method: text, and a length in percent of the longest bar."""

    title: str
    meaning: str
    bars: list[tuple[Method, str, float]]


@dataclass(frozen=True)
class Side:
    """A track, ready for the page."""

    track: Track
    title: str
    slug: str
    heads: list[Column]
    methods: list[Method]
    drawings: list[Drawn]
    pairs: list[Pairs]
    costs: list[CostBars]


def side(track: Track, title: str, place: int) -> Side:
    """Everything the page shows of the `place`-th track."""
    columns = columns_of(track)
    scores = [column for column in columns if column.key in _SCORES]
    heads = [column for column in scores if column.key == "accuracy" or any(map(column.ours, track.rows))]
    methods = [_method(index, track, one, heads) for index, one in enumerate(track.rows)]
    slug = f"track-{place}"
    pairs = [_pairs(methods, "accuracy"), _pairs(methods, "forgetting")]
    costs = [_cost(column, methods) for column in columns if column.key in _COSTS]
    with drawing():
        drawings = _drawings(track, methods, slug)
    return Side(
        track,
        title,
        slug,
        heads,
        methods,
        drawings,
        [one for one in pairs if one.found],
        [one for one in costs if len(one.bars) > 1],
    )


def _method(index: int, track: Track, one: Placed, heads: Sequence[Column]) -> Method:
    scores = [(column.ours(one), column) for column in heads]
    numbers = [(written(score, column), half_width(score)) for score, column in scores]
    return Method(index, track.name(one), one, numbers, marks(one))


def _drawings(track: Track, methods: Sequence[Method], slug: str) -> list[Drawn]:
    tasks = [task.title for task in track.runs[0].results.tasks]
    lines = [
        (
            "accuracy",
            "Accuracy along the stream, in %",
            f"Mean over the tasks trained so far. {_BANDS} Dashed: chance.",
            track.chance,
            _series(methods, lambda one: stream(one, "accuracy")),
        ),
        (
            "forgetting",
            "Forgetting along the stream, in points",
            f"Lost since each earlier task’s best. {_BANDS}",
            0.0,
            _series(methods, lambda one: stream(one, "forgetting")),
        ),
        (
            "gap",
            "Modality gap along the stream",
            "Distance between the mean audio and the mean video embedding of the tasks trained so far, 0 to 2. "
            "Bands: half the range of the seeds to either side.",
            None,
            _series(methods, gaps),
        ),
    ]
    lines = [line for line in lines if any(len(one.points) > 1 for one in line[-1])]
    width = 3.85 if len(lines) == 3 else 5.9
    found = []
    for key, title, caption, level, series in lines:
        table = _table(f"{slug}-{key}", "tasks trained", methods, series)
        if len(methods) > COLOURS:
            svg = _panels(f"{slug}-{key}", title, methods, series, len(tasks), level)
            found.append(
                Drawn(title, f"{caption} Across: tasks trained. Pale: the other methods.", svg, table, "panels")
            )
            continue
        described = f"{title}, a line for each method, against the number of tasks trained."
        svg = drawn(curves(series, len(tasks), width, level), f"{slug}-{key}", described)
        found.append(Drawn(title, caption, svg, table))
    bars = _bars(tasks, methods, slug, track.chance)
    return found if bars is None else [*found, bars]


def _panels(
    name: str, title: str, methods: Sequence[Method], series: Sequence[Series], tasks: int, level: float | None
) -> Markup:
    """One small figure for each method: more lines than colours can't be followed in one."""
    return Markup("").join(
        drawn(
            panel(series, one, methods[one.index].name, tasks, level),
            f"{name}-{one.index}",
            f"{title}: {methods[one.index].name}, against the number of tasks trained.",
        )
        for one in series
    )


def _bars(tasks: Sequence[str], methods: Sequence[Method], slug: str, chance: float) -> Drawn | None:
    series = _series(methods, lambda one: list(enumerate(per_task(one))))
    if not series:
        return None
    title = "Each task at the end, in %"
    table = _table(f"{slug}-tasks", "task", methods, series, tasks)
    caption = "Mean of all recall columns and both directions"
    if len(methods) > COLOURS:
        figure = task_matrix(series, [method.name for method in methods], tasks)
        svg = drawn(figure, f"{slug}-tasks", f"{title}, a row for each method.")
        return Drawn(title, f"{caption}, ± half of the 95 % interval.", svg, table, "wide")
    svg = drawn(task_bars(series, tasks, chance), f"{slug}-tasks", f"{title}, a bar for each method.")
    return Drawn(title, f"{caption}. Thin lines: 95 % intervals. Dashed: chance.", svg, table, "wide")


def _series(methods: Sequence[Method], points: Points) -> list[Series]:
    found = [Series(method.index, points(method.placed)) for method in methods]
    return [one for one in found if one.points]


def _table(
    name: str, first: str, methods: Sequence[Method], series: Sequence[Series], titles: Sequence[str] | None = None
) -> Download:
    rows = [
        (methods[one.index].name, titles[place] if titles else place, score.value, score.low, score.high)
        for one in series
        for place, score in one.points
    ]
    return csv_download(name, ["method", first, "mean", "low", "high"], rows)


def _pairs(methods: Sequence[Method], metric: Metric) -> Pairs:
    by_row = {id(method.placed): method for method in methods}
    found = differences([method.placed for method in methods], metric)
    largest = max((max(abs(one.low), abs(one.high)) for one in found), default=1.0) or 1.0
    named = [(by_row[id(one.first)], by_row[id(one.second)], one) for one in found]
    if metric == "accuracy":
        return Pairs("Accuracy A", "more is better", named, largest)
    return Pairs("Forgetting F", "less is better", named, largest)


def _cost(column: Column, methods: Sequence[Method]) -> CostBars:
    known = [(method, score.value) for method in methods if (score := column.ours(method.placed)) is not None]
    largest = max((value for _, value in known), default=0.0) or 1.0
    bars = [(method, number(value, column.kind), 100 * value / largest) for method, value in known]
    return CostBars(column.title, column.meaning, bars)

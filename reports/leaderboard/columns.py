"""The columns of a leaderboard: what each says of our rows, of a method's other networks, and of published rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.published import PublishedRow
from avbench.reports.leaderboard.ranking import Network, Placed, Score
from avbench.reports.leaderboard.rows import Cost, Metric
from avbench.reports.leaderboard.tracks import Track

View = Literal["overview", "learning", "audio2video", "video2audio", "cost"]
Kind = Literal["points", "ratio", "count", "bytes", "seconds"]
VIEWS: dict[View, str] = {
    "overview": "Overview",
    "learning": "Learning",
    "audio2video": TITLES["audio2video"],
    "video2audio": TITLES["video2audio"],
    "cost": "Cost",
}
_OFFICIAL = "F as the released tool computes it, from which the published F probably come"
_BOTH = "mean of both directions and all recall columns"


@dataclass(frozen=True)
class Column:
    """One column; a function returns None where its number is not known.

    Attributes:
        key: its name in CSV and JSON.
        title, meaning: for people.
        kind: how its numbers are written; points are percent or differences of percent.
        better: which end is the good one, None for neither.
        also: other views that show it.
    """

    key: str
    title: str
    meaning: str
    view: View
    kind: Kind
    better: Literal["high", "low"] | None
    ours: Callable[[Placed], Score | None]
    network: Callable[[Network], Score | None]
    published: Callable[[PublishedRow], Score | None]
    also: tuple[View, ...] = ()


def columns_of(track: Track) -> list[Column]:
    """Every column of a track, in the order of the views."""
    directions = [_of_direction(way, column) for way in TITLES for column in track.columns]
    return [*_overview(), *_learning(), *(one for pair in directions for one in pair), *_costs()]


def _overview() -> list[Column]:
    return [
        Column(
            "accuracy",
            "A",
            f"Recall in % at the end, mean over tasks; {_BOTH}",
            "overview",
            "points",
            "high",
            lambda placed: placed.accuracy,
            lambda network: network.accuracy,
            lambda row: _score(row.accuracy()),
        ),
        Column(
            "forgetting_paper",
            "F",
            f"Points lost since each earlier task’s best, as the paper prints the formula; {_BOTH}",
            "overview",
            "points",
            "low",
            lambda placed: placed.forgetting,
            lambda network: network.forgetting,
            _nothing,
            also=("learning",),
        ),
        _mean(
            "forgetting_official",
            "F official",
            f"{_OFFICIAL}; {_BOTH}",
            "overview",
            "low",
            lambda row: _score(row.forgetting()),
        ),
    ]


def _learning() -> list[Column]:
    """How each task was learned, and what tasks did for one another: BWT and FWT of avbench.evaluation.transfer."""
    just = f"Recall in % of each task just after it was trained; {_BOTH}"
    backward = f"Backward transfer: points gained since each earlier task was trained, negative: lost; {_BOTH}"
    forward = f"Forward transfer: points gained over the start before each later task was trained; {_BOTH}"
    return [
        _mean("learned", "Just learned", just, "learning", "high", _nothing),
        _transfer("backward_transfer", "BWT", backward, lambda placed: placed.backward),
        _transfer("forward_transfer", "FWT", forward, lambda placed: placed.forward),
    ]


def _transfer(key: str, title: str, meaning: str, ours: Callable[[Placed], Score | None]) -> Column:
    return Column(key, title, meaning, "learning", "points", "high", ours, _nothing, _nothing)


def _mean(
    metric: Metric,
    title: str,
    meaning: str,
    view: View,
    better: Literal["high", "low"],
    published: Callable[[PublishedRow], Score | None],
) -> Column:
    return Column(
        metric,
        title,
        meaning,
        view,
        "points",
        better,
        lambda placed: None if placed.rescored else _score(placed.row.scores.mean(metric)),
        lambda network: _score(network.scores.mean(metric)),
        published,
    )


def _of_direction(way: str, column: str) -> tuple[Column, Column]:
    """A and F of one direction and recall column: F as the released tool computes it, as the papers' probably are."""

    def make(metric: Metric, title: str, meaning: str, better: Literal["high", "low"]) -> Column:
        published = PublishedRow.accuracy if metric == "accuracy" else PublishedRow.forgetting
        return Column(
            f"{way}.{column}.{metric}",
            f"{column} {title}",
            f"{meaning}, {TITLES[way].lower()}, {column}",
            "audio2video" if way == "audio2video" else "video2audio",
            "points",
            better,
            lambda placed: None if placed.rescored else _score(placed.row.scores.mean(metric, way, column)),
            lambda network: _score(network.scores.mean(metric, way, column)),
            lambda row: _score(published(row, way, column)),
        )

    return make("accuracy", "A", "A", "high"), make("forgetting_official", "F official", _OFFICIAL, "low")


def _costs() -> list[Column]:
    machine = "mean over seeds, of training with its data"
    return [
        _cost("units_per_clip", "Units/clip", "Counted compute for each clip of the stream; plain training has 3",
              "overview", "ratio", "low", lambda cost: cost.units_per_clip),
        _cost("clips_per_second", "Clips/s", f"Clips of the stream per second, replay not counted; {machine}",
              "overview", "ratio", "high", lambda cost: cost.clips_per_second),
        _cost("training_seconds", "Training", f"Wall-clock time; {machine}",
              "cost", "seconds", "low", lambda cost: cost.training_seconds),
        _cost("peak_memory_bytes", "Peak memory", "Largest of all seeds: of the GPU, or else of the process",
              "cost", "bytes", "low", lambda cost: cost.peak_memory),
        _cost("memory_bytes", "Rehearsal", "Bytes reserved for the rehearsal memory",
              "cost", "bytes", "low", lambda cost: cost.memory_bytes),
        _cost("parameters", "Parameters", "Trained, and those of teachers",
              "cost", "count", None, lambda cost: cost.parameters + cost.teacher_parameters),
        _cost("steps", "Steps", "Updates of the model", "cost", "count", None, lambda cost: cost.steps),
    ]  # fmt: skip


def _cost(
    key: str,
    title: str,
    meaning: str,
    view: View,
    kind: Kind,
    better: Literal["high", "low"] | None,
    number: Callable[[Cost], float | None],
) -> Column:
    def ours(placed: Placed) -> Score | None:
        return _score(number(placed.row.cost)) if placed.row.runs else None

    return Column(key, title, meaning, view, kind, better, ours, _nothing, _nothing, ("cost",))


def _score(value: float | None) -> Score | None:
    return None if value is None else Score(value)


def _nothing(item: object) -> None:
    return None

"""Places on a leaderboard: intervals and tiers where the saved ranks of a row's runs allow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from avbench.errors import AvbenchError
from avbench.reports.leaderboard.rows import Row, Scores, backward, forward
from avbench.reports.leaderboard.runs import without_folders

if TYPE_CHECKING:
    from avbench.evaluation.statistics import Hits, Metric

ONE_SEED = "one seed: what others would give is not known"  # why a row is not ranked
_AGREEMENT = 0.01  # points between the accuracy of saved ranks and that of results.json


@dataclass(frozen=True)
class Score:
    """A mean over seeds, with its 95 % interval over seeds and queries where the saved ranks are there.

    Attributes:
        half: half of the interval's width, in the unit of the value.
    """

    value: float
    half: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.half is None else (self.value - self.half, self.value + self.half)

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return self.interval and self.interval[0]

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return self.interval and self.interval[1]


@dataclass(frozen=True)
class Network:
    """Another network of a method, such as a teacher; never ranked."""

    name: str
    scores: Scores
    accuracy: Score | None
    forgetting: Score | None


@dataclass(frozen=True)
class Placed:
    """A row and its place.

    Attributes:
        accuracy, forgetting: A and F (paper), mean of both directions and all K; None where undefined.
        backward, forward: BWT and FWT (see avbench.evaluation.transfer), likewise.
        tier, forgetting_tier: one more than the number of rows of the track that are significantly better; None where
            the row can't be ranked or is the only one that can.
        unranked: why the row can't be ranked, empty where it can.
        rescored: A and F are on common clips; nothing else is known on them.
        hits: what the intervals come from, where the saved ranks allow them.
    """

    row: Row
    accuracy: Score | None = None
    forgetting: Score | None = None
    backward: Score | None = None
    forward: Score | None = None
    networks: tuple[Network, ...] = ()
    tier: int | None = None
    forgetting_tier: int | None = None
    unranked: str = ""
    rescored: bool = False
    hits: Hits | None = field(default=None, repr=False)


def place(rows: Sequence[Row], clips: Collection[str] | None = None) -> list[Placed]:
    """Rank comparable rows: by tier, then by accuracy; behind them those that can't be ranked, and why.

    Args:
        clips: score on these clips only.
    """
    read = [_read(row, clips) for row in rows]
    rescored = any(one.hits is not None and len(one.hits.task_of) < _queries(one.row) for one in read)
    scored = [_rescored(one) if rescored else _scored(one) for one in read]
    return sorted(_tiered(_repeated(_asked_the_same(scored, clips))), key=_order)


def _order(one: Placed) -> tuple[bool, bool, float, float, str]:
    accuracy = one.accuracy.value if one.accuracy else 0.0
    return one.row.results.joint_stream, not one.row.runs, one.tier or float("inf"), -accuracy, one.row.strategy


def _read(row: Row, clips: Collection[str] | None) -> Placed:
    from avbench.evaluation.run_hits import read_hits

    if not row.runs:
        return Placed(row, unranked="not finished")
    try:
        hits = read_hits([run.directory for run in row.runs], clips=clips)
    except (AvbenchError, ValueError) as error:  # files that contradict each other have other shapes than expected
        return Placed(row, unranked=f"no interval and no tier: {without_folders(str(error), row.runs)}")
    return Placed(row, unranked="an upper bound, no continual learner" * row.results.joint_stream, hits=hits)


def _scored(one: Placed) -> Placed:
    """The means of the results, with intervals from the saved ranks as far as these agree with the results."""
    scores, hits = one.row.scores, one.hits
    accuracy = scores.mean("accuracy")
    if accuracy is None:
        return replace(one, hits=None, unranked=one.unranked or "its results hold no accuracy")
    if hits is not None and not _agree(hits, accuracy):
        hits = None
        one = replace(one, unranked="no interval and no tier: its saved ranks and its results.json disagree")
    return replace(
        one,
        hits=hits,
        accuracy=_score(accuracy, hits, "accuracy"),
        forgetting=_score(scores.mean("forgetting_paper"), hits, "forgetting"),
        backward=_transfer(one.row.transfer(backward), hits, "backward"),
        forward=_transfer(one.row.transfer(forward), _with_start(hits, one.row), "forward"),
        networks=tuple(_network(one.row, name) for name in one.row.networks),
    )


def _rescored(one: Placed) -> Placed:
    """A and F on common clips, which only the saved embeddings tell."""
    from avbench.evaluation.statistics import estimate

    if one.hits is None:
        return one
    accuracy = estimate(one.hits).value
    drop = None if one.row.scores.mean("forgetting_paper") is None else estimate(one.hits, "forgetting").value
    return replace(
        one,
        accuracy=_score(accuracy, one.hits, "accuracy"),
        forgetting=_score(drop, one.hits, "forgetting"),
        rescored=True,
    )


def _network(row: Row, name: str) -> Network:
    """Another network; where its ranks are missing or damaged, it has no intervals."""
    from avbench.evaluation.run_hits import read_hits

    scores = row.networks[name]
    accuracy = scores.mean("accuracy")
    hits = None
    with suppress(AvbenchError, ValueError):
        hits = read_hits([run.directory for run in row.runs], name)
    if hits is not None and (accuracy is None or not _agree(hits, accuracy)):
        hits = None
    forgetting = _score(scores.mean("forgetting_paper"), hits, "forgetting")
    return Network(name, scores, _score(accuracy, hits, "accuracy"), forgetting)


def _agree(hits: Hits, accuracy: float) -> bool:
    from avbench.evaluation.statistics import estimate

    return abs(estimate(hits, replicates=2).value - accuracy) < _AGREEMENT


def _score(value: float | None, hits: Hits | None, metric: Metric) -> Score | None:
    from avbench.evaluation.statistics import estimate

    if value is None or hits is None:
        return None if value is None else Score(value)
    found = estimate(hits, metric)
    return Score(value, found.high - found.value)


def _with_start(hits: Hits | None, row: Row) -> Hits | None:
    from avbench.evaluation.run_hits import with_start

    with suppress(AvbenchError, ValueError):
        return hits and with_start(hits, [run.directory for run in row.runs])
    return None


def _transfer(value: float | None, hits: Hits | None, metric: Metric) -> Score | None:
    """A transfer, with an interval where the saved ranks agree with it."""
    from avbench.evaluation.statistics import estimate

    if value is None or hits is None or abs(estimate(hits, metric, 2).value - value) >= _AGREEMENT:
        return None if value is None else Score(value)
    return _score(value, hits, metric)


def _asked_the_same(placed: Sequence[Placed], clips: Collection[str] | None) -> list[Placed]:
    """Without a rank for rows that were asked other clips than most, or the same ones in another order."""
    asked = [_asked(one, clips) for one in placed]
    counted = Counter(ids for ids in asked if ids is not None)
    usual = counted.most_common(1)[0][0] if counted else None
    text = "not ranked: it was asked other clips than the rows above"
    return [
        replace(one, unranked=text) if ids not in (None, usual) and not one.unranked else one
        for one, ids in zip(placed, asked, strict=True)
    ]


def _asked(one: Placed, clips: Collection[str] | None) -> tuple[str, ...] | None:
    from avbench.evaluation.similarity import load

    if one.hits is None:
        return None
    ids = load(one.row.runs[0].directory.similarity / "after-01.npz").clip_ids
    return ids if clips is None else tuple(clip for clip in ids if clip in clips)


def _repeated(placed: Sequence[Placed]) -> list[Placed]:
    """Without a rank for rows of a single seed, which nothing can be tested with."""
    return [replace(one, unranked=one.unranked or ONE_SEED * (len(one.row.seeds) == 1)) for one in placed]


def _tiered(placed: Sequence[Placed]) -> list[Placed]:
    from avbench.evaluation.statistics import tiers

    ranked = {str(place): one.hits for place, one in enumerate(placed) if one.hits is not None and not one.unranked}
    if len(ranked) < 2:
        return list(placed)
    accuracy = tiers(ranked)
    drops = {name: hits for name, hits in ranked.items() if placed[int(name)].forgetting is not None}
    forgetting = tiers(drops, "forgetting") if len(drops) > 1 else {}
    return [
        replace(one, tier=accuracy.get(str(place)), forgetting_tier=forgetting.get(str(place)))
        for place, one in enumerate(placed)
    ]


def _queries(row: Row) -> int:
    return sum(task.queries for task in row.results.tasks)

"""What a comparison draws of each method: along the stream, per task, and paired with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Literal

import numpy as np

from avbench.evaluation.forgetting import along_the_stream
from avbench.reports.leaderboard.ranking import ONE_SEED, Placed, Score
from avbench.results import Results

if TYPE_CHECKING:
    from avbench.evaluation.statistics import Hits

Metric = Literal["accuracy", "forgetting"]
LEVEL = 0.05
_REPLICATES = 1000  # for the width of a band


@dataclass(frozen=True)
class Difference:
    """One method minus another; `adjusted` is the p-value after Holm's method over all pairs.

    Where one of the two has a single seed both are None: the interval is over queries alone.
    """

    first: Placed
    second: Placed
    value: float
    low: float
    high: float
    p: float | None
    adjusted: float | None

    @property
    def real(self) -> bool:
        """Whether chance is an unlikely cause; what a single seed shows may always be its doing."""
        return self.adjusted is not None and self.adjusted < LEVEL


def stream(one: Placed, metric: Metric) -> list[tuple[int, Score]]:
    """(tasks trained, mean over seeds of A or F of those tasks) with the half width of its interval where it is known.

    Nothing for a method that was trained on all tasks at once.
    """
    if one.row.results.joint_stream or not one.row.runs:
        return []
    values = [_stream(run.results, metric) for run in one.row.runs]
    points = [(count, [found[count] for found in values]) for count in values[0] if all(count in v for v in values)]
    return [(count, Score(mean(numbers), _half(one.hits, range(count), count, metric))) for count, numbers in points]


def per_task(one: Placed) -> list[Score]:
    """Recall of each task at the end, mean over seeds, K and directions; nothing where the run has no end."""
    if not one.row.runs:
        return []
    values = np.asarray([_last_row(run.results) for run in one.row.runs]).mean(axis=0)
    return [
        Score(float(value), _half(one.hits, [task], one.row.results.experiences, "accuracy"))
        for task, value in enumerate(values)
    ]


def gaps(one: Placed) -> list[tuple[int, Score]]:
    """(tasks trained, modality gap over their clips): mean over seeds, and half of the range of the seeds."""
    found = [run.results.modality_gap.accumulated for run in one.row.runs]
    if not found or not all(found) or one.row.results.joint_stream:
        return []
    columns = list(zip(*found, strict=False))
    return [(count, Score(mean(c), (max(c) - min(c)) / 2)) for count, c in enumerate(columns, start=1)]


def differences(placed: Sequence[Placed], metric: Metric) -> list[Difference]:
    """All pairs of methods that could be ranked against each other had they seeds enough, in the order of the table."""
    from avbench.evaluation.statistics import adjusted_p
    from avbench.evaluation.statistics import differences as of_all_pairs

    able = [(one, one.hits) for one in placed if one.hits is not None and one.unranked in ("", ONE_SEED)]
    if metric == "forgetting":
        able = [(one, hits) for one, hits in able if one.forgetting is not None]
    found = of_all_pairs([hits for _, hits in able], metric)
    adjusted = adjusted_p(found.values())
    return [
        Difference(able[first][0], able[second][0], one.value, one.low, one.high, one.p, p)
        for ((first, second), one), p in zip(found.items(), adjusted, strict=True)
    ]


def _stream(results: Results, metric: Metric) -> dict[int, float]:
    """Per number of tasks trained, the mean over directions and K."""
    place = 0 if metric == "accuracy" else 1
    matrices = [recall.after for found in results.directions.values() for recall in found.recall.values()]
    columns = [along_the_stream(matrix) for matrix in matrices]
    together = zip(*([pair[place] for pair in column] for column in columns), strict=True)
    known = {count: [v for v in row if v is not None] for count, row in enumerate(together, start=1)}
    return {count: mean(values) for count, values in known.items() if values}


def _last_row(results: Results) -> list[float]:
    rows = [recall.after[-1] for found in results.directions.values() for recall in found.recall.values()]
    return [mean(values) for values in zip(*rows, strict=True)]


def _half(hits: Hits | None, tasks: Sequence[int], experiences: int, metric: Metric) -> float | None:
    """Half width of the interval of a metric after some experiences, over some tasks."""
    from avbench.evaluation.statistics import Hits, estimate

    if hits is None:
        return None
    chosen = np.isin(hits.task_of, list(tasks))
    part = Hits(hits.seeds, hits.values[:, :experiences, chosen], hits.task_of[chosen])
    found = estimate(part, metric, _REPLICATES)
    return found.high - found.value

"""Downstream results of several runs together: means over seeds, and differences, with intervals.

Seeds and test examples are both resampled, as for retrieval along the stream; see `avbench.evaluation.statistics`.

    from avbench.evaluation.downstream.comparison import difference, estimate, load

    trained, random = load(runs, "retrieval"), load(runs, "retrieval-random")
    print(estimate(trained, "Avg"), difference(trained, random, "Avg"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.errors import UsageError
from avbench.evaluation import statistics
from avbench.evaluation.statistics import Estimate, Hits
from avbench.results.downstream import DownstreamResult, unlike
from avbench.results.downstream_files import load_downstream, path_in


def load(runs: Sequence[Path | str], name: str) -> list[DownstreamResult]:
    """The result called `name`, such as `retrieval` or `retrieval-random`, of each run directory.

    Raises:
        RunDirectoryError: a run has none of that name, or a damaged one.
    """
    return [load_downstream(path_in(Path(run), name)) for run in runs]


def estimate(results: Sequence[DownstreamResult], metric: str) -> Estimate:
    """The mean score of several seeds, with an interval for other seeds and other test examples.

    Raises:
        UsageError: the results were not measured alike, or the metric has no outcomes per example.
    """
    return statistics.estimate(_hits(results, metric, _shared([*results], metric)))


def difference(first: Sequence[DownstreamResult], second: Sequence[DownstreamResult], metric: str) -> Estimate:
    """`first` minus `second`, paired by test example, and by seed where both share two or more; see `statistics`.

    Raises:
        UsageError: as `estimate`.
    """
    rows = _shared([*first, *second], metric)
    return statistics.difference(_hits(first, metric, rows), _hits(second, metric, rows))


def _shared(results: Sequence[DownstreamResult], metric: str) -> NDArray[np.int64]:
    """The test examples for which the metric is defined everywhere."""
    first = results[0]
    for other in results[1:]:
        if apart := unlike(first, other):
            raise UsageError(
                f"{first.name} (seed {first.seed}) and {other.name} (seed {other.seed}) were not measured alike: they "
                f"differ in {', '.join(apart)}; repeat `avbench eval` of one as the other was made, with its --set, "
                "--variant and --data-root"
            )
    if lacking := [result for result in results if not len(_outcomes(result, metric))]:
        known = ", ".join({**lacking[0].final.outcomes, **_by_example(lacking[0])}) or "none"
        raise UsageError(f"{lacking[0].name} has no outcomes of {metric!r} per example; it has: {known}")
    return np.flatnonzero(~np.isnan([_outcomes(result, metric) for result in results]).any(axis=0))


def _hits(results: Sequence[DownstreamResult], metric: str, rows: NDArray[np.int64]) -> Hits:
    values = np.stack([_outcomes(result, metric)[rows] for result in results])
    return Hits(tuple(r.seed for r in results), values[:, None, :, None], np.zeros(len(rows), dtype=np.int64))


def _outcomes(result: DownstreamResult, metric: str) -> NDArray[np.float64]:
    """Of a mean its outcomes, of another score its examples' shares; empty where the result has neither."""
    values = result.final.outcomes.get(metric) or _by_example(result).get(metric, [])
    return np.asarray([np.nan if value is None else value for value in values])


def _by_example(result: DownstreamResult) -> dict[str, list[float]]:
    return {name: values for name, values in result.final.shares.items() if values}

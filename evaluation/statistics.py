"""Which differences are real: intervals, paired comparisons and tiers from the hits of saved ranks.

A published mean has two sources of chance: the seeds that were run and the queries that were asked. Both are resampled
here: seeds, and within each task clips (a clip is a query in both directions, and the same clips are asked of every
method, so differences are paired by clip, and by seed where two methods share at least two of their seeds).

A single seed shows nothing of what other seeds would give. Its intervals, and those of differences from it, are over
queries alone and say so; nothing is tested, and no tier is given: simulated ties of {0} and {0, 1, 2} that are tested
over queries alone are called different in up to half of the cases.

Few seeds make the plain percentile bootstrap too narrow: it sees (S - 1) / S of their variance and none of the doubt
about that variance. So resampled seeds are spread by sqrt(S / (S - 1)), and the bootstrap's standard error is used with
Student's t, whose degrees of freedom follow Satterthwaite (1946) from the share of the variance that comes from seeds.
What neither seed nor clip explains is counted more than once (Owen, 2007), so intervals are rather too wide than too
narrow: simulated ties are called different in less than 5 % of cases, see tests/evaluation/test_statistics.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from avbench.seeding import derive_seed

Metric = Literal["accuracy", "forgetting", "backward", "forward"]
REPLICATES = 2000
_MANY = 1e6  # degrees of freedom at which Student's t is the normal distribution


@dataclass(frozen=True)
class Hits:
    """What a method retrieved: for every seed, evaluation, clip and column, whether it was a hit, in percent.

    Attributes:
        seeds: S names of repetitions.
        values: float (S, T, N, C), after each of T experiences, for N clips and C columns, a column for each K and
            direction: 100 where the partner was among the first K, else 0. Metrics are means over columns. Forward
            transfer compares with the network before the stream, whose hits come first: (S, 1 + T, N, C).
        task_of: int (N,), 0-based.
    """

    seeds: tuple[int, ...]
    values: NDArray[np.float64]
    task_of: NDArray[np.int64]

    def __post_init__(self) -> None:
        seeds, _, clips, _ = self.values.shape
        if seeds != len(self.seeds) or clips != len(self.task_of) or len(set(self.seeds)) != seeds:
            raise ValueError(f"{len(self.seeds)} seeds and {len(self.task_of)} clips don't fit {self.values.shape}")


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference of means, in percent or points, with its 95 % interval.

    Attributes:
        over_seeds: whether it counts the chance of seeds; where a method has a single one, only that of queries.
        p: two-sided p-value of a difference of zero, of no meaning for a mean; None where it is not over seeds.
    """

    value: float
    standard_error: float
    low: float
    high: float
    over_seeds: bool
    p: float | None


def estimate(hits: Hits, metric: Metric = "accuracy", replicates: int = REPLICATES) -> Estimate:
    """The mean of a metric over seeds, with an interval for other seeds and other queries.

    A single seed gives an interval over queries alone.
    """
    draws = _Draws(hits.task_of, replicates)
    scored = _Resampled.of(hits, metric, draws)
    return _estimate(scored.observed, scored.replicates, draws)


def difference(first: Hits, second: Hits, metric: Metric = "accuracy", replicates: int = REPLICATES) -> Estimate:
    """`first` minus `second`, paired by clip.

    Over the seeds both have, paired, where these are two or more; else over all seeds of either, unpaired. Where one of
    the two has a single seed, over queries alone.

    Raises:
        ValueError: the two were not asked the same clips.
    """
    if not np.array_equal(first.task_of, second.task_of):
        raise ValueError("two methods can only be compared on the same clips; see `on_common_clips`")
    draws = _Draws(first.task_of, replicates)
    return _difference(_Resampled.of(first, metric, draws), _Resampled.of(second, metric, draws), draws)


def differences(
    methods: Sequence[Hits], metric: Metric = "accuracy", replicates: int = REPLICATES
) -> dict[tuple[int, int], Estimate]:
    """`difference` of every pair of methods, by their places; the same numbers, but each method is scored once.

    Raises:
        ValueError: not all were asked the same clips.
    """
    if any(not np.array_equal(one.task_of, methods[0].task_of) for one in methods):
        raise ValueError("methods can only be compared on the same clips; see `on_common_clips`")
    if len(methods) < 2:
        return {}
    draws = _Draws(methods[0].task_of, replicates)  # every pair has the same resampled clips
    scored = [_Resampled.of(one, metric, draws) for one in methods]
    pairs = combinations(range(len(methods)), 2)
    return {(one, two): _difference(scored[one], scored[two], draws) for one, two in pairs}


def mean_with_half(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float | None]:
    """The mean of one or more independent values and half of Student's 95 % interval; None of a single value."""
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return float(sample.mean()), None
    half = student.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
    return float(sample.mean()), float(half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment of p-values for many comparisons; each at most 1, in the given order."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def adjusted_p(found: Iterable[Estimate]) -> list[float | None]:
    """The p-values of differences, adjusted by `holm` over those that have one; None for the others."""
    p_values = [one.p for one in found]
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]


def tiers(hits: Mapping[str, Hits], metric: Metric = "accuracy", level: float = 0.05) -> dict[str, int]:
    """A rank for each method of two seeds or more: one more than the number of them that are significantly better.

    Methods that can't be told apart from the same better ones share a rank. All pairs are compared, their p-values
    adjusted by Holm's method over all of them. Lower forgetting is better, and more of anything else.
    """
    names = sorted(name for name, one in hits.items() if len(one.seeds) > 1)
    found = differences([hits[name] for name in names], metric)
    ranks = dict.fromkeys(names, 1)
    for ((first, second), one), p in zip(found.items(), adjusted_p(found.values()), strict=True):
        if p is not None and p < level:
            first_is_better = (one.value > 0) == (metric != "forgetting")
            ranks[names[second if first_is_better else first]] += 1
    return ranks


@dataclass(frozen=True)
class _Resampled:
    """A metric of each of S seeds, as observed (S,) and under resampled clips (R, S)."""

    seeds: tuple[int, ...]
    observed: NDArray[np.float64]
    replicates: NDArray[np.float64]

    @classmethod
    def of(cls, hits: Hits, metric: Metric, draws: _Draws) -> _Resampled:
        observed = _metric(hits, np.ones((1, len(hits.task_of))), metric)[0]
        return cls(hits.seeds, observed, _metric(hits, draws.clips, metric))

    def only(self, seeds: Sequence[int]) -> _Resampled:
        rows = [self.seeds.index(seed) for seed in seeds]
        return _Resampled(tuple(seeds), self.observed[rows], self.replicates[:, rows])

    def mean(self) -> _Resampled:
        """The mean over seeds, as if it were a single one."""
        observed, replicates = self.observed.mean(keepdims=True), self.replicates.mean(axis=1, keepdims=True)
        return _Resampled((0,), observed, replicates)


def _difference(first: _Resampled, second: _Resampled, draws: _Draws) -> Estimate:
    if min(len(first.seeds), len(second.seeds)) == 1:
        one, two = first.mean(), second.mean()
        return _estimate(one.observed - two.observed, one.replicates - two.replicates, draws)
    shared = [seed for seed in first.seeds if seed in second.seeds]
    if len(shared) > 1:
        one, two = first.only(shared), second.only(shared)
        return _estimate(one.observed - two.observed, one.replicates - two.replicates, draws)
    parts = [_estimate(first.observed, first.replicates, draws), _estimate(-second.observed, -second.replicates, draws)]
    # Queries are shared, so adding the variances is on the safe side where they help both methods.
    freedom = min(len(first.seeds), len(second.seeds)) - 1
    error = float(np.hypot(parts[0].standard_error, parts[1].standard_error))
    return _with_interval(parts[0].value + parts[1].value, error, freedom)


class _Draws:
    """Resampled clips: weights (R, N) that sum to each task's size; and what belongs to the same replicates."""

    def __init__(self, task_of: NDArray[np.int64], replicates: int) -> None:
        tasks, sizes = np.unique(task_of, return_counts=True)
        self.clips = np.empty((replicates, len(task_of)))
        for task, weights in zip(tasks, _clip_weights(tuple(map(int, sizes)), replicates), strict=True):
            self.clips[:, task_of == task] = weights

    def seed_weights(self, seeds: int) -> NDArray[np.float64]:
        """Weights (R, S) of resampled seeds, spread so that their mean has an unbiased variance."""
        random = np.random.default_rng(derive_seed(0, "bootstrap-seeds"))  # the same for all methods and pairs
        drawn = random.multinomial(seeds, np.full(seeds, 1 / seeds), len(self.clips)) / seeds
        if seeds == 1:
            return drawn
        spread: NDArray[np.float64] = 1 / seeds + (drawn - 1 / seeds) * np.sqrt(seeds / (seeds - 1))
        return spread


@lru_cache(maxsize=32)
def _clip_weights(sizes: tuple[int, ...], replicates: int) -> list[NDArray[np.unsignedinteger[Any]]]:
    """Weights (R, N) of resampled clips for tasks of N clips, one array for each task; never to be written to.

    Kept, because every method of a track is asked the same clips, and drawing them takes longer than scoring them.
    """
    random = np.random.default_rng(derive_seed(0, "bootstrap"))
    drawn = (random.multinomial(clips, np.full(clips, 1 / clips), replicates) for clips in sizes)
    return [weights.astype(np.min_scalar_type(clips)) for clips, weights in zip(sizes, drawn, strict=True)]


def _metric(hits: Hits, weights: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """The metric for each row of clip weights (R, N) and each seed: (R, S)."""
    tasks = np.unique(hits.task_of)
    values = hits.values
    if metric == "accuracy":  # linear in the columns and in the last row alone
        values = values[:, -1:].mean(axis=-1, keepdims=True)
    seeds, times, _, columns = values.shape
    before = metric == "forward"
    if metric != "accuracy" and (times != len(tasks) + before or len(tasks) < 2):
        what = "one experience per task and two of them" + ", and what was before them" * before
        raise ValueError(f"{metric} needs {what}, not {times} evaluations of {len(tasks)} tasks")
    scores = np.empty((len(weights), seeds, columns, len(tasks)))
    for place, task in enumerate(tasks):
        rows = np.flatnonzero(hits.task_of == task)
        share = weights[:, rows] / weights[:, rows].sum(axis=1, keepdims=True)
        recall = np.einsum("rn,stnc->rstc", share, values[:, :, rows], optimize=True)
        scores[..., place] = _term(recall.transpose(2, 0, 1, 3), place, metric)
    # The last task can't have been forgotten, nor the first one have gained from others.
    counted = scores[..., {"accuracy": slice(None), "forward": slice(1, None)}.get(metric, slice(-1))]
    return np.asarray(counted.mean(axis=(-1, -2)))


def _term(recall: NDArray[np.float64], task: int, metric: Metric) -> NDArray[np.float64]:
    """One task's part of a metric, from its recall along the stream (T, ...), as `avbench.evaluation` defines it."""
    if metric == "accuracy":
        return np.asarray(recall[-1])
    if metric == "forgetting":
        return np.asarray(recall[:-1].max(axis=0) - recall[-1])
    return np.asarray(recall[-1] - recall[task] if metric == "backward" else recall[task] - recall[0])


def _estimate(observed: NDArray[np.float64], resampled: NDArray[np.float64], draws: _Draws) -> Estimate:
    """From the statistic of each seed, (S,), and of each seed under resampled clips, (R, S)."""
    seeds = len(observed)
    both = (draws.seed_weights(seeds) * resampled).sum(axis=1)
    error = float(both.std(ddof=1))
    if seeds == 1:
        return replace(_with_interval(float(observed[0]), error, _MANY), over_seeds=False, p=None)
    if error == 0:
        return _with_interval(float(observed.mean()), error, _MANY)
    of_seeds = float(observed.var(ddof=1)) / seeds
    share = min(1.0, of_seeds / error**2)
    return _with_interval(float(observed.mean()), error, (seeds - 1) / max(share**2, 1 / _MANY))


def _with_interval(value: float, error: float, freedom: float) -> Estimate:
    if error == 0:
        return Estimate(value, 0.0, value, value, True, float(value == 0))
    half = float(student.ppf(0.975, freedom)) * error
    p = float(2 * student.sf(abs(value) / error, freedom))
    return Estimate(value, error, value - half, value + half, True, p)

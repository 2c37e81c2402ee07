"""From the scores of one backbone to what is written down: values, intervals over test examples, scores per task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from avbench.evaluation.downstream import jackknife
from avbench.evaluation.downstream.task import Floats, Rows, Scores, Split, undefined
from avbench.evaluation.forgetting import summarise
from avbench.evaluation.statistics import mean_with_half
from avbench.results.downstream import Epoch, Evaluation, Score, Summary
from avbench.seeding import derive_seed

RESAMPLINGS = 200  # of the test examples, for metrics that are no means


def evaluation_of(
    scores: Scores, test: Split, after: int, tasks: int, check_stop: Callable[[], None] = lambda: None
) -> Evaluation:
    """What is saved of the scores of a backbone after `after` experiences.

    Args:
        tasks: of the continual stream.
        check_stop: called between resamplings of a metric that is no mean, which take a while.

    Raises:
        DataError: a metric has a value for none of the test examples.
    """
    found = {name: _mean_score(scores, name) for name in scores.outcomes}
    found |= {name: _pooled_score(scores, name, np.arange(len(test)), check_stop) for name in scores.pooled}
    groups = _groups(test, tasks)
    per_task = {name: [_value(scores, name, rows) for rows in groups] for name in found} if groups else {}
    return Evaluation(
        after=after,
        scores=found,
        per_task=per_task,
        outcomes={name: [_number(value) for value in values] for name, values in scores.outcomes.items()},
        shares={name: _shares(score, len(test), check_stop) for name, score in scores.pooled.items()},
        epochs=[Epoch(**epoch) for epoch in scores.history],
        chosen_epoch=scores.chosen_epoch,
    )


def summaries(evaluations: Sequence[Evaluation], tasks: int) -> dict[str, Summary]:
    """A and F per metric from the scores per task after every experience; nothing where some are undefined."""
    summary = {}
    for name in evaluations[0].per_task:
        matrix = [[value for value in one.per_task[name] if value is not None] for one in evaluations]
        if all(len(row) == tasks for row in matrix):
            summary[name] = Summary(**summarise({name: matrix}, tasks, len(evaluations))[name])
    return summary


def _groups(test: Split, tasks: int) -> list[Rows]:
    task_of = np.asarray(test.task_of)
    return [np.flatnonzero(task_of == task) for task in range(tasks)] if len(task_of) else []


def _value(scores: Scores, name: str, rows: Rows) -> float | None:
    if name in scores.pooled:
        return _number(scores.pooled[name](rows)) if len(rows) else None
    values = scores.outcomes[name][rows]
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _mean_score(scores: Scores, name: str) -> Score:
    """Mean and Student's interval for other examples; of a single example the interval is everything."""
    values: Floats = scores.outcomes[name]
    known, chance = values[~np.isnan(values)], scores.chance[name]
    if not len(known):
        raise undefined(name, f"{len(values):,} test examples")
    mean, half = mean_with_half(known)
    if half is None:
        return Score(value=mean, low=0.0, high=100.0, chance=chance)
    return Score(value=mean, low=max(0.0, mean - half), high=min(100.0, mean + half), chance=chance)


def _pooled_score(scores: Scores, name: str, everyone: Rows, check_stop: Callable[[], None]) -> Score:
    """The score and the percentile interval of the bootstrap over examples."""
    value = scores.pooled[name](everyone)
    if np.isnan(value):
        raise undefined(name, f"{len(everyone):,} test examples")
    random = np.random.default_rng(derive_seed(0, "downstream", "bootstrap", name))
    drawn = []
    for _ in range(RESAMPLINGS):
        check_stop()
        drawn.append(scores.pooled[name](random.choice(everyone, len(everyone))))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Score(value=value, low=float(low), high=float(high), chance=scores.chance[name])


def _shares(score: Callable[[Rows], float], examples: int, check_stop: Callable[[], None]) -> list[float]:
    return [round(float(value), 6) for value in jackknife.shares(score, examples, check_stop)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)

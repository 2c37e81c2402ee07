"""Rows of a leaderboard: the seeds of one method with the same options, and the means of what they measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any, Literal

from avbench.evaluation.transfer import backward_transfer, forward_transfer
from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.runs import FoundRun, flat
from avbench.results.schema import MetricSummary, Recall, Results

Metric = Literal["accuracy", "forgetting_paper", "forgetting_official", "learned"]
Summary = Mapping[Any, Mapping[str, MetricSummary]]  # per direction, per column
BOTH = "both"  # directions, averaged
AVERAGE = "Avg"  # the mean of all R@K


@dataclass(frozen=True)
class Scores:
    """What one network scored, for each seed: per direction and column ("R@1", ..., "Avg") the summary numbers."""

    summaries: tuple[Summary, ...]

    def per_seed(self, metric: Metric, direction: str = BOTH, column: str = AVERAGE) -> tuple[float, ...]:
        """One number per seed, in percent or points; none at all where one of them is undefined."""
        wanted = list(TITLES) if direction == BOTH else [direction]
        values = [[self._value(summary, way, column, metric) for way in wanted] for summary in self.summaries]
        known = [[value for value in row if value is not None] for row in values]
        return tuple(map(mean, known)) if known == values else ()

    def mean(self, metric: Metric, direction: str = BOTH, column: str = AVERAGE) -> float | None:
        """The mean over seeds, None where it is undefined."""
        values = self.per_seed(metric, direction, column)
        return mean(values) if values else None

    @staticmethod
    def _value(summary: Summary, way: str, column: str, metric: Metric) -> float | None:
        found = summary.get(way, {}).get(column)
        value: float | None = getattr(found, metric) if found is not None else None
        return value


@dataclass(frozen=True)
class Cost:
    """What a run costs, mean over seeds where not said otherwise; None is not known.

    Attributes:
        units_per_clip: counted compute for each clip of the stream and epoch; see avbench.training.compute.
        clips_per_second, training_seconds: of training with its data, without evaluation.
        peak_memory: largest of all seeds, in bytes: of the GPU where one was used, else of the process.
        memory_bytes: reserved for the rehearsal memory.
        machines: processors or GPUs the seeds ran on, with their threads.
    """

    units_per_clip: float | None
    clips_per_second: float | None
    training_seconds: float | None
    peak_memory: int | None
    on_gpu: bool
    memory_bytes: int
    memory_clips: int
    parameters: int
    teacher_parameters: int
    steps: float
    machines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One method with one set of options.

    Attributes:
        options: of the strategy, dotted names and values as text.
        runs: complete, one per seed, by seed.
        unfinished: not complete; they have no final numbers.
        repeated: complete, but a newer run of the same seed is there.
    """

    strategy: str
    options: Mapping[str, str]
    runs: tuple[FoundRun, ...]
    unfinished: tuple[FoundRun, ...]
    repeated: tuple[FoundRun, ...]

    @property
    def every(self) -> tuple[FoundRun, ...]:
        """All runs of the row; the first stands for what they share."""
        return self.runs + self.unfinished + self.repeated

    @property
    def results(self) -> Results:
        """Results of one of the runs, for what all of them share."""
        return self.every[0].results

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that count."""
        return tuple(run.results.seed for run in self.runs)

    @cached_property
    def scores(self) -> Scores:
        """Of the network that stands for the method."""
        return Scores(tuple(run.results.summary for run in self.runs))

    @cached_property
    def networks(self) -> dict[str, Scores]:
        """Of the method's other networks, such as teachers, that every seed has."""
        names = [set(run.results.other_models) for run in self.runs]
        shared = sorted(set.intersection(*names)) if names else []
        return {name: Scores(tuple(run.results.other_models[name].summary for run in self.runs)) for name in shared}

    def transfer(self, of: Callable[[Recall], float | None]) -> float | None:
        """Backward or forward transfer, mean over seeds, directions and R@K, None where it is undefined.

        Args:
            of: `backward` or `forward`.
        """
        recalls = [
            recall for run in self.runs for found in run.results.directions.values() for recall in found.recall.values()
        ]
        values = [of(recall) for recall in recalls]
        known = [value for value in values if value is not None]
        return mean(known) if known and len(known) == len(values) else None

    @cached_property
    def cost(self) -> Cost:
        """Of the runs that count, or of the unfinished ones where there are no others."""
        return _cost([run.results for run in self.runs or self.unfinished])


def backward(recall: Recall) -> float | None:
    """BWT of one accuracy matrix, None where it has another number of experiences than tasks, or one."""
    return backward_transfer(recall.after) if _square(recall) else None


def forward(recall: Recall) -> float | None:
    """FWT of one accuracy matrix, None where BWT is, or where nothing was evaluated before training."""
    return forward_transfer(recall.before, recall.after) if recall.before and _square(recall) else None


def _square(recall: Recall) -> bool:
    return bool(recall.after) and len(recall.after) == len(recall.after[0])


def rows_of(runs: Iterable[FoundRun]) -> list[Row]:
    """One row for each strategy, its options, and the network that stands for it."""
    groups: dict[Any, list[FoundRun]] = {}
    for run in runs:
        identity = (run.results.strategy, run.results.evaluated_model, *sorted(flat(run.config.options).items()))
        groups.setdefault(identity, []).append(run)
    return [_row(group) for group in groups.values()]


def _row(runs: Sequence[FoundRun]) -> Row:
    newest_first = sorted(runs, key=lambda run: run.made, reverse=True)
    kept: dict[int, FoundRun] = {}
    repeated = []
    for run in (run for run in newest_first if run.complete):
        if run.results.seed in kept:
            repeated.append(run)
        else:
            kept[run.results.seed] = run
    unfinished = [run for run in newest_first if not run.complete]
    return Row(
        runs[0].results.strategy,
        flat(runs[0].config.options),
        tuple(kept[seed] for seed in sorted(kept)),
        tuple(sorted(unfinished, key=lambda run: run.results.seed)),
        tuple(repeated),
    )


def distinguishing(row: Row, rows: Sequence[Row]) -> dict[str, str]:
    """The options in which a row differs from others of the same strategy; those it lacks only where it has none."""
    others = [other.options for other in rows if other.strategy == row.strategy and other is not row]
    names = dict.fromkeys(name for options in [row.options, *others] for name in options)
    differ = [name for name in names if any(options.get(name) != row.options.get(name) for options in others)]
    own = {name: row.options[name] for name in differ if name in row.options}
    return own or dict.fromkeys(differ, "not set")


def machine(results: Results) -> str:
    """What computed, for people: the GPU, or the processor and its threads."""
    p = results.provenance
    threads = f", {p.threads} thread{'s' if p.threads != 1 else ''}" if p.threads else ""
    return p.accelerator or (f"{p.processor}{threads}" if p.processor else "a machine that is not named")


def _cost(runs: Sequence[Results]) -> Cost:
    costs = [run.efficiency for run in runs]
    on_gpu = any(cost.peak_memory_bytes.cuda_allocated for cost in costs)
    peaks = [c.peak_memory_bytes.cuda_allocated if on_gpu else c.peak_memory_bytes.process for c in costs]
    return Cost(
        units_per_clip=_mean(costs, lambda cost: cost.units_per_clip),
        clips_per_second=_mean(costs, lambda cost: cost.clips_per_second),
        training_seconds=_mean(costs, lambda cost: cost.training_seconds or None),
        peak_memory=max(peaks) or None,
        on_gpu=on_gpu,
        memory_bytes=max(cost.memory_bytes for cost in costs),
        memory_clips=max(cost.memory_clips for cost in costs),
        parameters=max(cost.parameters for cost in costs),
        teacher_parameters=max(cost.teacher_parameters for cost in costs),
        steps=mean(cost.steps for cost in costs),
        machines=tuple(dict.fromkeys(map(machine, runs))),
    )


def _mean(items: Sequence[Any], number: Callable[[Any], float | None]) -> float | None:
    values = [number(item) for item in items]
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None

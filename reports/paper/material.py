"""What a renderer draws from: the runs of each row of a sweep, read from their folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean

from avbench.errors import AvbenchError
from avbench.evaluation.statistics import mean_with_half
from avbench.reports.headline import gallery_sizes, mean_chance
from avbench.reports.leaderboard.rows import Metric, Scores
from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper.declaration import Item, Judged, Variant
from avbench.reports.paper.document import Number
from avbench.reports.paper.published import Published, read_published
from avbench.results import RunDirectory
from avbench.results.comparability import comparable
from avbench.results.downstream import DownstreamResult
from avbench.results.step_cost import StepCost


@dataclass(frozen=True)
class Entry:
    """A row: its complete runs by seed, and what is to be said of the others."""

    variant: Variant
    runs: tuple[FoundRun, ...]
    problems: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> Scores:
        """Of the network that stands for the method."""
        return Scores(tuple(run.results.summary for run in self.runs))

    def number(self, metric: Metric, direction: str = "both", column: str = "Avg") -> Number:
        """Mean over seeds with its t-interval; undefined where it is undefined for one of them."""
        return over_seeds(self.scores.per_seed(metric, direction, column))

    def per_run(self, value: Callable[[FoundRun], float | None], digits: int = 2) -> Number:
        """The same of anything a run tells."""
        found = [value(run) for run in self.runs]
        known = [one for one in found if one is not None]
        return over_seeds(known, digits) if len(known) == len(found) else Number()


@dataclass(frozen=True)
class Material:
    """Everything for one item.

    Attributes:
        entries: in the order of the declaration.
        restricted: other rows of the declaration were left out on purpose.
        sets: settings that were typed.
        steps: cost of a step by label, where the item asks for it.
        problems: what went wrong beside the runs.
        judged: results by downstream task and run directory, all measured alike.
    """

    item: Item
    bench: str
    profile: str
    seeds: int
    entries: tuple[Entry, ...]
    restricted: bool
    sets: tuple[str, ...]
    steps: Mapping[str, StepCost]
    problems: tuple[str, ...] = ()
    judged: Mapping[Judged, Mapping[Path, DownstreamResult]] = field(default_factory=dict)

    @cached_property
    def published(self) -> list[Published]:
        """The item's published sections for this benchmark."""
        return [section for file in self.item.published for section in read_published(file, self.bench)]

    def is_printed(self, column: str) -> bool:
        """Whether a published section has a number in the column."""
        return any(values.get(column) is not None for section in self.published for values in section.rows.values())

    def printed(self, label: str, column: str) -> Number:
        """The published number of a row; nothing where several sections print different ones, which none can stand for.

        Args:
            label: of the row.
        """
        values = (section.rows.get(label, {}).get(column) for section in self.published)
        found = {value for value in values if value is not None}
        return Number(found.pop()) if len(found) == 1 else Number()

    @property
    def known(self) -> list[Entry]:
        """Rows that have a complete run."""
        return [entry for entry in self.entries if entry.runs]

    @property
    def runs(self) -> list[FoundRun]:
        """Every run that counts, once."""
        return list({run.directory.path: run for entry in self.entries for run in entry.runs}.values())

    @property
    def first(self) -> FoundRun | None:
        """A run that stands for what all share; None where there is none yet."""
        return self.known[0].runs[0] if self.known else None

    def is_comparable(self, entry: Entry) -> bool:
        """Whether all runs of a row may stand beside the first row's."""
        return self.first is not None and all(comparable(self.first.results, run.results) for run in entry.runs)

    @property
    def chance(self) -> float:
        """A of random ranking in percent."""
        assert self.first is not None
        galleries = gallery_sizes(self.first.results, self.first.config)
        return mean(mean_chance(k, galleries) for k in self.first.config.evaluation.recall_at)


def read_entry(variant: Variant, folders: Sequence[Path], problems: Mapping[str, str]) -> Entry:
    """The row of a variant from the folders of its runs.

    Args:
        problems: why a run is not complete, by the name of its folder.
    """
    runs, told = [], []
    for folder in folders:
        try:
            directory = RunDirectory.open(folder)
            run = FoundRun(directory, directory.read_results())
        except AvbenchError as error:
            text = problems.get(folder.name, str(error)).replace(f"{folder.parent}/", "")  # a page may be published
            told.append(f"run {folder.name}: {text}")
            continue
        if run.complete:
            runs.append(run)
        else:
            done = f"{run.results.finished_experiences} of {run.results.experiences} tasks"
            told.append(f"run {folder.name}: {problems.get(folder.name, f'not finished, {done}')}")
    return Entry(variant, tuple(sorted(runs, key=lambda run: run.results.seed)), tuple(told))


def over_seeds(values: Sequence[float], digits: int = 2) -> Number:
    """The mean and half of Student's 95 % interval, which a single value has not."""
    if not values:
        return Number(digits=digits)
    return Number(*mean_with_half(values), digits)

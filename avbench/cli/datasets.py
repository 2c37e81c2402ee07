"""`avbench data prepare DATASET` and `verify DATASET`: a data set by itself, without a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avbench.cli.failures import CLIPS_STAY, Invocation
from avbench.errors import UsageError
from avbench.paths import absolute

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from avbench.benchmarks.dataset_audit import Audit
    from avbench.benchmarks.datasets import DatasetOnDisk
    from avbench.data.cache import ClipCache
    from avbench.data.prepare import PrepareReport

_PREFIX = "preprocessing"


@dataclass(frozen=True)
class DatasetChoices:
    """What was typed for a data set; None and empty mean not given."""

    name: str
    root: Path | None
    out: Path | None
    splits: str | None
    frames_per_second: float | None
    jobs: int | None
    timeout: float | None
    ignore_space: bool
    retry: bool
    sets: Sequence[str]

    def on_disk(self) -> DatasetOnDisk:
        """The data set, not looked at yet.

        Raises:
            UsageError: it is unknown, or no folder was named.
        """
        from avbench.benchmarks.datasets import DatasetOnDisk
        from avbench.benchmarks.known_datasets import find

        dataset = find(self.name)
        if self.root is None:
            raise UsageError(f"where is {dataset.title}? Name the folder of its lists and clips with --root DIR")
        return DatasetOnDisk(dataset, _absolute("--root", self.root), self.splits, self.frames_per_second)

    def cache(self, data: DatasetOnDisk) -> ClipCache:
        """Where its clips go.

        Raises:
            UsageError: a value of `--set` is unknown or makes no sense.
        """
        from avbench.benchmarks.prepared import default_cache
        from avbench.config import parse_override
        from avbench.data.cache import ClipCache
        from avbench.data.sampling import check_storage
        from avbench.validation import validate

        values: dict[str, Any] = data.dataset.preprocessing.model_dump()
        for text in self.sets:
            override = parse_override(text)
            inner = override.get(_PREFIX)
            if not isinstance(inner, dict):
                raise UsageError(f"--set {text}: of a data set only {_PREFIX}.KEY=VALUE can be set")
            values |= inner
        preprocessing = validate(type(data.dataset.preprocessing), values, _PREFIX)
        check_storage(preprocessing)
        folder = default_cache() if self.out is None else _absolute("--out", self.out)
        return ClipCache(folder / data.dataset.name, preprocessing)


def prepare(choices: DatasetChoices, invocation: Invocation) -> None:
    """Decode every clip of the data set that is on disk."""
    from avbench.cli import audit, console

    out = console.output()
    data = choices.on_disk()
    cache = choices.cache(data)
    report = _prepare(out, choices, data, cache, invocation)
    listed = len({row.clip_id for row in data.listing.rows})
    built = f"{report.built:,} of them prepared now"
    console.line(
        out,
        f"{len(report.ready):,} of {listed:,} clips ready, {built}; {listed - len(data.found):,} are not on disk, "
        f"{len(report.quarantined):,} can't be read",
    )
    audit.show_reasons(out, report.quarantined)
    console.where(out, "Clips", cache.folder)


def verify(choices: DatasetChoices, to: Path | None, invocation: Invocation) -> None:
    """Prepare what is not prepared yet and tell what became of every line of the lists."""
    from avbench.benchmarks.dataset_audit import audit as audit_of
    from avbench.cli import audit, console
    from avbench.reports import dataset_audit

    if to is not None:
        dataset_audit.check_out(to)
    out = console.output()
    data = choices.on_disk()
    cache = choices.cache(data)
    _prepare(out, choices, data, cache, invocation)
    made = audit_of(data, cache)
    out.print(_table(made))
    out.print()
    audit.show_reasons(out, made.problems)
    for what, text in dataset_audit.facts(made):
        console.line(out, (f"{what}: ", "dim"), console.clean(text))
    if to is not None:
        dataset_audit.write_audit(made, to)
        console.where(out, "Audit", to)


def overlap(first: tuple[str, Path, str | None], second: tuple[str, Path, str | None]) -> None:
    """Print what two sets share, each given by its name, its folder and its splits."""
    from rich.table import Table

    from avbench.benchmarks.overlap import overlap as overlap_of
    from avbench.benchmarks.overlap import videos, warnings
    from avbench.cli import console

    out = console.output()
    one, other = (videos(name, _absolute("--root", root), splits) for name, root, splits in (first, second))
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for head in (one.name, other.name):
        table.add_column(console.clean(head))
    for head in ("shared videos", f"of {one.name}", f"of {other.name}"):
        table.add_column(console.clean(head), justify="right")
    for shared in overlap_of(one, other):
        numbers = (len(shared.videos), shared.first_videos, shared.second_videos)
        table.add_row(shared.first_split, shared.second_split, *(f"{number:,}" for number in numbers))
    out.print(table)
    for warning in warnings(one, other):
        console.line(out, ("note  ", "yellow"), console.clean(warning))


def _prepare(
    out: Console, choices: DatasetChoices, data: DatasetOnDisk, cache: ClipCache, invocation: Invocation
) -> PrepareReport:
    from avbench.benchmarks.prepared import CLIP_TIMEOUT, Sources, Terms, bring
    from avbench.cli.counting import counting

    found = data.found
    room = (
        "make room, name another place with --out DIR, store less with --set preprocessing.stored_frames=N, or "
        "begin anyway with --ignore-space"
    )
    terms = Terms(choices.jobs or 0, choices.timeout or CLIP_TIMEOUT, room=None if choices.ignore_space else room)
    sources = Sources(list(found), lambda clip_id: data.source(clip_id, cache.preprocessing))
    invocation.kept = CLIPS_STAY
    with counting(out, "preparing clips") as count:
        return bring(cache, sources, terms, (data.root, data.listing.folder), count, retry=choices.retry)


def _table(made: Audit) -> Table:
    """What became of the lines, a column for each split."""
    from rich.table import Table
    from rich.text import Text

    from avbench.cli import console
    from avbench.reports.dataset_audit import HEADS, cells

    tallies = (*made.splits, made.together)
    title = Text(console.clean(made.title), "bold")
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0), title=title, title_justify="left")
    table.add_column("clips")
    for tally in tallies:
        table.add_column(console.clean(tally.split or "together"), justify="right")
    for head, numbers in zip(HEADS, zip(*map(cells, tallies), strict=True), strict=True):
        table.add_row(head, *numbers, style="bold" if head == "usable" else None)
    return table


def _absolute(option: str, path: Path) -> Path:
    try:
        return absolute(path)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None

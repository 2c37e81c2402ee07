"""Tracks of a leaderboard: runs that sat the same exam under the same limits, and nothing else, are ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from avbench.reports.headline import gallery_sizes, mean_chance
from avbench.reports.leaderboard.clips import clips_of_all, shared_exam
from avbench.reports.leaderboard.exam import differences, exam
from avbench.reports.leaderboard.published import PublishedTable, published_for
from avbench.reports.leaderboard.ranking import Placed, place
from avbench.reports.leaderboard.rows import Row, distinguishing, rows_of
from avbench.reports.leaderboard.runs import FoundRun, Skipped, find_runs

_TWIN = (
    "Nothing recorded tells this track from another one, but their keys differ: their runs come from versions of "
    "avbench that make keys differently, or don’t record what they are made of."
)


@dataclass(frozen=True)
class Track:
    """Comparable runs.

    Attributes:
        key: the comparability key, empty where its runs have several and are re-scored on common clips.
        memory: the rehearsal memory of the rows that have one.
        gallery: "pool", among all clips of the benchmark, or "task".
        columns: "R@1", ..., "Avg".
        chance: A of random ranking in percent.
        rows: ranked ones first.
        apart: what sets it apart from the board's other tracks of the benchmark, dotted names and values as text.
        missing: why there are no published tables, empty where there are.
        notes: what a reader should know, in sentences.
    """

    key: str
    bench: str
    order: str
    profile: str
    memory: str | None
    budget: str | None
    limit: int | None
    synthetic: bool
    gallery: str
    queries: int
    tasks: int
    columns: tuple[str, ...]
    chance: float
    rows: tuple[Placed, ...]
    published: tuple[PublishedTable, ...]
    missing: str
    notes: tuple[str, ...]
    apart: Mapping[str, str]

    @property
    def runs(self) -> list[FoundRun]:
        """Every run of every row."""
        return [run for one in self.rows for run in one.row.every]

    def options(self, one: Placed) -> str:
        """The options that tell a row from others of its strategy, empty where there are no others."""
        found = distinguishing(one.row, [other.row for other in self.rows])
        return ", ".join(f"{name} {value}" for name, value in found.items())

    def name(self, one: Placed) -> str:
        """What to call a row where there is one line for it."""
        options = self.options(one)
        return f"{one.row.strategy} ({options})" if options else one.row.strategy


@dataclass(frozen=True)
class Board:
    """Everything a leaderboard or a comparison shows."""

    tracks: tuple[Track, ...]
    skipped: tuple[Skipped, ...]

    @property
    def runs(self) -> list[FoundRun]:
        """Every run, once; a method without a memory may be in several tracks."""
        runs = {id(run): run for track in self.tracks for run in track.runs}
        return list(runs.values())


def build_board(paths: Sequence[Path], common_clips: bool = False) -> Board:
    """Sort the runs in `paths` into tracks and rank each.

    Args:
        paths: folders of runs, or folders of such folders.
        common_clips: runs that differ in nothing but the clips they could read share a track and are scored again on
            the clips that all of them have.

    Raises:
        UsageError: there is no readable run.
    """
    runs, skipped = find_runs(paths)
    exams: dict[str, list[FoundRun]] = {}
    for number, run in enumerate(runs):
        shared = shared_exam(run) if common_clips else None
        # Without a key nothing is known about what a run may be compared with.
        exams.setdefault(shared or run.results.comparability_key or f"run {number}", []).append(run)
    tracks = [_track(found, memory) for group in exams.values() for memory, found in _by_memory(group).items()]
    return Board(tuple(sorted(_set_apart(tracks), key=_order)), tuple(skipped))


def _set_apart(tracks: Sequence[Track]) -> list[Track]:
    known = [exam(next((run for run in track.runs if run.memory is not None), track.runs[0])) for track in tracks]
    found = []
    for track, own in zip(tracks, known, strict=True):
        same = [other for one, other in zip(tracks, known, strict=True) if one.bench == track.bench]
        apart = {name: own.get(name, "not set") for name in differences(same)}
        found.append(replace(track, apart=apart, notes=(*track.notes, *[_TWIN] * (known.count(own) > 1))))
    return found


def _by_memory(runs: Sequence[FoundRun]) -> Mapping[str | None, list[FoundRun]]:
    """Runs with equal rehearsal memories; those without one are comparable with any."""
    memories: list[str | None] = [*sorted({run.memory for run in runs if run.memory is not None})]
    memories = memories or [None]
    return {memory: [run for run in runs if run.memory in (memory, None)] for memory in memories}


def _order(track: Track) -> tuple[bool, bool, str, str, str, int]:
    limited = track.limit is not None
    return track.synthetic, limited, track.bench, track.order, track.profile, -len(track.rows)


def _track(runs: list[FoundRun], memory: str | None) -> Track:
    first = runs[0]
    results, evaluation = first.results, first.config.evaluation
    notes = []
    keys = {run.results.comparability_key for run in runs}
    clips = None
    if len(keys) > 1:
        clips, broken = clips_of_all([run for run in runs if run.complete])
        notes.append(f"The machines had different clips: A and F are scored again on the {len(clips):,} all runs have.")
        notes += [f"The clips of {run.name} can’t be read; it is not scored again." for run in broken]
    rows = place(rows_of(runs), clips)
    tables, missing = published_for(results, evaluation.gallery)
    galleries = gallery_sizes(results, first.config)
    return Track(
        key=keys.pop() if len(keys) == 1 else "",
        bench=results.bench,
        order=results.order,
        profile=results.profile,
        memory=memory,
        budget=results.track.budget,
        limit=results.limit,
        synthetic=results.synthetic,
        gallery=evaluation.gallery,
        queries=sum(task.queries for task in results.tasks),
        tasks=len(results.tasks),
        columns=(*(f"R@{k}" for k in evaluation.recall_at), "Avg"),
        chance=mean(mean_chance(k, galleries) for k in evaluation.recall_at),
        rows=tuple(rows),
        published=tuple(tables),
        missing=missing,
        notes=(*notes, *_notes([one.row for one in rows], runs)),
        apart={},
    )


def _notes(rows: Sequence[Row], runs: Sequence[FoundRun]) -> list[str]:
    notes = [
        f"Seed {run.results.seed} of {row.strategy} is there more than once; the newest run counts, not {run.name}."
        for row in rows
        for run in row.repeated
    ]
    notes += [
        f"{run.name} is not finished ({run.results.finished_experiences} of {run.results.experiences} tasks) and "
        "counts in no mean."
        for row in rows
        for run in row.unfinished
    ]
    notes += [f"{one.strategy} has other seeds than the first row." for one in _other_seeds(rows)]
    machines = dict.fromkeys(machine for row in rows for machine in row.cost.machines)
    if len(machines) > 1:
        notes.append(f"Speed and memory were measured on different machines: {'; '.join(machines)}.")
    for what, values in _software(runs).items():
        if len(values) > 1:
            notes.append(f"The runs were made with different {what}: {', '.join(sorted(values))}.")
    return notes


def _other_seeds(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.runs and rows[0].runs and row.seeds != rows[0].seeds]


def _software(runs: Sequence[FoundRun]) -> dict[str, set[str]]:
    sources = [run.results.provenance for run in runs]
    return {
        "versions of avbench": {source.versions.get("avbench", "unknown") for source in sources},
        "commits": {(source.git_commit or "no checkout")[:9] for source in sources},
        "versions of torch": {source.versions.get("torch", "unknown") for source in sources},
        "precisions": {run.config.precision for run in runs},
    }

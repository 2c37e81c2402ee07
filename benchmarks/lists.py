"""Lists of clips: which clips a benchmark consists of, before any is decoded, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from avbench.benchmarks.streams import RETRIEVAL, TRAIN, Clip, Coverage, Task
from avbench.errors import DataError


@dataclass(frozen=True)
class TaskClips:
    """The clips of one stream and task, in order, and how many others the list names that were not found."""

    clips: tuple[Clip, ...]
    missing: int = 0
    published: int | None = None

    def coverage(self, unreadable: int) -> Coverage:
        """The numbers when `unreadable` of the clips can't be read."""
        count = len(self.clips)
        return Coverage(count + self.missing, count - unreadable, unreadable, self.published)


@dataclass(frozen=True)
class ClipList:
    """Which clips a benchmark consists of: per stream, one entry per task in training order."""

    tasks: tuple[Task, ...]
    streams: Mapping[str, tuple[TaskClips, ...]]
    notes: tuple[str, ...] = ()

    @cached_property
    def clip_ids(self) -> tuple[str, ...]:
        """Every clip once, in order of appearance."""
        groups = chain.from_iterable(self.streams.values())
        return tuple(dict.fromkeys(clip.clip_id for group in groups for clip in group.clips))


@dataclass(frozen=True)
class TaskSummary:
    """What there is of one task before anything is decoded: per stream, how much of its list was found."""

    task: Task
    coverage: Mapping[str, Coverage]  # `unreadable` as far as it is known from earlier preparing

    @property
    def title(self) -> str:
        """The task's name for people."""
        return self.task.title

    @property
    def train_listed(self) -> int:
        """Training clips that were looked for."""
        return self.coverage[TRAIN].listed

    @property
    def train_found(self) -> int:
        """Training clips that were found and are not known to be unreadable."""
        return self.coverage[TRAIN].usable


@dataclass(frozen=True)
class DataSummary:
    """What there is before anything is decoded.

    Attributes:
        tasks: in training order.
        places: what was read and where prepared clips go, by what it is.
        clips: number of different clips in all streams.
        notes: what a reader of the results should know about the data.
    """

    tasks: tuple[TaskSummary, ...]
    places: Mapping[str, Path]
    clips: int
    notes: tuple[str, ...] = ()


def limited(listing: ClipList, limit: int | None) -> ClipList:
    """At most `limit` clips per stream and task, taken from its classes in turn; only these count as listed."""
    if limit is None:
        return listing
    streams = {
        stream: tuple(replace(group, clips=_in_turn(group.clips, limit), missing=0) for group in groups)
        for stream, groups in listing.streams.items()
    }
    return replace(listing, streams=streams)


def coverage_of(listing: ClipList, quarantined: Mapping[str, Any]) -> dict[str, tuple[Coverage, ...]]:
    """What became of every stream and task when the clips in `quarantined` can't be read."""
    return {
        stream: tuple(group.coverage(sum(clip.clip_id in quarantined for clip in group.clips)) for group in groups)
        for stream, groups in listing.streams.items()
    }


def usable_clips(listing: ClipList, quarantined: Mapping[str, Any]) -> dict[str, list[list[Clip]]]:
    """The clips per stream and task that can be read.

    Raises:
        DataError: nothing is left to train some task on, or to test it with.
    """
    streams = {
        stream: [[clip for clip in group.clips if clip.clip_id not in quarantined] for group in groups]
        for stream, groups in listing.streams.items()
    }
    for stream in (TRAIN, RETRIEVAL):
        for task, clips, group in zip(listing.tasks, streams[stream], listing.streams[stream], strict=True):
            if not clips:
                raise DataError(
                    f"the {stream} stream of task {task.id!r} has no usable clip: {len(group.clips) + group.missing} "
                    f"are listed, {group.missing} were not found, {len(group.clips)} can't be read; a run needs every "
                    "task, so add the missing clips"
                )
    return streams


def _in_turn(clips: Sequence[Clip], limit: int) -> tuple[Clip, ...]:
    places: dict[str, list[int]] = {}
    for place, clip in enumerate(clips):
        places.setdefault(clip.label, []).append(place)
    turns = (place for turn in zip_longest(*places.values()) for place in turn if place is not None)
    return tuple(clips[place] for place in sorted(place for place, _ in zip(turns, range(limit), strict=False)))

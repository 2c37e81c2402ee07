"""Videos that two data sets share, by YouTube id: what a model was trained on is no new data to test it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avbench.benchmarks.datasets import DatasetOnDisk
from avbench.benchmarks.known_datasets import DATASETS, find
from avbench.errors import DataError, UsageError

BENCHMARKS = ("continual-vs", "continual-as")  # their clips begin with the YouTube id


@dataclass(frozen=True)
class VideoSet:
    """The videos of each split, by YouTube id."""

    name: str
    splits: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Shared:
    """Videos that are in a split of one set and in a split of another, sorted.

    Attributes:
        first_videos, second_videos: how many different videos the two splits have.
    """

    first_split: str
    second_split: str
    videos: tuple[str, ...]
    first_videos: int
    second_videos: int


def overlap(first: VideoSet, second: VideoSet) -> tuple[Shared, ...]:
    """What every split of one set shares with every split of the other."""
    return tuple(
        Shared(one, other, tuple(sorted(videos & others)), len(videos), len(others))
        for one, videos in first.splits.items()
        for other, others in second.splits.items()
    )


def warnings(trained: VideoSet, tested: VideoSet, splits: Iterable[str] = ("train",)) -> tuple[str, ...]:
    """For a report: what of a data set that a model is tested on it has seen while it was trained.

    Args:
        splits: of `trained`, the ones that were trained on.
    """
    seen = frozenset[str]().union(*(trained.splits.get(split, frozenset()) for split in splits))
    return tuple(
        f"{len(videos & seen):,} of the {len(videos):,} {split} videos of {tested.name} "
        f"({100 * len(videos & seen) / len(videos):.0f} %) are in the training data of {trained.name}, by YouTube id"
        for split, videos in tested.splits.items()
        if videos & seen
    )


def dataset_videos(name: str, root: Path, splits: str | None = None) -> VideoSet:
    """The videos that a data set's lists name, whether their clips are on disk or not.

    Raises:
        UsageError: there is no such data set.
        DataError: its lists can't be read, or hold no YouTube id.
    """
    found: dict[str, set[str]] = {}
    for row in DatasetOnDisk(find(name), root, splits).listing.rows:
        found.setdefault(row.split, set())
        if row.ytid is not None:
            found[row.split].add(row.ytid)
    if not any(found.values()):
        raise DataError(
            f"the lists of {name} in {root} name no YouTube ids: those of MSR-VTT are in its videodatainfo.json"
        )
    return VideoSet(name, {split: frozenset(videos) for split, videos in found.items()})


def listed_videos(title: str, root: Path, splits: str | None = None) -> dict[str, str]:
    """What the lists of the data set with this title say: the YouTube id of each clip, where they hold one.

    Raises:
        DataError: the lists can't be read.
    """
    known = {dataset.title: dataset for dataset in DATASETS.values()}
    if title not in known:
        return {}
    rows = DatasetOnDisk(known[title], root, splits).listing.rows
    return {row.clip_id: row.ytid for row in rows if row.ytid is not None}


def benchmark_videos(name: str, root: Path) -> VideoSet:
    """The videos that a benchmark of recordings takes from the clips on disk, by stream.

    Raises:
        DataError: there is no data.
    """
    from avbench import registry
    from avbench.config import resolve_benchmark

    config = resolve_benchmark(name, "paper", overrides=[{"data": {"root": str(root)}}])
    benchmark = registry.find("benchmarks", name).load()(config)
    found = {
        stream: (benchmark.video_of(clip.clip_id) for group in groups for clip in group.clips)
        for stream, groups in benchmark.clip_list.streams.items()
    }
    return VideoSet(name, {stream: frozenset(filter(None, videos)) for stream, videos in found.items()})


def videos(name: str, root: Path, splits: str | None = None) -> VideoSet:
    """The videos of a data set or of a benchmark of recordings.

    Raises:
        UsageError: it is neither, or a benchmark was given splits.
        DataError: there is no data, or its lists can't be read.
    """
    if name not in BENCHMARKS:
        if name not in DATASETS:
            known = ", ".join([*DATASETS, *BENCHMARKS])
            raise UsageError(f"{name!r:.40} is neither a data set nor a benchmark of recordings; known are {known}")
        return dataset_videos(name, root, splits)
    if splits is not None:
        raise UsageError(f"{name} has streams, no choice of splits: leave --splits away")
    return benchmark_videos(name, root)

"""What a benchmark hands to a run: tasks, one store of clips, and Avalanche streams that are lists of its rows.

Avalanche is imported inside functions: describing a benchmark stays cheap, and loader workers never need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from avbench.data.clip import Sound
from avbench.data.store import rows_of as rows_of

if TYPE_CHECKING:
    from avalanche.benchmarks import CLScenario
    from avalanche.benchmarks.utils import AvalancheDataset

    from avbench.data.store import ClipStore

TRAIN: Final = "train"
EVALUATION: Final = "evaluation"
RETRIEVAL: Final = "retrieval"
STREAMS = (TRAIN, EVALUATION, RETRIEVAL)

# Ids of the eight tasks in the two published orders; STELLA, section 5.1 and appendix E.
ORDERS = {
    "default": (
        *("sports", "music", "vehicle", "people", "animals"),
        *("home_nature", "others_part1", "others_part2"),
    ),
    "shuffled": (
        *("music", "others_part1", "home_nature", "sports"),
        *("others_part2", "vehicle", "animals", "people"),
    ),
}


@dataclass(frozen=True)
class Task:
    """One task of a benchmark: a name for machines, one for people, and the classes its training clips come from."""

    id: str
    title: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """A clip of a list, with the class it is known under; training never sees the class."""

    clip_id: str
    label: str


@dataclass(frozen=True)
class Coverage:
    """What became of the clips that a benchmark lists for one stream and task.

    Attributes:
        listed: clips that were looked for.
        usable: clips in the stream.
        unreadable: clips that were found and can't be read; they are quarantined, not replaced.
        published: size of the stream in the published benchmark, None where nothing is published.
    """

    listed: int
    usable: int
    unreadable: int = 0
    published: int | None = None

    @property
    def missing(self) -> int:
        """Clips that were not found."""
        return self.listed - self.usable - self.unreadable


@dataclass(frozen=True)
class ClipTruth:
    """What is known of a clip, in the geometry of its evaluation view.

    Attributes:
        sources: bool (frames, H, W), where something that sounds is visible.
        heard: bool (frames,), whether it is heard at the time of the frame.
        silent: bool (frames, H, W), where an object that makes no sound is visible; None where that is not known.
        active: bool (T,), the spectrogram columns in which a source acts, seen and heard; None where that is not known.
    """

    sources: NDArray[np.bool_]
    heard: NDArray[np.bool_]
    silent: NDArray[np.bool_] | None = None
    active: NDArray[np.bool_] | None = None


def unknown_truth(clip_id: str) -> ClipTruth | None:
    """The truth of recordings: nobody knows it."""
    return None


def unheard(clip_id: str) -> Sound | None:
    """The sound of a benchmark whose prepared clips hold spectrograms only."""
    return None


def unknown_video(clip_id: str) -> str | None:
    """The video of clips that were rendered, or that nobody can tell the origin of."""
    return None


@dataclass
class AudioVideoBenchmark:
    """A benchmark, ready to run.

    Attributes:
        name, version: what it is; results of different versions don't compare.
        synthetic: made from rendered clips, not from recordings.
        tasks: in training order.
        store: every clip of every stream.
        scenario: Avalanche's `train_stream`, `evaluation_stream` and `retrieval_stream`, one experience per task, in
            training order. Samples are evaluation views in wire format; `rows_of` gives the rows of `store`.
        coverage: per stream, one entry per task.
        quarantined: reason and message of each clip of the list that can't be read.
        labels: class of every usable evaluation and retrieval clip, for reports and probes; training has none.
        clip_list_hash: of the usable clips, see `hash_clips`.
        places: keys of the `data` section that don't say what the data is, see `ClipData`.
        notes: what a reader of the results should know about the data.
        truth_of: clip id -> who sounds where and when in an evaluation or retrieval clip; None where nobody knows.
        sound_of: clip id -> what people hear of the clip, from its source; None where that can't be had. For reports.
        video_of: clip id -> the YouTube id of the video it was cut from; None where that is not known.
        base_mix: of base clips: where they come from, how many were left out and why, for the weights' metadata.
    """

    name: str
    version: str
    synthetic: bool
    tasks: tuple[Task, ...]
    store: ClipStore
    scenario: CLScenario
    coverage: Mapping[str, tuple[Coverage, ...]]
    quarantined: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]
    clip_list_hash: str
    places: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    truth_of: Callable[[str], ClipTruth | None] = unknown_truth
    sound_of: Callable[[str], Sound | None] = unheard
    video_of: Callable[[str], str | None] = unknown_video
    base_mix: Mapping[str, Any] = field(default_factory=dict)

    def label_of(self, clip_id: str) -> str:
        """The class of an evaluation or retrieval clip, for people; empty for other clips."""
        return self.labels.get(clip_id, "")


class EvaluationViews(Dataset[dict[str, Any]]):
    """Some rows of a clip store as an ordinary dataset: sample i is the evaluation view of row `rows[i]`."""

    def __init__(self, store: ClipStore, rows: Sequence[int]) -> None:
        self.store = store
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The clip in wire format: `audio`, `video`, `clip_id`; see `avbench.batch.Batch.from_wire`."""
        return self.store[self.rows[index]]


def build_scenario(store: ClipStore, streams: Mapping[str, Sequence[Sequence[Clip]]]) -> CLScenario:
    """Avalanche streams over `store`, one experience per task.

    Samples hold `audio`, `video` and `clip_id` and nothing else. Every dataset carries the attribute `row`; those of
    the evaluation stream also carry `label` (the class) and `task` (the experience's number).

    Args:
        streams: per stream and task, the clips; all are in the store.
    """
    from avalanche.benchmarks import benchmark_from_datasets

    row_of = {clip_id: row for row, clip_id in enumerate(store.clip_ids)}
    datasets = {
        stream: [
            clip_dataset(store, [row_of[clip.clip_id] for clip in clips], _attributes(stream, task, clips))
            for task, clips in enumerate(tasks)
        ]
        for stream, tasks in streams.items()
    }
    return benchmark_from_datasets(**datasets)


def hash_clips(streams: Mapping[str, Sequence[Sequence[Clip]]], tasks: Sequence[Task]) -> str:
    """A hash over stream, task and id of every clip, in order; equal for two runs exactly if their clips are."""
    digest = hashlib.sha256()
    for stream, groups in streams.items():
        for task, clips in zip(tasks, groups, strict=True):
            for clip in clips:
                digest.update(f"{stream}\t{task.id}\t{clip.clip_id}\n".encode())
    return digest.hexdigest()[:16]


def _attributes(stream: str, task: int, clips: Sequence[Clip]) -> dict[str, list[Any]]:
    if stream != EVALUATION:
        return {}
    return {"label": [clip.label for clip in clips], "task": [task] * len(clips)}


def clip_dataset(store: ClipStore, rows: Sequence[int], attributes: Mapping[str, list[Any]]) -> AvalancheDataset:
    """Rows of `store` as a dataset for Avalanche, with the attribute `row` and further ones (one value per clip)."""
    from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute

    from avbench.data.store import collate

    return AvalancheDataset(
        [EvaluationViews(store, rows)],
        data_attributes=[DataAttribute(values, name) for name, values in {"row": list(rows), **attributes}.items()],
        collate_fn=collate,
    )

"""Videos whose every second is known to be background or of a class: AVE's, or rendered ones in the same form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.benchmarks import ave
from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.dataset_clips import DatasetClips
from avbench.benchmarks.known_datasets import ave_notes
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.segments import SECONDS, SEGMENTS, SegmentedClips, read_segments, render_segments
from avbench.benchmarks.streams import EVALUATION, TRAIN
from avbench.data.world import ClipKey, Split, World, WorldConfig

if TYPE_CHECKING:
    from avbench.data.prepare import Source

Form = Literal["order", "txt", "authors"]


@dataclass(frozen=True)
class EventVideo:
    """One example.

    Attributes:
        name: of the example; two rows of AVE may annotate one clip.
        labels: of the ten seconds, numbers of classes; background has the number after the last class.
        task: the continual task its class belongs to, where there is one.
        ytid: YouTube id of a recording.
    """

    name: str
    clip_id: str
    labels: tuple[int, ...]
    task: int | None = None
    ytid: str | None = None


@dataclass(frozen=True)
class EventVideos:
    """Examples by part, `train`, `validation` and `test`, and what makes their clips.

    Attributes:
        sources: of the clips that are there, by id.
        cache_name: folder inside the cache folder.
    """

    dataset: str
    synthetic: bool
    classes: tuple[str, ...]
    parts: Mapping[str, tuple[EventVideo, ...]]
    sources: Mapping[str, Source]
    cache_name: str
    notes: tuple[str, ...]


def of_ave(benchmark: BenchmarkPlugin, root: Path | None, form: Form, clips: SegmentedClips) -> EventVideos:
    """All rows of AVE's annotations that a split holds; videos that rows of several splits share are noted.

    Args:
        form: which splits; `authors` are those of the order files read one row early, see `Annotations.one_row_early`.

    Raises:
        DataError: no folder is named, or annotations, splits or clips are not there.
    """
    files: ave.SplitForm = "order" if form == "authors" else form
    data = DatasetClips(benchmark, "ave", root, files).data
    events, notes = ave.read_annotations(data.root, files), list[str]()
    if form == "authors":
        events = events.one_row_early()
        notes.append("the splits are the published ones read one row early, as in STELLA's released code")
    splits: dict[str, ave.Split] = {"train": "train", "validation": "val", "test": "test"}
    parts = {
        part: tuple(
            EventVideo(f"{event.number:04d} {event.ytid}", event.clip_id, event.segment_labels, ytid=event.ytid)
            for event in rows
        )
        for part, rows in ((part, events.of(split)) for part, split in splits.items())
    }
    sources = {clip_id: partial(read_segments, files, clips) for clip_id, files in data.found.items()}
    return EventVideos("AVE", False, tuple(ave.classes()), parts, sources, "ave-segments", (*notes, *ave_notes(events)))


def of_world(
    benchmark: ContinualSynth, counts: Mapping[str, int], sparsity: float, clips: SegmentedClips
) -> EventVideos:
    """Clips of ten seconds of the classes of a run's own world, which sound for a part of the time only.

    What is tested comes from the evaluation split, of which no pre-training has seen any scene.

    Args:
        counts: clips per class of each part.
        sparsity: of the world; see `WorldConfig`.
    """
    own = benchmark.data.world
    longer = {"seconds": SEGMENTS * SECONDS, "frames": SEGMENTS * clips.frames, "sparsity": sparsity}
    config = WorldConfig.model_validate(own.model_dump() | longer)
    world = World(config)
    order = [[task.id for task in world.tasks].index(task.id) for task in benchmark.clip_list.tasks]
    classes = [name for number in order for name in world.tasks[number].classes]
    spans: dict[str, tuple[Split, range]] = {
        "train": (TRAIN, range(counts["train"])),
        "validation": (TRAIN, range(counts["train"], counts["train"] + counts["validation"])),
        "test": (EVALUATION, range(counts["test"])),
    }
    parts = {part: tuple(_rendered(world, order, split, numbers)) for part, (split, numbers) in spans.items()}
    names = [video.clip_id for videos in parts.values() for video in videos]
    sources = {name: partial(render_segments, config, name, clips) for name in names}
    folder = f"continual-synth-{config.fingerprint()}-segments"
    title = "clips of ten seconds of the run's classes"
    note = f"the clips were rendered with sparsity {sparsity:g}, those of the run with {own.sparsity:g}"
    return EventVideos(title, True, tuple(classes), parts, sources, folder, (note,))


def _rendered(world: World, order: list[int], split: Split, numbers: range) -> Iterator[EventVideo]:
    """The clips of these numbers of every class, task by task."""
    each = world.config.classes_per_task
    for place, task in enumerate(order):
        for label in range(each):
            for number in numbers:
                key = ClipKey(split, task, label, number)
                sounding = sounding_seconds(world, key)
                labels = np.where(sounding, place * each + label, len(order) * each)
                yield EventVideo(key.clip_id, key.clip_id, tuple(labels.tolist()), place)


def sounding_seconds(world: World, key: ClipKey) -> NDArray[np.bool_]:
    """Whether the clip's own source sounds for more than half of each second, (seconds,)."""
    source = next(actor for actor in world.scene(key).actors if actor.number == 0)
    return covered(source.gates, SEGMENTS) > 0.5


def covered(gates: NDArray[np.float64], seconds: int) -> NDArray[np.float64]:
    """Which share of each of the first so many seconds lies within gates (n, 2), in seconds; they don't overlap."""
    second = np.arange(seconds)[:, None]
    inside = np.minimum(gates[:, 1], second + 1) - np.maximum(gates[:, 0], second)
    return np.asarray(np.clip(inside, 0, None).sum(axis=1))

"""What base weights for Continual-VS are made from: VGGSound's other classes and AudioSet-20k (STELLA, appendix B).

The published mix is AudioSet's balanced train list with the part of VGGSound that no task trains on, 104k clips in all.
Its text leaves out the classes of the tasks; but the other 149 classes list 63,963 train clips, so that with AudioSet's
22,160 the total can only be reached with the clips of the tasks' own classes beyond the 400 that are trained on, which
the released script adds. Both are here:

* `leakage-free` leaves out every class of the tasks and every video of which any clip is in the train list of those
  classes or in the test list;
* `authors` leaves out the very clips that the tasks train on, and nothing else.

AudioSet names what is heard in other words than VGGSound does, so of its clips only videos can be left
out, not classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from avbench.benchmarks import audioset
from avbench.benchmarks.base_mix import IN_A_LIST, OF_A_TASK, BaseMix, Candidate, DataSetClips, Mix, Reason, choose
from avbench.benchmarks.plugin import Place
from avbench.benchmarks.streams import TRAIN
from avbench.errors import DataError

if TYPE_CHECKING:
    from avbench.benchmarks.continual_vs import ContinualVS
    from avbench.benchmarks.recordings import RecordedData

TRAINED_ON = "that the tasks train on"


class VGGSoundBase(BaseMix):
    """The section `data.base` of Continual-VS."""

    audioset: Place | None = None  # folder of AudioSet's lists and clips; None: VGGSound alone


def base_mix(benchmark: ContinualVS) -> Mix:
    """The clips to make base weights from.

    Raises:
        DataError: a data set is not where it should be, or its lists can't be read.
    """
    settings: VGGSoundBase = benchmark.data.base
    rows = [Candidate(row.clip_id, row.ytid, row.label) for row in benchmark.lists.rows["train"]]
    sets = [DataSetClips("VGGSound", benchmark.cache_name, rows, benchmark.paths, benchmark.source)]
    if settings.audioset is not None:
        sets.append(balanced_audioset(settings.audioset, benchmark.data))
    listed = _videos_of_the_benchmark(benchmark)
    reason = _leakage_free(benchmark, listed) if settings.variant == "leakage-free" else _as_authors(benchmark)
    parts = choose([(clips, reason) for clips in sets], settings.queries_per_class, listed)
    names = " and ".join(["VGGSound outside the tasks", *(["AudioSet-20k"] if settings.audioset else [])])
    kept = sum(each.ytid in listed for clips in sets for each in clips.listed if reason(each) is None)
    return Mix(names, settings.variant, parts, tuple(_notes(settings, kept)))


def balanced_audioset(root: Path, settings: RecordedData) -> DataSetClips:
    """AudioSet-20k, its balanced train list, from a folder of lists and clips.

    Raises:
        DataError: it is not there, or can't be read.
    """
    from avbench.benchmarks.datasets import DatasetOnDisk
    from avbench.benchmarks.known_datasets import find

    if not root.is_dir():
        raise DataError(
            f"the base clips of continual-vs include AudioSet-20k: data.base.audioset names {root}, which is no "
            f"folder. {audioset.HOW_TO_GET}. Without it, --set data.base.audioset=null makes them of VGGSound alone"
        )
    data = DatasetOnDisk(find("audioset"), root, "balanced", settings.frames_per_second)
    listed = [Candidate(row.clip_id, row.name, row.group) for row in data.listing.rows]
    source = partial(data.source, preprocessing=settings.preprocessing)
    return DataSetClips("AudioSet-20k", data.dataset.name, listed, data.found, source, holds_queries=False)


def _videos_of_the_benchmark(benchmark: ContinualVS) -> frozenset[str]:
    """Those of every clip that any stream could take, on disk or not: so the mix is the same on every machine."""
    classes = {name for task in benchmark.tasks for name in task.classes}
    rows = benchmark.lists.rows
    trained = (row.ytid for row in rows["train"] if row.label in classes)
    return frozenset(chain(trained, (row.ytid for row in rows["test"])))


def _leakage_free(benchmark: ContinualVS, listed: frozenset[str]) -> Reason:
    classes = {name for task in benchmark.tasks for name in task.classes}

    def reason(clip: Candidate) -> str | None:
        if clip.label in classes:
            return OF_A_TASK
        return IN_A_LIST if clip.ytid in listed else None

    return reason


def _as_authors(benchmark: ContinualVS) -> Reason:
    groups = [benchmark.task_clips(TRAIN, task).clips for task in benchmark.tasks]
    trained = {clip.clip_id for clip in chain.from_iterable(groups)}
    return lambda clip: TRAINED_ON if clip.clip_id in trained else None


def _notes(settings: VGGSoundBase, of_listed_videos: int) -> Iterator[str]:
    if settings.audioset is None:
        yield (
            "the published mix also holds AudioSet-20k, which --set data.base.audioset=FOLDER adds; this one is of "
            "VGGSound alone"
        )
    elif settings.variant == "leakage-free":
        yield (
            "of AudioSet-20k only videos are left out: its labels are other words than VGGSound's classes, so clips of "
            "the tasks' kinds of sound are in it"
        )
    if settings.variant == "authors":
        yield (
            f"the variant `authors` leaks: clips of the tasks' own classes are in the mix, and {of_listed_videos:,} "
            "listed clips of videos that the tasks' lists name"
        )

"""Continual-VS: eight groups of VGGSound classes, one after the other (STELLA, section 5.1).

The streams, from VGGSound's own lists and whatever clips are on disk:

* train: of each task class the first `max_train_per_class` clips of the train list that are on disk;
* evaluation: the clips of the test list of the task classes;
* retrieval: the first `retrieval_per_class` clips of the test list of *every* class of the task's categories, trained
  on or not, as the published counts show; the gallery of a query is the whole stream.

A train clip without a file is passed over and the next one of its class taken, as the published protocol takes
available clips; test clips are never replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from avbench.benchmarks import base_streams, continual_vs_base, vggsound
from avbench.benchmarks.continual_vs_base import VGGSoundBase
from avbench.benchmarks.lists import TaskClips
from avbench.benchmarks.plugin import ClipData
from avbench.benchmarks.recordings import RecordedBenchmark, RecordedData, in_both_lists
from avbench.benchmarks.streams import ORDERS, RETRIEVAL, STREAMS, TRAIN, AudioVideoBenchmark, Clip, Task
from avbench.config import Positive, read_yaml
from avbench.data.index import ClipFiles

if TYPE_CHECKING:
    from avbench.data.prepare import Progress

_PARTS = ("classes", "rest")
SHUFFLED_BATCH = 36  # of the published runs in the shuffled order (STELLA, appendix E); 48 in the default one


class VGGSoundData(RecordedData):
    """The `data` section; the defaults are the published protocol.

    `csv` is a list of clips; without it train.csv and test.csv are read, else vggsound.csv, under the root.
    """

    places = RecordedData.places | {"base"}  # what the base weights saw is told by their hash

    max_train_per_class: Positive = 400
    retrieval_per_class: Positive = 5
    base: VGGSoundBase = VGGSoundBase()


@dataclass(frozen=True)
class TaskClasses:
    """A task of the published benchmark.

    Attributes:
        task: its id, title and 20 classes.
        rest: further classes of its categories, whose test clips enter the retrieval stream only.
        categories: VGGSound's category of every class.
        listed: (train, test) clips that VGGSound lists, per class.
        published: clips per stream in the published benchmark.
    """

    task: Task
    rest: tuple[str, ...]
    categories: Mapping[str, str]
    listed: Mapping[str, tuple[int, int]]
    published: Mapping[str, int]


@lru_cache(maxsize=1)
def task_classes() -> dict[str, TaskClasses]:
    """The eight tasks by id, in the default order."""
    content = read_yaml(Path(__file__).with_name("continual_vs_classes.yaml"))
    return {identifier: _task_classes(identifier, entry) for identifier, entry in content["tasks"].items()}


class ContinualVS(RecordedBenchmark):
    """Continual-VS from a folder of VGGSound clips."""

    name = "continual-vs"
    version = "1"
    dataset = "VGGSound"
    file_names = "-0pJqpNjft4_000267.mp4 or -1pRmoJIGQc_10000_20000.mp4"
    how_to_get = vggsound.HOW_TO_GET
    Config: ClassVar[type[ClipData]] = VGGSoundData

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The eight tasks in the configured order."""
        return tuple(task_classes()[identifier].task for identifier in ORDERS[self.config.order])

    @property
    def list_files(self) -> Mapping[str, Path]:
        """The files that list the two splits."""
        return {f"{split} list": path for split, path in self.lists.files.items()}

    @cached_property
    def paths(self) -> Mapping[str, ClipFiles]:
        """The files of every listed clip that is on disk, by the clip's id."""
        rows = chain.from_iterable(self.lists.rows.values())
        found = {row.clip_id: self.media.find(row.ytid, row.start) for row in rows}
        return {clip_id: path for clip_id, path in found.items() if path is not None}

    @cached_property
    def lists(self) -> vggsound.Lists:
        """VGGSound's train and test lists."""
        labels = chain.from_iterable(classes.listed for classes in task_classes().values())
        return vggsound.read_lists(vggsound.find_lists(self.media.root, self.data.csv), labels)

    def task_clips(self, stream: str, task: Task) -> TaskClips:
        """The clips on disk that the protocol takes; see the module's description."""
        classes = task_classes()[task.id]
        names = task.classes + (classes.rest if stream == RETRIEVAL else ())
        split = "train" if stream == TRAIN else "test"
        clips: list[Clip] = []
        missing = 0
        for name in names:
            rows = self._by_class[split].get(name, [])
            found, absent = self._choose(stream, rows)
            clips += [Clip(row.clip_id, name) for row in found]
            missing += absent
        return TaskClips(tuple(clips), missing, classes.published[stream])

    def build_base(self, progress: Progress | None = None) -> AudioVideoBenchmark:
        """Clips of no task to make base weights from; see `avbench.benchmarks.continual_vs_base`.

        Raises:
            DataError: a data set is missing, or nothing usable is left.
        """
        return base_streams.build(self, continual_vs_base.base_mix(self), progress)

    def notes(self) -> Iterator[str]:
        """On the order of the retrieval list, repeated clips and the published batch size."""
        lists = self.lists
        if lists.files["test"].name != vggsound.PAIR["test"]:
            yield (
                f"the retrieval stream takes the first clips per class in the order of {lists.files['test'].name}; the "
                "published one follows VGGSound's test.csv, which is used when it lies beside the clips"
            )
        yield from in_both_lists(*((row.clip_id for row in lists.rows[split]) for split in vggsound.SPLITS))
        if lists.repeated:
            yield f"{lists.repeated} repeated rows of the lists were left out"
        if self.config.order == "shuffled" and self.config.training.batch_size != SHUFFLED_BATCH:
            yield f"the published runs in the shuffled order used training.batch_size = {SHUFFLED_BATCH}"

    @cached_property
    def _by_class(self) -> dict[str, dict[str, list[vggsound.Row]]]:
        grouped: dict[str, dict[str, list[vggsound.Row]]] = {split: {} for split in vggsound.SPLITS}
        for split, rows in self.lists.rows.items():
            for row in rows:
                grouped[split].setdefault(row.label, []).append(row)
        return grouped

    def _choose(self, stream: str, rows: list[vggsound.Row]) -> tuple[list[vggsound.Row], int]:
        """The clips of one class that are taken, and the number of clips that were looked for in vain."""
        if stream == TRAIN:
            found = list(islice(self._on_disk(rows), self.data.max_train_per_class))
            full = len(found) == self.data.max_train_per_class
            looked = rows.index(found[-1]) + 1 if full else len(rows)
        else:
            looked = min(len(rows), self.data.retrieval_per_class) if stream == RETRIEVAL else len(rows)
            found = list(self._on_disk(rows[:looked]))
        return found, looked - len(found)

    def _on_disk(self, rows: Iterable[vggsound.Row]) -> Iterator[vggsound.Row]:
        return (row for row in rows if row.clip_id in self.paths)


def _task_classes(identifier: str, entry: Mapping[str, Any]) -> TaskClasses:
    trained, rest = ({name: c for names in entry[part].values() for name, c in names.items()} for part in _PARTS)
    groups = chain.from_iterable(entry[part].items() for part in _PARTS)
    return TaskClasses(
        task=Task(identifier, str(entry["title"]), tuple(trained)),
        rest=tuple(rest),
        categories={name: category for category, names in groups for name in names},
        listed={name: (train, test) for name, (train, test) in {**trained, **rest}.items()},
        published={stream: int(entry["published"][stream]) for stream in STREAMS},
    )

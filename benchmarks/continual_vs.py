"""Continual-VS: eight groups of VGGSound classes, one after the other (STELLA, section 5.1).

The streams, from VGGSound's own lists and whatever clips are on disk:

* train: of each task class the first `max_train_per_class` clips of the train list that are on disk;
* evaluation: the clips of the test list of the task classes;
* retrieval: the first `retrieval_per_class` clips of the test list of *every* class of the task's categories, trained
  on or not, as the published counts show; the gallery of a query is the whole stream.

"On disk" means that a file of that clip exists. A train clip without a file is passed over and the next one of its
class taken, as the published protocol takes available clips. A clip that is on disk and can't be read is quarantined,
counted and not replaced, and test clips are never replaced: which clips a run saw does not depend on a decoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from avbench.benchmarks import vggsound
from avbench.benchmarks.lists import ClipList, TaskClips
from avbench.benchmarks.plugin import BenchmarkPlugin, ClipData, absolute
from avbench.benchmarks.streams import ORDERS, RETRIEVAL, STREAMS, TRAIN, Clip, Task
from avbench.config import Fraction, Positive, read_yaml
from avbench.data.index import MediaIndex, index_media
from avbench.errors import DataError

if TYPE_CHECKING:
    from avbench.data.prepare import Source

ENVIRONMENT = "AVBENCH_DATA"
_REMEDY = (
    f"Name the folder with --data-root FOLDER, --set data.root=FOLDER or the environment variable {ENVIRONMENT}. "
    f"{vggsound.HOW_TO_GET}. Without any data, --bench continual-synth runs the same protocol on an embedded world"
)
_PARTS = ("classes", "rest")
SHUFFLED_BATCH = 36  # of the published runs in the shuffled order (STELLA, appendix E); 48 in the default one


def _from_environment() -> Path | None:
    return Path(named) if (named := os.environ.get(ENVIRONMENT)) else None


class VGGSoundData(ClipData):
    """The `data` section; the defaults are the published protocol.

    Prepared clips are cached by their names alone: give another copy of VGGSound, with other bytes under the same
    names, another `cache`.
    """

    root: Path | None = Field(default_factory=_from_environment)  # folder of clips, read with all folders below it
    csv: Path | None = None  # list of clips; none: train.csv and test.csv, else vggsound.csv, under the root
    max_train_per_class: Positive = 400
    retrieval_per_class: Positive = 5
    unreadable_share: Fraction = 0.05  # above it the run refuses

    @field_validator("root", "csv")
    @classmethod
    def _absolute_paths(cls, path: Path | None) -> Path | None:
        return absolute(path)


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


class ContinualVS(BenchmarkPlugin):
    """Continual-VS from a folder of VGGSound clips."""

    name = "continual-vs"
    version = "1"
    synthetic = False
    Config: ClassVar[type[ClipData]] = VGGSoundData

    @property
    def unreadable_share(self) -> float:  # type: ignore[override]
        """As configured."""
        share: float = self.data.unreadable_share
        return share

    @property
    def cache_name(self) -> str:
        """Shared by whatever reads VGGSound."""
        return "vggsound"

    @property
    def places(self) -> Mapping[str, Path]:
        """The folder of clips, the lists, and where prepared clips go."""
        lists = {f"{split} list": path for split, path in self.lists.files.items()}
        return {"clips": self.media.root, **lists, **super().places}

    def list_clips(self) -> ClipList:
        """The clips on disk that the protocol takes; see the module's description."""
        tasks = [task_classes()[identifier] for identifier in ORDERS[self.config.order]]
        streams = {stream: tuple(self._stream(stream, classes) for classes in tasks) for stream in STREAMS}
        listing = ClipList(tuple(classes.task for classes in tasks), streams, tuple(self._notes()))
        if not listing.clip_ids:
            raise DataError(
                f"none of the clips that {_names(self.lists.files.values())} lists is in {self.media.root}, though "
                f"{len(self.media)} media files with names of VGGSound's forms are, such as "
                f"{next(iter(self.media.files.values())).name}; check that data.root and the lists belong together"
            )
        return listing

    def source(self, clip_id: str) -> Source:
        """Decoding of one clip."""
        from avbench.data.media import read_clip

        return partial(read_clip, self._path_of[clip_id], self.data.preprocessing)

    @cached_property
    def media(self) -> MediaIndex:
        """The clips on disk.

        Raises:
            DataError: there are none; says where they were looked for.
        """
        root: Path | None = self.data.root
        if root is None:
            raise DataError(
                f"continual-vs needs VGGSound, but neither data.root nor {ENVIRONMENT} names a folder. {_REMEDY}"
            )
        if not root.is_dir():
            raise DataError(f"continual-vs needs VGGSound: looked in {root}, which is no folder. {_REMEDY}")
        index = index_media(root)
        if not index.files:
            raise DataError(
                "continual-vs needs VGGSound: looked for clips such as -0pJqpNjft4_000267.mp4 or "
                f"-1pRmoJIGQc_10000_20000.mp4 (mp4, webm or mkv) in {root} and every folder below it and found none"
                f"{_other_names(index)}. {_REMEDY}"
            )
        return index

    @cached_property
    def lists(self) -> vggsound.Lists:
        """VGGSound's train and test lists."""
        labels = chain.from_iterable(classes.listed for classes in task_classes().values())
        return vggsound.read_lists(vggsound.find_lists(self.media.root, self.data.csv), labels)

    @cached_property
    def _path_of(self) -> dict[str, Path]:
        rows = chain.from_iterable(self.lists.rows.values())
        found = {row.clip_id: self.media.find(row.ytid, row.start) for row in rows}
        return {clip_id: path for clip_id, path in found.items() if path is not None}

    @cached_property
    def _by_class(self) -> dict[str, dict[str, list[vggsound.Row]]]:
        grouped: dict[str, dict[str, list[vggsound.Row]]] = {split: {} for split in vggsound.SPLITS}
        for split, rows in self.lists.rows.items():
            for row in rows:
                grouped[split].setdefault(row.label, []).append(row)
        return grouped

    def _stream(self, stream: str, classes: TaskClasses) -> TaskClips:
        names = classes.task.classes + (classes.rest if stream == RETRIEVAL else ())
        split = "train" if stream == TRAIN else "test"
        clips: list[Clip] = []
        missing = 0
        for name in names:
            rows = self._by_class[split].get(name, [])
            found, absent = self._choose(stream, rows)
            clips += [Clip(row.clip_id, name) for row in found]
            missing += absent
        return TaskClips(tuple(clips), missing, classes.published[stream])

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
        return (row for row in rows if row.clip_id in self._path_of)

    def _notes(self) -> Iterator[str]:
        lists = self.lists
        if lists.files["test"].name != vggsound.PAIR["test"]:
            yield (
                f"the retrieval stream takes the first clips per class in the order of {lists.files['test'].name}; the "
                "published one follows VGGSound's test.csv, which is used when it lies beside the clips"
            )
        both = {row.clip_id for row in lists.rows["train"]} & {row.clip_id for row in lists.rows["test"]}
        if both:
            yield f"{len(both)} clips are in the train list and in the test list: results say nothing about new clips"
        if lists.repeated:
            yield f"{lists.repeated} repeated rows of the lists were left out"
        if self.config.order == "shuffled" and self.config.training.batch_size != SHUFFLED_BATCH:
            yield f"the published runs in the shuffled order used training.batch_size = {SHUFFLED_BATCH}"


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


def _names(paths: Iterable[Path]) -> str:
    return " or ".join(dict.fromkeys(path.name for path in paths))


def _other_names(index: MediaIndex) -> str:
    odd = index.unparsed
    return f" ({len(odd)} media files have other names, such as {odd[0].name})" if odd else ""

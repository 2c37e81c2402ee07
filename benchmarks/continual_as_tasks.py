"""The tasks of Continual-AS, and which clips of AudioSet belong to them (STELLA, section 5.1 and appendix B)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from avbench.benchmarks.audioset import Segment
from avbench.benchmarks.streams import STREAMS, Task
from avbench.config import read_yaml


@dataclass(frozen=True)
class TaskClasses:
    """A task of the published benchmark.

    Attributes:
        task: its id, title and the classes that are trained on.
        names: of every class by its label id, those that are trained on before the category's own.
        trained: label ids of the classes that are trained on.
        published: clips per stream in the published benchmark.
    """

    task: Task
    names: Mapping[str, str]
    trained: frozenset[str]
    published: Mapping[str, int]

    def name(self, segment: Segment) -> str:
        """The class a clip of the task is known under: of several the one that comes first in the table."""
        return next(name for label, name in self.names.items() if label in segment.labels)


@dataclass(frozen=True)
class Assigned:
    """The clips of a list by task, and how many others there are.

    Attributes:
        by_task: clips of exactly one task, each once, in the list's order.
        listed: number of lines.
        several: of them, lines whose labels belong to several tasks.
        repeated: of them, lines that repeat an earlier clip of a task.
    """

    by_task: Mapping[str, tuple[Segment, ...]]
    listed: int
    several: int
    repeated: int

    @property
    def clips(self) -> tuple[Segment, ...]:
        """Those of all tasks."""
        return tuple(chain.from_iterable(self.by_task.values()))


@lru_cache(maxsize=1)
def task_classes() -> dict[str, TaskClasses]:
    """The seven tasks by id, in the default order."""
    entries = _table()["tasks"]
    return {identifier: _task_classes(identifier, entries[identifier]) for identifier in orders()["default"]}


def orders() -> dict[str, tuple[str, ...]]:
    """Ids of the tasks in the two published orders."""
    return {name: tuple(order) for name, order in _table()["orders"].items()}


def assign(segments: Iterable[Segment]) -> Assigned:
    """Distributes clips over the tasks.

    A clip belongs to a task if its labels name classes of that task, or its category, and of no other; labels of no
    task are ignored. STELLA's description would keep clips of two tasks, its released list for retrieval doesn't, and
    the published counts agree with the latter.
    """
    owner = {label: identifier for identifier, classes in task_classes().items() for label in classes.names}
    by_task: dict[str, dict[str, Segment]] = {identifier: {} for identifier in task_classes()}
    listed = several = repeated = 0
    for segment in segments:
        listed += 1
        tasks = {owner[label] for label in segment.labels if label in owner}
        if len(tasks) == 1:
            clips = by_task[tasks.pop()]
            repeated += segment.clip_id in clips
            clips.setdefault(segment.clip_id, segment)
        else:
            several += bool(tasks)
    return Assigned({task: tuple(clips.values()) for task, clips in by_task.items()}, listed, several, repeated)


def first_of_each_class(segments: Iterable[Segment], labels: Iterable[str], count: int) -> Sequence[Segment]:
    """The segments that are among the first `count` with one of `labels`, in their order."""
    seen = Counter(dict.fromkeys(labels, 0))
    chosen = []
    for segment in segments:
        own = {label for label in segment.labels if label in seen}
        if any(seen[label] < count for label in own):
            chosen.append(segment)
        seen.update(own)
    return chosen


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name("continual_as_classes.yaml"))


def _task_classes(identifier: str, entry: Mapping[str, Any]) -> TaskClasses:
    classes = entry["classes"]
    return TaskClasses(
        task=Task(identifier, str(entry["title"]), tuple(classes.values())),
        names={**classes, **entry["parents"]},
        trained=frozenset(classes),
        published={stream: int(entry["published"][stream]) for stream in STREAMS},
    )

"""Names of clips. A key says everything that distinguishes a clip from the others of its world."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from avbench.data.world.config import BASE_CLASSES, MOST_CLIPS, TASK_CLASSES
from avbench.errors import DataError

Split = Literal["train", "retrieval", "evaluation", "base"]

TASKS = (  # id, title; the eight tasks of Continual-VS in the paper's order of training
    ("sports", "Sports"),
    ("music", "Music"),
    ("vehicle", "Vehicle"),
    ("people", "People"),
    ("animals", "Animals"),
    ("home_nature", "Home&nature"),
    ("others_part1", "Others part1"),
    ("others_part2", "Others part2"),
)

_PATTERN = re.compile(r"(?:(train|retrieval|evaluation)-([0-7])|base)-(\d{2})-(\d{4})")


@dataclass(frozen=True, order=True)
class ClipKey:
    """The `index`-th clip of a class in a split. `task` counts from 0 in order of training and is None in `base`."""

    split: Split
    task: int | None
    class_index: int
    index: int

    def __post_init__(self) -> None:
        assert (self.task is None) == (self.split == "base"), f"{self} mixes tasks and base classes"
        assert self.task is None or 0 <= self.task < len(TASKS), f"{self} names no task"
        assert 0 <= self.class_index < (BASE_CLASSES if self.task is None else TASK_CLASSES), f"{self} names no class"
        assert 0 <= self.index < MOST_CLIPS, f"{self} is beyond the {MOST_CLIPS} clips of a class"

    @property
    def clip_id(self) -> str:
        """Such as `train-3-07-0012` (split, task, class, index) or `base-07-0012`; safe in a file name."""
        task = "" if self.task is None else f"-{self.task}"
        return f"{self.split}{task}-{self.class_index:02d}-{self.index:04d}"

    @staticmethod
    def parse(clip_id: str) -> ClipKey:
        """The key of a `clip_id`.

        Raises:
            DataError: `clip_id` is not one of this world's.
        """
        match = _PATTERN.fullmatch(clip_id)
        limit = BASE_CLASSES if clip_id.startswith("base") else TASK_CLASSES
        if match is None or int(match[3]) >= limit:
            raise DataError(
                f"{clip_id!r} is no clip of the embedded world; one is called, for example, train-3-07-0012"
            )
        split = cast(Split, match[1] or "base")
        return ClipKey(split, None if match[2] is None else int(match[2]), int(match[3]), int(match[4]))

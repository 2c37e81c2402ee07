"""Folders that look like AudioSet, made by the tests: lists in the official form, and files with the clips' names."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from vggsound_tree import PREPROCESSING, SAMPLING, SHAPE

from avbench.benchmarks.continual_as import ContinualAS
from avbench.benchmarks.continual_as_tasks import task_classes
from avbench.config import RunConfig

TRAIN, BALANCED, EVAL = "unbalanced_train_segments.csv", "balanced_train_segments.csv", "eval_segments.csv"
SPEECH = "/m/09x0r"  # of no task
LABELS = {name: label for classes in task_classes().values() for label, name in classes.names.items()}


class Line(NamedTuple):
    """As in AudioSet's lists."""

    ytid: str
    start: float
    end: float
    labels: tuple[str, ...]

    @property
    def clip_id(self) -> str:
        return f"{self.ytid}_{round(self.start * 1000)}_{round(self.end * 1000)}"


def line(number: int, *names: str) -> Line:
    """A clip with classes by name, and a made-up id that begins with a dash and an underscore."""
    start = 10.0 * (number % 30)
    return Line(f"-_{number:08d}_", start, start + 10, (SPEECH, *(LABELS.get(name, name) for name in names)))


def one_of_each(first: int) -> list[Line]:
    """One clip of the first class of every task."""
    return [line(first + place, classes.task.classes[0]) for place, classes in enumerate(task_classes().values())]


def write_segments(path: Path, lines: Iterable[Line]) -> Path:
    """Three lines of header, blanks after commas, quoted labels: the official form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=1, num_segs=1\n"
    rows = [f'{each.ytid}, {each.start:.3f}, {each.end:.3f}, "{",".join(each.labels)}"\n' for each in lines]
    path.write_text(head + "# YTID, start_seconds, end_seconds, positive_labels\n" + "".join(rows), encoding="utf-8")
    return path


def write_retrieval(path: Path, lines: Iterable[Line]) -> Path:
    """CAV-MAE's form."""
    entries = [
        {"video_id": each.ytid, "wav": f"/nowhere/{each.ytid}.flac", "labels": ",".join(each.labels)} for each in lines
    ]
    path.write_text(json.dumps({"data": entries}, indent=1), encoding="utf-8")
    return path


def milliseconds(each: Line) -> str:
    """Of the forms that file names have, the one with both ends."""
    return f"{each.clip_id}.mp4"


def touch(root: Path, lines: Iterable[Line], form: Callable[[Line], str] = milliseconds, content: bytes = b"") -> None:
    """Files with the clips' names."""
    (root / "clips").mkdir(parents=True, exist_ok=True)
    for each in lines:
        (root / "clips" / form(each)).write_bytes(content)


def benchmark(root: Path | None, cache: Path, data: dict[str, Any] | None = None, **config: Any) -> ContinualAS:
    """Continual-AS on a made-up tree, at a tiny size."""
    section = {"root": root, "cache": cache, "jobs": 1, "preprocessing": PREPROCESSING, "sampling": SAMPLING}
    values = {"strategy": "none", "bench": "continual-as", "clip": SHAPE, "data": section | (data or {})}
    return ContinualAS(RunConfig(**(values | config)))

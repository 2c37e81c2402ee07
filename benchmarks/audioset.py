"""AudioSet on disk: the csv files that list its segments, in the forms they come in, and CAV-MAE's list for retrieval.

A clip is known by its YouTube id, which occurs once per list, and called `{ytid}_{start}_{end}`, both in milliseconds.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Literal

from avbench.benchmarks.list_file import opened
from avbench.benchmarks.streams import EVALUATION, TRAIN
from avbench.data.index import ClipName, parse_name
from avbench.errors import DataError

TrainList = Literal["unbalanced", "balanced"]

TRAIN_LISTS: dict[TrainList, str] = {
    "unbalanced": "unbalanced_train_segments.csv",
    "balanced": "balanced_train_segments.csv",
}
EVAL_LIST = "eval_segments.csv"
RETRIEVAL_LIST = "sample_json_as.json"
FOLDERS = (".", "csv", "data", "metadata")  # under the root, in this order

HOW_TO_GET = (
    "AudioSet's lists are at https://research.google.com/audioset/download.html; its clips are not offered there, they "
    "are cut from YouTube with one of the public download scripts. Copies that hold the sound alone don't do"
)

_FORM = 'YTID, start_seconds, end_seconds, "label,label"'
_JSON_FORM = 'CAV-MAE\'s form, {"data": [{"video_id": "--4gqARaEJE", "labels": "/m/068hy,/m/0jbk"}, ...]}'
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_LABELS = re.compile(r"/[a-z]+/\w+( *, */[a-z]+/\w+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a list: times in milliseconds, labels as ids such as `/m/09x0r`."""

    ytid: str
    start: int
    end: int
    labels: tuple[str, ...]

    @property
    def clip_id(self) -> str:
        """Such as `--4gqARaEJE_0_10000`."""
        return f"{self.ytid}_{self.start}_{self.end}"

    @property
    def seconds(self) -> float:
        """How long it is: ten seconds, or less of some hundred."""
        return (self.end - self.start) / 1000


def find_lists(root: Path, named: Path | None, train: TrainList) -> dict[str, Path]:
    """The files that list the segments to train on and to test with, by the streams they are for.

    Args:
        root: looked through, with its folders `FOLDERS`, where no folder is named.
        named: the folder that holds the lists.
        train: which of AudioSet's two lists of training segments.

    Raises:
        DataError: one is not there; the message says where it was looked for.
    """
    if named is not None and not named.is_dir():
        raise DataError(f"data.csv names {named}, which is no folder: name the one that AudioSet's lists are in")
    folders = [named] if named is not None else [root / folder for folder in FOLDERS]
    wanted = {TRAIN: TRAIN_LISTS[train], EVALUATION: EVAL_LIST}
    found = {stream: path for stream, name in wanted.items() if (path := _first(folders, name)) is not None}
    if absent := [name for stream, name in wanted.items() if stream not in found]:
        raise DataError(
            f"no {' and no '.join(absent)} in {', '.join(map(str, folders))}{_other_train_list(folders, absent)}. "
            f"{HOW_TO_GET}. Put the lists there, or, for a benchmark, name their folder with --set data.csv=FOLDER"
        )
    return found


def find_list(root: Path, name: str) -> Path | None:
    """One list by its name, under a folder or in its folders `FOLDERS`."""
    return _first([root / folder for folder in FOLDERS], name)


def read_segments(path: Path) -> Iterator[Segment]:
    """The segments of a list in its order.

    The official form and its copies: any number of header lines, blanks after commas or none, times with or without
    decimals, quotes around labels wherever there is more than one.

    Raises:
        DataError: the file can't be read, or a line is not of this form; names file, line and what was expected.
    """
    with opened(path, _FORM) as file:
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            for cells in reader:
                if any(cells) and not cells[0].startswith("#") and cells[0].strip().lower() != "ytid":
                    yield _segment(cells)
        except (csv.Error, ValueError) as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}; expected {_FORM}") from None


def read_retrieval_list(path: Path) -> tuple[ClipName, ...]:
    """The different clips that a list for retrieval in CAV-MAE's json form names, in its order.

    Raises:
        DataError: the file can't be read, or is not of this form; names the entry.
    """
    if not path.is_file():
        raise DataError(f"data.retrieval names {path}, which is no file; CAV-MAE's own list is {RETRIEVAL_LIST}")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"can't read the retrieval list {path}: {error}; expected {_JSON_FORM}") from None
    entries = content.get("data") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path} lists no clips: expected {_JSON_FORM}")
    names = []
    for number, entry in enumerate(entries, 1):
        video = entry.get("video_id") if isinstance(entry, dict) else None
        name = parse_name(video) if isinstance(video, str) else None
        if name is None or not _LABELS.fullmatch(str(entry.get("labels"))):
            raise DataError(f"{path}, entry {number}: {entry!r:.120} is no clip of AudioSet; expected {_JSON_FORM}")
        names.append(name)
    return tuple(dict.fromkeys(names))


def pick(segments: Iterable[Segment], names: Sequence[ClipName]) -> list[Segment]:
    """The segments that `names` name, by their id and, where they say it, their start; in the order of `names`."""
    place = {name: number for number, name in enumerate(names)}
    found = []
    for segment in segments:
        both = (ClipName(segment.ytid, None), ClipName(segment.ytid, segment.start))
        found += [(place[name], segment) for name in both if name in place]
    return [segment for _, segment in sorted(found, key=itemgetter(0))]


def _segment(cells: Sequence[str]) -> Segment:
    """One line; a `ValueError` says what is wrong with it."""
    if len(cells) != 4:
        raise ValueError(f"{len(cells)} columns: {','.join(cells)!r:.80}")
    ytid, start, end, labels = (cell.strip() for cell in cells)
    if not _YTID.fullmatch(ytid):
        raise ValueError(f"{ytid!r:.80} is no YouTube id of 11 characters")
    segment = Segment(ytid, _milliseconds(start), _milliseconds(end), _label_ids(labels))
    if segment.end <= segment.start:
        raise ValueError(f"the segment starts at {start} s and ends at {end} s")
    return segment


# There are two million lines, and few different times and combinations of labels: each is read once.
@lru_cache(maxsize=4096)
def _milliseconds(seconds: str) -> int:
    if not _SECONDS.fullmatch(seconds):
        raise ValueError(f"{seconds!r:.80} is no time in seconds")
    return round(1000 * float(seconds))


@lru_cache(maxsize=65536)
def _label_ids(labels: str) -> tuple[str, ...]:
    if not _LABELS.fullmatch(labels):
        raise ValueError(f"{labels!r:.80} are no label ids such as /m/09x0r,/t/dd00088")
    return tuple(sys.intern(label.strip()) for label in labels.split(","))


def _first(folders: Sequence[Path], name: str) -> Path | None:
    return next((path for folder in folders if (path := folder / name).is_file()), None)


def _other_train_list(folders: Sequence[Path], absent: Sequence[str]) -> str:
    for train, name in TRAIN_LISTS.items():
        if name not in absent and set(absent) & set(TRAIN_LISTS.values()) and _first(folders, name) is not None:
            return f", where {name} is: --set data.train_list={train} trains on its clips"
    return ""

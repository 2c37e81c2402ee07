"""AVE on disk (Tian et al., ECCV 2018): the annotations of its events, and its splits in both forms they come in.

A video lasts ten seconds and is known by its YouTube id. One row annotates one event; 45 videos have several rows, with
different classes and in part in different splits, so a row is known by its number and not by its video.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from avbench.benchmarks.list_file import opened
from avbench.benchmarks.spelling import Spelling
from avbench.config import read_yaml
from avbench.errors import DataError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "val", "test")
SplitForm = Literal["order", "txt"]

SECONDS = 10  # of every video
ANNOTATIONS = "Annotations.txt"
SPLIT_FILES: dict[SplitForm, str] = {"order": "{}_order.h5", "txt": "{}Set.txt"}
FOLDERS = (".", "data", "AVE_Dataset", "AVE_Dataset/data")  # under the root, in this order

HOW_TO_GET = (
    "AVE's annotations, splits and videos are in the archive AVE_Dataset.zip that "
    "https://github.com/YapengTian/AVE-ECCV18 links to"
)
_FORM = "Category&VideoID&Quality&StartTime&EndTime"
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")
_SECOND = re.compile(r"\d{1,2}", re.ASCII)


@dataclass(frozen=True)
class Event:
    """One row of the annotations.

    Attributes:
        number: of the row, from 0, a header not counted.
        ytid: of the video.
        label: class in its official spelling.
        start, end: the event is heard and seen in the whole seconds [start, end) of the video, 0 <= start <= end <= 10.
        split: None where the splits leave the row out.
    """

    number: int
    ytid: str
    label: str
    start: int
    end: int
    split: Split | None = None

    @property
    def clip_id(self) -> str:
        """Of the video; rows of one video share it."""
        return self.ytid

    @property
    def segments(self) -> tuple[str | None, ...]:
        """The class of each of the ten seconds; None is background."""
        return tuple(self.label if self.start <= second < self.end else None for second in range(SECONDS))

    @property
    def segment_labels(self) -> tuple[int, ...]:
        """The class number of each of the ten seconds; background has the number after the last class, 28."""
        numbers = {name: number for number, name in enumerate(classes())}
        return tuple(len(numbers) if label is None else numbers[label] for label in self.segments)


@dataclass(frozen=True)
class Annotations:
    """All events in the order of their file.

    Attributes:
        files: what was read, by what it is.
        split_form: which splits they are: `order` are the published h5 files, `txt` the lists in the archive, which
            differ from them.
    """

    events: tuple[Event, ...]
    files: Mapping[str, Path]
    split_form: SplitForm

    def of(self, split: Split) -> tuple[Event, ...]:
        """The events of one split."""
        return tuple(event for event in self.events if event.split == split)

    def one_row_early(self) -> Annotations:
        """With the splits as STELLA's released code takes them: it subtracts 1 from the row numbers of the order files.

        They count from 0, so that every split holds the row before each of its own, and the first row's stands for the
        last row.
        """
        own = [event.split for event in self.events]
        meant = [*own[1:], *own[:1]]
        events = tuple(replace(event, split=split) for event, split in zip(self.events, meant, strict=True))
        return replace(self, events=events)

    @property
    def videos_across_splits(self) -> tuple[str, ...]:
        """Videos that have rows in more than one split, sorted: tested on although trained on."""
        splits: dict[str, set[Split]] = {}
        for event in self.events:
            if event.split is not None:
                splits.setdefault(event.ytid, set()).add(event.split)
        return tuple(sorted(ytid for ytid, several in splits.items() if len(several) > 1))


@lru_cache(maxsize=1)
def classes() -> dict[str, dict[Split, int]]:
    """The 28 classes in the order of the label vector, with the published number of rows per split."""
    content = read_yaml(Path(__file__).with_name("ave_classes.yaml"))
    return {str(name): {split: int(counts[split]) for split in SPLITS} for name, counts in content["classes"].items()}


def read_annotations(
    root: Path, split_form: SplitForm | None = None, read_order: Callable[[Path], Sequence[int]] | None = None
) -> Annotations:
    """The annotations and splits under a folder.

    Args:
        split_form: None takes the published `order` files, and where there are none the `txt` lists.
        read_order: reads the row numbers of an h5 file; None uses h5py.

    Raises:
        DataError: a file is missing, can't be read or is not of its form; names file, line and what was expected.
    """
    path = find(root, ANNOTATIONS)
    if path is None:
        places = ", ".join(str(root / folder) for folder in FOLDERS)
        raise DataError(f"no {ANNOTATIONS} of AVE: looked in {places}. {HOW_TO_GET}")
    events = read_events(path)
    form, files = _split_files(root, split_form)
    if form == "order":
        splits = _splits_by_number(files, len(events), read_order or read_h5_order)
    else:
        splits = _splits_by_row(files, events, path)
    placed = tuple(replace(event, split=splits.get(event.number)) for event in events)
    return Annotations(placed, {"annotations": path, **{f"{name} split": file for name, file in files.items()}}, form)


def read_events(path: Path) -> tuple[Event, ...]:
    """The rows of a file of annotations, or of a txt split, which has the same form; a header may stand above them.

    Raises:
        DataError: the file can't be read, or a line is not of its form; names file, line and what was expected.
    """
    spelling = Spelling("AVE", classes())
    events: list[Event] = []
    with opened(path, _FORM) as file:
        reader = csv.reader(file, delimiter="&", quoting=csv.QUOTE_NONE)
        for cells in reader:
            if not cells or (not events and [cell.strip().lower() for cell in cells] == _FORM.lower().split("&")):
                continue
            try:
                events.append(_event(len(events), cells, spelling))
            except ValueError as error:
                raise DataError(f"{path}, line {reader.line_num}: {error}; expected {_FORM}") from None
    if not events:
        raise DataError(f"{path} lists no event; expected lines of the form {_FORM}")
    return tuple(events)


def read_h5_order(path: Path) -> Sequence[int]:
    """The row numbers, from 0, that an `*_order.h5` file holds.

    Raises:
        DataError: h5py is not installed, or the file is no such file.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"AVE's splits in {path} need the package h5py: install avbench[ave], or take the lists of the archive "
            f"({', '.join(SPLIT_FILES['txt'].format(split) for split in SPLITS)}), which are other splits, with "
            "--splits txt"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            numbers: Any = file["order"][()]
            return [int(number) for number in numbers.reshape(-1)]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"can't read the split {path}: {error}; expected an h5 file with the data set `order`"
        ) from None


def find(root: Path, name: str) -> Path | None:
    """A file of the data set, in the folders it may lie in."""
    return next((path for folder in FOLDERS if (path := root / folder / name).is_file()), None)


def _event(number: int, cells: Sequence[str], spelling: Spelling) -> Event:
    if len(cells) != 5:
        raise ValueError(f"{len(cells)} fields: {'&'.join(cells)!r:.80}")
    label, ytid, _, start, end = (cell.strip() for cell in cells)
    if not _YTID.fullmatch(ytid):
        raise ValueError(f"{ytid!r:.80} is no YouTube id of 11 characters")
    if not (_SECOND.fullmatch(start) and _SECOND.fullmatch(end) and int(start) <= int(end) <= SECONDS):
        raise ValueError(f"{start!r:.20} to {end!r:.20} is no stretch of whole seconds in [0, {SECONDS}]")
    return Event(number, ytid, spelling.official(label), int(start), int(end))


def _split_files(root: Path, wanted: SplitForm | None) -> tuple[SplitForm, dict[Split, Path]]:
    absent: list[str] = []
    forms: tuple[SplitForm, ...] = ("order", "txt") if wanted is None else (wanted,)
    for form in forms:
        names = {split: SPLIT_FILES[form].format(split) for split in SPLITS}
        found = {split: path for split, name in names.items() if (path := find(root, name)) is not None}
        if len(found) == len(SPLITS):
            return form, found
        absent += [name for split, name in names.items() if split not in found]
    places = ", ".join(str(root / folder) for folder in FOLDERS)
    raise DataError(f"no splits of AVE: looked for {', '.join(absent)} in {places}. {HOW_TO_GET}")


def _splits_by_number(
    files: Mapping[Split, Path], rows: int, read_order: Callable[[Path], Sequence[int]]
) -> dict[int, Split]:
    splits: dict[int, Split] = {}
    for split, path in files.items():
        for number in read_order(path):
            if not 0 <= number < rows:
                raise DataError(
                    f"{path} names row {number}, but the annotations have rows 0 to {rows - 1}: the files don't belong "
                    "together, or a row of the annotations is lost"
                )
            if splits.setdefault(number, split) != split:
                raise DataError(f"row {number} is in {path} and in the split {splits[number]}: mend the order files")
    return splits


def _splits_by_row(files: Mapping[Split, Path], events: Sequence[Event], annotations: Path) -> dict[int, Split]:
    numbers = {(event.ytid, event.label, event.start, event.end): event.number for event in events}
    splits: dict[int, Split] = {}
    for split, path in files.items():
        for event in read_events(path):
            number = numbers.get((event.ytid, event.label, event.start, event.end))
            if number is None:
                raise DataError(
                    f"{path}, row {event.number + 1}: {event.label} in {event.ytid} from {event.start} to {event.end} "
                    f"is not in {annotations}: the files don't belong together"
                )
            if splits.setdefault(number, split) != split:
                raise DataError(f"{path}, row {event.number + 1} is in the split {splits[number]}, too: mend the lists")
    return splits

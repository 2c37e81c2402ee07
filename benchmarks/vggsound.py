"""VGGSound on disk: the csv files that list its clips, in the forms they come in, and where they are looked for.

A clip is known by its YouTube id and its start in seconds, and called `{ytid}_{start:06d}` as in the official names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avbench.benchmarks.list_file import opened
from avbench.benchmarks.spelling import Spelling
from avbench.errors import DataError

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")

BOTH, PAIR = "vggsound.csv", {"train": "train.csv", "test": "test.csv"}
FOLDERS = (".", "data", "csv")  # under the root, in this order

HOW_TO_GET = (
    "VGGSound's lists are in the `data` folder of https://github.com/hche11/VGGSound; its clips are not offered there, "
    "copies of them are, for example, the Hugging Face data set Loie/VGGSound"
)

_FORMS = {4: "ytid,start_seconds,label,split", 2: "{ytid}_{start:06d}.mp4,label"}
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")
_FILE = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{6,9})(?:\.\w{2,4})?")
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Row:
    """One line of a list: `start` in seconds, `label` in its official spelling."""

    ytid: str
    start: int
    label: str

    @property
    def clip_id(self) -> str:
        """Such as `-0pJqpNjft4_000267`."""
        return f"{self.ytid}_{self.start:06d}"


@dataclass(frozen=True)
class Lists:
    """The rows of both splits in their files' order, each clip once per split, and the files they come from."""

    rows: Mapping[Split, tuple[Row, ...]]
    files: Mapping[Split, Path]
    repeated: int  # rows that repeated an earlier one of their split and were left out


def find_lists(root: Path, named: Path | None) -> dict[Split, Path]:
    """The file that lists each split.

    A named file is taken as it is: one of four columns lists both splits; one of two columns must be called `test.csv`
    or `train.csv` and have the other beside it. Without one, `train.csv` and `test.csv` under the root come before
    `vggsound.csv`, because the published retrieval list follows the order of `test.csv`.

    Raises:
        DataError: there is none; the message says where it was looked for.
    """
    if named is not None:
        return _named_lists(named)
    looked = [root / folder / name for folder in FOLDERS for name in (*PAIR.values(), BOTH)]
    found: dict[Split, Path] = {}
    for split in SPLITS:
        candidates = [path for name in (PAIR[split], BOTH) for path in looked if path.name == name]
        if (path := next((path for path in candidates if path.is_file()), None)) is not None:
            found[split] = path
    if len(found) < len(SPLITS):
        absent = " and ".join(split for split in SPLITS if split not in found)
        raise DataError(
            f"no list of VGGSound's {absent} clips: looked for {', '.join(PAIR.values())} and {BOTH} in "
            f"{', '.join(str(root / folder) for folder in FOLDERS)}. {HOW_TO_GET}. "
            "Put the lists there, or, for a benchmark, name one with --set data.csv=FILE"
        )
    return found


def read_lists(files: Mapping[Split, Path], labels: Iterable[str]) -> Lists:
    """Read the lists of both splits.

    Args:
        files: as `find_lists` gives them.
        labels: the official class names.

    Raises:
        DataError: a file can't be read, or a line is not of its form; names file, line and what was expected.
    """
    spelling = Spelling("VGGSound", labels)
    contents = {path: list(_read(path, spelling)) for path in dict.fromkeys(files.values())}
    rows: dict[Split, tuple[Row, ...]] = {}
    repeated = 0
    for split, path in files.items():
        listed = [row for row, own in contents[path] if own in (None, split)]
        if not listed:
            raise DataError(f"{path} lists no {split} clip. {HOW_TO_GET}")
        first: dict[str, Row] = {}
        for row in listed:
            first.setdefault(row.clip_id, row)
        rows[split] = tuple(first.values())
        repeated += len(listed) - len(first)
    return Lists(rows, dict(files), repeated)


def _named_lists(named: Path) -> dict[Split, Path]:
    if not named.is_file():
        raise DataError(f"data.csv names {named}, which is no file. {HOW_TO_GET}")
    with opened(named, _FORMS[4]) as file:
        columns = len(next(csv.reader(file), []))
    if columns != 2:
        return dict.fromkeys(SPLITS, named)
    pair: dict[Split, Path] = {split: named.with_name(PAIR[split]) for split in SPLITS}
    absent = [path for path in pair.values() if not path.is_file()]
    if named not in pair.values() or absent:
        raise DataError(
            f"{named} has two columns and so doesn't say which split a clip belongs to: name test.csv or train.csv "
            f"and keep the other beside it{f' (there is no {absent[0]})' if absent else ''}, or use a file of the form "
            f"{_FORMS[4]}"
        )
    return pair


def _read(path: Path, spelling: Spelling) -> Iterator[tuple[Row, Split | None]]:
    """Every row, with its split where the file names one."""
    columns = 0
    with opened(path, _FORMS[4]) as file:
        reader = csv.reader(file)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not cells or (not columns and cells[-1].strip().lower() in ("split", "label")):
                continue  # an empty line, or a header, which the official files don't have
            columns = columns or len(cells)
            if len(cells) != columns or columns not in _FORMS:
                expected = _FORMS.get(columns, " or ".join(_FORMS.values()))
                raise DataError(f"{where}: expected {expected}, found {len(cells)} columns: {','.join(cells)!r:.80}")
            yield _four(cells, spelling, where) if columns == 4 else _two(cells, spelling, where)


def _four(cells: Sequence[str], spelling: Spelling, where: str) -> tuple[Row, Split]:
    ytid, start, label, split = (cell.strip() for cell in cells)
    if not _YTID.fullmatch(ytid):
        raise DataError(f"{where}: expected a YouTube id of 11 characters in the first column, found {ytid!r:.80}")
    if not _SECONDS.fullmatch(start):
        raise DataError(f"{where}: expected whole seconds in the second column, found {start!r:.80}")
    if split not in SPLITS:
        raise DataError(f"{where}: expected train or test in the fourth column, found {split!r:.80}")
    return Row(ytid, int(start), _official(label, spelling, where)), split


def _two(cells: Sequence[str], spelling: Spelling, where: str) -> tuple[Row, None]:
    name, label = (cell.strip() for cell in cells)
    match = _FILE.fullmatch(name)
    if match is None:
        raise DataError(f"{where}: expected a name such as -0pJqpNjft4_000267.mp4, found {name!r:.80}")
    return Row(match[1], int(match[2]), _official(label, spelling, where)), None


def _official(label: str, spelling: Spelling, where: str) -> str:
    try:
        return spelling.official(label)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None

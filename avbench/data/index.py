"""Finding clips in a folder tree by YouTube id and start, under every naming scheme VGGSound and AudioSet come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from avbench.errors import DataError

MEDIA_SUFFIXES = frozenset({".mp4", ".webm", ".mkv"})

# An id has exactly 11 characters and may itself hold or begin with `-` and `_`, so names are never split at them.
_NAME = re.compile(r"(?P<ytid>[A-Za-z0-9_-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:_(?P<end>\d+(?:\.\d+)?))?)?")
_LONGEST_SECONDS = 10  # of a clip; the difference of two numbers in seconds
_MILLISECONDS = range(1000, 10001)  # the same in milliseconds


class ClipName(NamedTuple):
    """What a file name says: the YouTube id, and the clip's start in milliseconds if the name holds one."""

    ytid: str
    start_ms: int | None


@dataclass(frozen=True)
class MediaIndex:
    """The media files of a folder tree.

    Attributes:
        root: the folder.
        files: by name, sorted; of several files for one clip the one whose path sorts first.
        duplicates: all files of a clip that has several, the chosen one first.
        unparsed: media files whose names follow no known scheme, for instance ids that lost their leading dash.
    """

    root: Path
    files: dict[ClipName, Path]
    duplicates: dict[ClipName, tuple[Path, ...]]
    unparsed: tuple[Path, ...]

    def find(self, ytid: str, start: float | None = None) -> Path | None:
        """The file of a clip.

        An id has several clips in VGGSound. So where one side does not know the start - the name of the file, or the
        caller - the file is taken only if it is the only one of its id.

        Args:
            start: of the clip within the original video, in seconds.
        """
        start_ms = None if start is None else round(start * 1000)
        exact = self.files.get(ClipName(ytid, start_ms))
        if exact is not None:
            return exact
        names = self._names.get(ytid, [])
        if len(names) == 1 and (start_ms is None or names[0].start_ms is None):
            return self.files[names[0]]
        return None

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def _names(self) -> dict[str, list[ClipName]]:
        names: dict[str, list[ClipName]] = {}
        for name in self.files:
            names.setdefault(name.ytid, []).append(name)
        return names


def parse_name(stem: str) -> ClipName | None:
    """What a file name without its suffix says, or None if it follows no known scheme.

    `ID`, `ID_000030` and `ID_30` (seconds), `ID_30.000`, `ID_000030_000040` (seconds), `ID_30000_40000` (milliseconds;
    the difference of the two numbers tells). Other pairs are not guessed at.
    """
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    ytid, start, end = match["ytid"], match["start"], match["end"]
    if start is None:
        return ClipName(ytid, None)
    if end is None or 0 < float(end) - float(start) <= _LONGEST_SECONDS:
        return ClipName(ytid, round(float(start) * 1000))
    if float(end) - float(start) in _MILLISECONDS:
        return ClipName(ytid, round(float(start)))
    return None


def index_media(root: Path) -> MediaIndex:
    """Walk a folder tree once, links included, and index its mp4, webm and mkv files.

    Raises:
        DataError: the folder, or one below it, can't be read.
    """
    found: dict[ClipName, list[Path]] = {}
    unparsed = []
    for path in sorted(_media_files(root), key=os.fspath):  # comparing paths part by part is slower
        name = parse_name(path.stem)
        if name is None:
            unparsed.append(path)
        else:
            found.setdefault(name, []).append(path)
    names = sorted(found, key=lambda name: (name.ytid, -1 if name.start_ms is None else name.start_ms))
    files = {name: found[name][0] for name in names}
    duplicates = {name: tuple(found[name]) for name in files if len(found[name]) > 1}
    return MediaIndex(root, files, duplicates, tuple(unparsed))


def _media_files(root: Path) -> Iterator[Path]:
    visited = set()
    for folder, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()  # a link back up the tree, or a second one to the same place
            continue
        visited.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (Path(folder, name) for name in names if Path(name).suffix.lower() in MEDIA_SUFFIXES)


def _refuse(error: OSError) -> None:
    raise DataError(f"can't read the media folder {error.filename}: {error.strerror}; check the path") from error

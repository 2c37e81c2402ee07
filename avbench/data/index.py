"""Finding clips in a folder tree by YouTube id and start, under every naming scheme VGGSound and AudioSet come in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from avbench.data.layouts import PICTURES, ExtractedClip, is_picture_folder
from avbench.errors import DataError

MEDIA_SUFFIXES = frozenset({".mp4", ".webm", ".mkv"})
SOUND_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".m4a", ".ogg"})
MASKS = frozenset({"gt_masks"})  # of AVSBench: pictures of the same names as the clips'
FRAMES_A_SECOND = 8.0  # of VGGSound's and AudioSet's pictures as STELLA extracts them

# An id has exactly 11 characters and may itself hold or begin with `-` and `_`, so names are never split at them.
_NAME = re.compile(r"(?P<ytid>[A-Za-z0-9_-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:_(?P<end>\d+(?:\.\d+)?))?)?")
_NUMBERED = re.compile(r"video\d{1,5}", re.ASCII)
_COLUMN = re.compile(r"frame_[0-9]")
_LONGEST_SECONDS = 10  # of a clip; the difference of two numbers in seconds
_MILLISECONDS = range(1000, 10001)  # the same in milliseconds


class ClipName(NamedTuple):
    """What a file name says: the YouTube id, and the clip's start in milliseconds if the name holds one."""

    ytid: str
    start_ms: int | None


NameParser = Callable[[str], ClipName | None]


ClipFiles = Path | ExtractedClip
"""What a clip is read from: one media file, or pictures and sound that were extracted."""


@dataclass(frozen=True)
class MediaIndex:
    """The clips of a folder tree.

    Attributes:
        root: the folder.
        files: media files by name, sorted; of several files for one clip the one whose path sorts first.
        duplicates: all files of a clip that has several, the chosen one first.
        unparsed: media files whose names follow no known scheme, for instance ids that lost their leading dash.
        dashless: of these, the ones whose names become known with a dash in front, by the name with it.
        extracted: clips in pictures and sound of their own, by name, sorted.
        sound_only: names of which there is sound and nothing to see, sorted.
    """

    root: Path
    files: dict[ClipName, Path]
    duplicates: dict[ClipName, tuple[Path, ...]]
    unparsed: tuple[Path, ...]
    dashless: dict[ClipName, Path] = field(default_factory=dict)
    extracted: dict[ClipName, ExtractedClip] = field(default_factory=dict)
    sound_only: tuple[ClipName, ...] = ()

    def find(self, ytid: str, start: float | None = None) -> ClipFiles | None:
        """What a clip is read from; a media file comes before extracted pictures.

        An id has several clips in VGGSound. So where one side does not know the start - the name of the file, or the
        caller - the file is taken only if it is the only one of its id. A name that lost its leading dash has ten
        characters for the id, which no id has: it is taken for the id with the dash.

        Args:
            start: of the clip within the original video, in seconds.
        """
        start_ms = None if start is None else round(start * 1000)
        exact = self._all.get(ClipName(ytid, start_ms))
        if exact is not None:
            return exact
        names = self._names.get(ytid, [])
        if len(names) == 1 and (start_ms is None or names[0].start_ms is None):
            return self._all[names[0]]
        return None

    def __len__(self) -> int:
        return len(self.files.keys() | self.extracted.keys())

    @cached_property
    def example(self) -> str:
        """A name that was found, for people; only where there are clips."""
        found: Iterator[ClipFiles] = chain(self.files.values(), self.extracted.values())
        return next(files.name for files in found)

    @cached_property
    def _all(self) -> dict[ClipName, ClipFiles]:
        return {**self.dashless, **self.extracted, **self.files}

    @cached_property
    def _names(self) -> dict[str, list[ClipName]]:
        names: dict[str, list[ClipName]] = {}
        for name in self._all:
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


def parse_numbered(stem: str) -> ClipName | None:
    """The names of MSR-VTT, `video0` to `video9999`, which stand in the place of a YouTube id."""
    return ClipName(stem, None) if _NUMBERED.fullmatch(stem) else None


def index_media(root: Path, parse: NameParser = parse_name, rate: float = FRAMES_A_SECOND) -> MediaIndex:
    """Walk a folder tree once, links included, and index what clips can be read from.

    These are mp4, webm and mkv files, and the layouts of `avbench.data.layouts` with wav, flac, mp3, m4a or ogg files
    of the same names anywhere in the tree. Folders of masks are passed over.

    Args:
        parse: what a file name says, without its suffix.
        rate: pictures a second, of layouts with a folder per clip.

    Raises:
        DataError: the folder, or one below it, can't be read.
    """
    walked = _Walk(parse)
    walked.walk(root)
    found: dict[ClipName, list[Path]] = {}
    unparsed: list[Path] = []
    dashless: dict[ClipName, Path] = {}
    for path in sorted(walked.media, key=os.fspath):  # comparing paths part by part is slower
        name = parse(path.stem)
        if name is not None:
            found.setdefault(name, []).append(path)
            continue
        unparsed.append(path)
        if (name := parse(f"-{path.stem}")) is not None:
            dashless.setdefault(name, path)
    names = sorted(found, key=_by_start)
    files = {name: found[name][0] for name in names}
    duplicates = {name: tuple(found[name]) for name in files if len(found[name]) > 1}
    extracted = {name: walked.extracted(name, rate) for name in sorted(walked.pictures, key=_by_start)}
    sound_only = tuple(sorted(walked.sounds.keys() - extracted.keys() - files.keys(), key=_by_start))
    return MediaIndex(root, files, duplicates, tuple(unparsed), dashless, extracted, sound_only)


class _Walk:
    """What a folder tree holds, by what it is."""

    def __init__(self, parse: NameParser) -> None:
        self.parse = parse
        self.media: list[Path] = []
        self.sounds: dict[ClipName, Path] = {}
        self.pictures: dict[ClipName, tuple[Path, str | None]] = {}  # folder, and CAV-MAE's name of the picture

    def walk(self, root: Path) -> None:
        visited = set()
        for here, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
            folder = Path(here)
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()  # a link back up the tree, or a second one to the same place
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = [name for name in sorted(folders) if name not in MASKS and not self._is_clip(folder, name)]
            column = _COLUMN.fullmatch(folder.name) is not None
            for file in names:
                self._sort(folder, file, column)

    def extracted(self, name: ClipName, rate: float) -> ExtractedClip:
        folder, picture = self.pictures[name]
        return ExtractedClip(folder, picture, self.sounds.get(name), rate)

    def _is_clip(self, folder: Path, name: str) -> bool:
        # The pictures themselves, millions in all, are not looked at before their clip is read.
        parsed = self.parse(name)
        if parsed is None or not is_picture_folder(folder / name):
            return False
        self._first(self.pictures, parsed, (folder / name, None))
        return True

    def _sort(self, folder: Path, file: str, column: bool) -> None:
        stem, suffix = Path(file).stem, Path(file).suffix.lower()
        if suffix in MEDIA_SUFFIXES:
            self.media.append(folder / file)
        elif suffix in SOUND_SUFFIXES and (name := self.parse(stem)) is not None:
            self._first(self.sounds, name, folder / file)
        elif column and suffix in PICTURES and (name := self.parse(stem)) is not None:
            self._first(self.pictures, name, (folder.parent, stem))

    @staticmethod
    def _first(found: dict[ClipName, Any], name: ClipName, place: Any) -> None:
        found[name] = min(found.get(name, place), place, key=str)


def _by_start(name: ClipName) -> tuple[str, int]:
    return name.ytid, -1 if name.start_ms is None else name.start_ms


def _refuse(error: OSError) -> None:
    raise DataError(f"can't read the media folder {error.filename}: {error.strerror}; check the path") from error

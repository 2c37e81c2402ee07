"""How public code of this field lays out clips whose pictures and sound were extracted to files of their own.

Three ways of numbering pictures are known:

* `frame_0.jpg`, `frame_1.jpg`, ... in a folder per clip, at a fixed rate: STELLA's preparation;
* `0001.jpg`, `0002.jpg`, ... in a folder per clip, spread evenly over the clip: LAVISH's AVE;
* `NAME_1.png`, ... in a folder per clip, one of each second, of whose 16 pictures it is the last: AVSBench;

and CAV-MAE's ten folders `frame_0` to `frame_9` with a picture of every clip in each, the k-th taken at k tenths of the
clip.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.errors import MediaError

COLUMNS = 10  # of CAV-MAE's layout
PICTURES = (".jpg", ".jpeg", ".png")
_LAST_OF_SECOND = 15 / 16  # AVSBench's pictures
_FRAME, _PLAIN, _SECOND = (
    re.compile(pattern, re.ASCII)
    for pattern in (r"frame_(\d{1,5})\.(?:jpe?g|png)", r"(\d{4,6})\.(?:jpe?g|png)", r".+_(\d{1,2})\.(?:jpe?g|png)")
)


@dataclass(frozen=True)
class ExtractedClip:
    """Where a clip's pictures and sound lie.

    Attributes:
        folder: its folder of pictures, or the one that holds CAV-MAE's `frame_0` to `frame_9`.
        column_name: None, or the name of its picture in each of CAV-MAE's folders.
        sound: its sound; None where there is no such file.
        rate: pictures a second of `frame_{k}` files in a folder per clip.
    """

    folder: Path
    column_name: str | None
    sound: Path | None
    rate: float

    @property
    def name(self) -> str:
        """For people."""
        return self.column_name or self.folder.name

    @property
    def layout(self) -> str:
        """Which way of laying out, for people."""
        return "folders of pictures, sound apart" if self.column_name is None else "frame_0 to frame_9, sound apart"


def is_picture_folder(folder: Path) -> bool:
    """Whether a folder holds numbered pictures of one clip; looks at its first few entries only."""
    try:
        with os.scandir(folder) as entries:
            first = [entry.name for entry, _ in zip(entries, range(4), strict=False)]
    except OSError:
        return False
    return any(pattern.fullmatch(name) for name in first for pattern in (_FRAME, _PLAIN, _SECOND))


def pictures_of(clip: ExtractedClip, seconds: float) -> list[tuple[float, Path]]:
    """When each picture of a clip of so many seconds was taken, in seconds, ascending, and its file.

    Raises:
        MediaError: there are none (`no-video`), or one is missing between others (`incomplete`).
    """
    return _columns(clip, seconds) if clip.column_name else _numbered(clip, seconds)


def _columns(clip: ExtractedClip, seconds: float) -> list[tuple[float, Path]]:
    """When each of CAV-MAE's ten pictures was taken, in seconds, and its file."""
    taken, absent = [], []
    for number in range(COLUMNS):
        stem = clip.folder / f"frame_{number}" / str(clip.column_name)
        path = next((path for end in PICTURES if (path := stem.with_name(stem.name + end)).is_file()), None)
        if path is None:
            absent.append(number)
        else:
            taken.append((number * seconds / COLUMNS, path))
    if absent:
        raise MediaError("incomplete", f"{clip.folder}: no picture of {clip.name} in {_listed(absent, 'frame_{}')}")
    return taken


def _numbered(clip: ExtractedClip, seconds: float) -> list[tuple[float, Path]]:
    """When each picture in a clip's own folder was taken, in seconds, and its file."""
    names = sorted(path.name for path in clip.folder.iterdir()) if clip.folder.is_dir() else []
    for pattern, first in ((_FRAME, 0), (_PLAIN, 1), (_SECOND, 1)):
        files = {int(match[1]): clip.folder / name for name in names if (match := pattern.fullmatch(name))}
        if not files:
            continue
        count = max(files) + 1 - first
        if absent := [number for number in range(first, max(files)) if number not in files]:
            raise MediaError("incomplete", f"{clip.folder}: of {count} pictures {_listed(absent, 'number {}')} missing")
        if pattern is _FRAME:
            return [(number / clip.rate, files[number]) for number in sorted(files)]
        if pattern is _PLAIN:
            return [((number - 1) * seconds / count, files[number]) for number in sorted(files)]
        return [(number - 1 + _LAST_OF_SECOND, files[number]) for number in sorted(files)]
    raise MediaError("no-video", f"{clip.folder} holds no numbered pictures")


def _listed(numbers: Sequence[int], form: str) -> str:
    named = ", ".join(form.format(number) for number in numbers[:5])
    return f"{named} and {len(numbers) - 5} more" if len(numbers) > 5 else named

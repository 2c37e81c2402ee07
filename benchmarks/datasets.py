"""A data set by itself: what its official lists name, beside what is on disk.

A benchmark takes of a data set what its protocol says; here is all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avbench.data.index import FRAMES_A_SECOND, ClipFiles, MediaIndex, NameParser, index_media, parse_name
from avbench.data.preprocessing import Preprocessing
from avbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from avbench.data.prepare import Source


class Listed(NamedTuple):
    """One line of an official list.

    Attributes:
        clip_id: under which it is prepared; lines of one AVE video share it.
        name: YouTube id, or MSR-VTT's name, that files are looked for by.
        start: within the original video in seconds; None where names hold none.
        split: such as `train`.
        group: class, category or task.
        ytid: YouTube id; None where it is not known.
        seconds: how long the annotated segment is, where that may be less than others; None: as long as all others.
    """

    clip_id: str
    name: str
    start: float | None
    split: str
    group: str
    ytid: str | None
    seconds: float | None = None


@dataclass(frozen=True)
class Listing:
    """What the official lists of a data set say.

    Attributes:
        rows: in the order of the lists.
        files: what was read, by what it is.
        folder: under which the clips lie.
        published: lines per split and group; the group None stands for all of a split.
        notes: what a reader of an audit should know.
    """

    rows: tuple[Listed, ...]
    files: Mapping[str, Path]
    folder: Path
    published: Mapping[tuple[str, str | None], int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A data set that avbench knows.

    Attributes:
        name: on the command line, and the folder inside a cache.
        title: for people.
        read: its lists under a folder, in one of its `splits`.
        splits: the choices of splits, if there are several; the first is the default, None takes what there is.
        file_names: examples of its clips' names, for people.
        how_to_get: lists and clips, for people.
    """

    name: str
    title: str
    read: Callable[[Path, str | None], Listing]
    file_names: str
    how_to_get: str
    splits: tuple[str | None, ...] = (None,)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    frames_per_second: float = FRAMES_A_SECOND  # of extracted pictures in a folder per clip
    parse: NameParser = parse_name


@dataclass(frozen=True)
class DatasetOnDisk:
    """A data set's lists beside the clips under a folder.

    Args:
        frames_per_second: of extracted pictures in a folder per clip; None takes the data set's own.
    """

    dataset: Dataset
    root: Path
    splits: str | None = None
    frames_per_second: float | None = None

    @cached_property
    def listing(self) -> Listing:
        """What the lists say.

        Raises:
            DataError: a list is missing, or not of its form.
            UsageError: the data set has no such splits.
        """
        dataset = self.dataset
        if not self.root.is_dir():
            raise DataError(f"{dataset.title}: {self.root} is no folder. {dataset.how_to_get}; name it with --root")
        if self.splits is not None and self.splits not in dataset.splits:
            known = ", ".join(filter(None, dataset.splits))
            raise UsageError(f"--splits {self.splits}: {dataset.title} has {known or 'only one choice: leave it away'}")
        return dataset.read(self.root, self.splits or dataset.splits[0])

    @cached_property
    def media(self) -> MediaIndex:
        """What lies under the folder.

        Raises:
            DataError: nothing does, or a folder can't be read.
        """
        dataset = self.dataset
        rate = self.frames_per_second or dataset.frames_per_second
        index = index_media(self.listing.folder, dataset.parse, rate)
        if not len(index):
            odd, heard = index.unparsed, len(index.sound_only)
            others = f" ({len(odd)} media files have other names, such as {odd[0].name})" if odd else ""
            others += f" ({heard:,} files of sound alone are there, which don't do)" if heard else ""
            raise DataError(
                f"no clip of {dataset.title}: looked for {dataset.file_names} (mp4, webm or mkv), or extracted "
                f"pictures and sound, in {self.listing.folder} and every folder below it{others}. {dataset.how_to_get}"
            )
        return index

    @cached_property
    def found(self) -> dict[str, ClipFiles]:
        """What each listed clip that is on disk is read from, by clip id, in the lists' order.

        Raises:
            DataError: none of them is.
        """
        looked = {row.clip_id: row for row in self.listing.rows}
        files = {clip_id: self.media.find(row.name, row.start) for clip_id, row in looked.items()}
        found = {clip_id: path for clip_id, path in files.items() if path is not None}
        if not found:
            lists = ", ".join(path.name for path in self.listing.files.values())
            raise DataError(
                f"none of the {len(looked):,} clips that {lists} list is in {self.listing.folder}, though "
                f"{len(self.media):,} clips with names of {self.dataset.title}'s forms are, such as "
                f"{self.media.example}; check that the lists and the clips belong together"
            )
        return found

    def source(self, clip_id: str, preprocessing: Preprocessing) -> Source:
        """Decoding of one clip."""
        from avbench.data.extracted import read_files

        return partial(read_files, self.found[clip_id], preprocessing, self._seconds.get(clip_id))

    @cached_property
    def _seconds(self) -> dict[str, float]:
        return {row.clip_id: row.seconds for row in self.listing.rows if row.seconds is not None}

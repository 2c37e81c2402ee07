"""The clips of MSR-VTT that have a picture and a sound, found under a folder, for audio-video retrieval."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from avbench.benchmarks import msrvtt
from avbench.benchmarks.msrvtt import SplitName
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.streams import Coverage
from avbench.cores import available_cores
from avbench.data.cache import ClipCache
from avbench.data.index import MEDIA_SUFFIXES
from avbench.data.media import read_clip
from avbench.data.prepare import PrepareReport, Progress, enforce_limit, prepare
from avbench.data.store import ClipStore
from avbench.errors import DataError

SOUNDLESS = frozenset({"no-audio", "silent"})  # reasons for which the protocol leaves a clip out
UNREADABLE_SHARE = 0.05  # of the clips that are found, for other reasons
CACHE = "msr-vtt"
_NAME = re.compile(r"video\d{1,5}", re.ASCII)


class MSRVTTClips:
    """Train and test clips, prepared in the geometry of a benchmark.

    Args:
        benchmark: says how clips are stored and sampled, and where the cache is.
        root: the folder that holds lists and clips.
        split: which division into train and test; `miech` is STELLA's.

    Raises:
        DataError: lists or clips are not there.
    """

    def __init__(self, benchmark: BenchmarkPlugin, root: Path | None, split: SplitName) -> None:
        if root is None:
            raise DataError(
                "retrieval after fine-tuning needs MSR-VTT, but no folder is named: give --data-root FOLDER. "
                f"{msrvtt.HOW_TO_GET}; a run on continual-synth needs no data for it"
            )
        if not root.is_dir():
            raise DataError(f"retrieval needs MSR-VTT: looked in {root}, which is no folder. {msrvtt.HOW_TO_GET}")
        self.benchmark, self.root = benchmark, root
        videos = msrvtt.read_list(root, split)
        self.listed = {name: [video.clip_id for video in videos.of(name)] for name in ("train", "test")}
        self.files = _files(root)
        self.found = {part: [name for name in names if name in self.files] for part, names in self.listed.items()}
        for part, names in self.found.items():
            if not names:
                raise DataError(
                    f"none of the {len(self.listed[part]):,} clips of MSR-VTT's {part} split {split} is in {root}: "
                    f"looked for files such as video7010.mp4 in it and every folder below. {msrvtt.HOW_TO_GET}"
                )

    def prepare(self, progress: Progress | None) -> tuple[ClipStore, Mapping[str, Coverage], PrepareReport]:
        """A store of the clips with sound, how much there is of each split, and what came of preparing.

        Raises:
            DataError: too many clips can't be read, or the cache can't be written.
        """
        data = self.benchmark.data
        cache = ClipCache(self.benchmark.cache.folder.parent / CACHE, data.preprocessing)
        sources = {
            name: partial(read_clip, self.files[name], data.preprocessing)
            for names in self.found.values()
            for name in names
        }
        report = prepare(cache, sources, data.jobs or available_cores(), progress)
        broken = {name: why for name, why in report.quarantined.items() if why[0] not in SOUNDLESS}
        enforce_limit(PrepareReport(report.ready, report.built, broken), UNREADABLE_SHARE)
        store = ClipStore(cache, report.ready, data.preprocessing, data.sampling, self.benchmark.config.clip)
        return store, {part: self._coverage(part, report) for part in self.listed}, report

    def _coverage(self, part: str, report: PrepareReport) -> Coverage:
        unreadable = sum(name in report.quarantined for name in self.found[part])
        return Coverage(len(self.listed[part]), len(self.found[part]) - unreadable, unreadable)


def _files(root: Path) -> dict[str, Path]:
    """The media files called like a clip in a folder tree; of several the one whose path sorts first."""
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(root):
        folders.sort()
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix.lower() in MEDIA_SUFFIXES and _NAME.fullmatch(path.stem):
                found.setdefault(path.stem, path)
    return found

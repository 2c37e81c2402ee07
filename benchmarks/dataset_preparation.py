"""The clips of a data set by itself, without a benchmark: brought into a cache, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avbench.benchmarks.datasets import DatasetOnDisk
from avbench.benchmarks.known_datasets import find
from avbench.paths import absolute

if TYPE_CHECKING:
    from avbench.benchmarks.dataset_audit import Audit
    from avbench.data.cache import ClipCache
    from avbench.data.prepare import PrepareReport, Progress

PREPROCESSING = "preprocessing"
_ROOM = (
    "make room, name another place with --out DIR, store less with --set preprocessing.stored_frames=N, or begin "
    "anyway with --ignore-space"
)


@dataclass(frozen=True)
class DatasetRequest:
    """Which data set, where it lies, and how it is prepared.

    Attributes:
        root: the folder of its lists and clips.
        out: the cache; None takes the usual one.
        splits: which of its splits, where there are several; None takes the default.
        frames_per_second: of extracted pictures in a folder per clip; None takes the data set's own.
        preprocessing: values that differ from the data set's own.
        jobs: processes; 0 takes all cores.
        timeout: seconds after which a clip is given up; None takes the usual ones.
        ignore_space: begin where the disk seems to have too little room, too.
        retry: try all clips again that could not be read earlier.
    """

    name: str
    root: Path
    out: Path | None = None
    splits: str | None = None
    frames_per_second: float | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 0
    timeout: float | None = None
    ignore_space: bool = False
    retry: bool = False

    @cached_property
    def data(self) -> DatasetOnDisk:
        """The data set, not looked at yet.

        Raises:
            UsageError: it is unknown.
        """
        return DatasetOnDisk(find(self.name), absolute(self.root), self.splits, self.frames_per_second)

    @cached_property
    def cache(self) -> ClipCache:
        """Where its clips go.

        Raises:
            UsageError: a value of `preprocessing` is unknown or makes no sense.
        """
        from avbench.benchmarks.prepared import default_cache
        from avbench.data.cache import ClipCache
        from avbench.data.sampling import check_storage
        from avbench.validation import validate

        dataset = self.data.dataset
        values = {**dataset.preprocessing.model_dump(), **self.preprocessing}
        preprocessing = validate(type(dataset.preprocessing), values, PREPROCESSING)
        check_storage(preprocessing)
        folder = default_cache() if self.out is None else absolute(self.out)
        return ClipCache(folder / dataset.name, preprocessing)


def prepare(request: DatasetRequest, progress: Progress | None = None) -> PrepareReport:
    """Decode every clip that the lists name and that is on disk; interrupted, it continues where it stopped.

    Raises:
        UsageError: there is no such data set, or a value makes no sense.
        DataError: a list is missing or not of its form, there is too little room, or the cache can't be written.
    """
    from avbench.benchmarks.prepared import CLIP_TIMEOUT, Sources, Terms, bring

    data, cache = request.data, request.cache
    terms = Terms(request.jobs, request.timeout or CLIP_TIMEOUT, room=None if request.ignore_space else _ROOM)
    sources = Sources(list(data.found), lambda clip_id: data.source(clip_id, cache.preprocessing))
    return bring(cache, sources, terms, (data.root, data.listing.folder), progress, retry=request.retry)


def verify(request: DatasetRequest, progress: Progress | None = None) -> Audit:
    """Prepare what is not prepared yet, and tell what became of every line of the lists.

    Raises:
        AvbenchError: as `prepare`.
    """
    from avbench.benchmarks.dataset_audit import audit

    prepare(request, progress)
    return audit(request.data, request.cache)

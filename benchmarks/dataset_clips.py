"""Clips of a known data set under a folder, prepared in the geometry that a run's backbone expects."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from avbench.benchmarks.datasets import DatasetOnDisk
from avbench.benchmarks.known_datasets import find
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.prepared import Sources, Terms, bring, default_cache, folders_of
from avbench.benchmarks.streams import Coverage
from avbench.data.cache import ClipCache
from avbench.data.prepare import PrepareReport, Progress
from avbench.data.store import ClipStore
from avbench.errors import DataError


class DatasetClips:
    """The clips of a data set, by the splits of its lists.

    Args:
        benchmark: the run's; says how clips are stored and sampled, and where the cache is.
        name: of the data set, see `avbench.benchmarks.known_datasets`.
        root: the folder that holds lists and clips.
        splits: which division, where there are several.
        left_out: reasons for which the protocol leaves a clip out, such as `no-audio`; it does not count as unreadable.

    Raises:
        DataError: no folder is named, or lists or clips are not there.
    """

    def __init__(
        self,
        benchmark: BenchmarkPlugin,
        name: str,
        root: Path | None,
        splits: str | None = None,
        left_out: Set[str] = frozenset(),
    ) -> None:
        dataset = find(name)
        if root is None:
            raise DataError(
                f"this task needs {dataset.title}, but no folder is named: give --data-root FOLDER. "
                f"{dataset.how_to_get}. A run on continual-synth needs no data for it"
            )
        if not root.is_dir():
            raise DataError(
                f"this task needs {dataset.title}: looked in {root}, which is no folder. {dataset.how_to_get}; name it "
                "with --data-root"
            )
        self.benchmark, self.left_out = benchmark, left_out
        self.data = DatasetOnDisk(dataset, root, splits)

    def listed(self, split: str) -> tuple[str, ...]:
        """Ids of the clips of a split, each once, in the lists' order; not all of them are on disk."""
        return tuple(dict.fromkeys(row.clip_id for row in self.data.listing.rows if row.split == split))

    def prepare(
        self, splits: Mapping[str, str], progress: Progress | None = None
    ) -> tuple[ClipStore, dict[str, Coverage], dict[str, tuple[str, str]]]:
        """A store of all clips that can be read; per part, how much there is of it; and why clips can't be read.

        Args:
            splits: the names of the lists' splits by the parts that the task calls them, such as {"test": "test"}.

        Raises:
            DataError: nothing usable is left of a part, too many clips can't be read, or the cache can't be written.
        """
        data, settings = self.data, self.benchmark.data
        listed = {part: self.listed(split) for part, split in splits.items()}
        wanted = dict.fromkeys(clip_id for ids in listed.values() for clip_id in ids if clip_id in data.found)
        cache = ClipCache((settings.cache or default_cache()) / data.dataset.name, settings.preprocessing)
        sources = Sources(list(wanted), lambda clip_id: data.source(clip_id, settings.preprocessing))
        folders = (data.listing.folder, data.root, *folders_of(settings))
        report = bring(cache, sources, Terms.of_recordings(settings), folders, progress, left_out=self.left_out)
        store = ClipStore(cache, report.ready, settings.preprocessing, settings.sampling, self.benchmark.config.clip)
        coverage = {part: _coverage(ids, store, report) for part, ids in listed.items()}
        for part, found in coverage.items():
            if not found.usable:
                raise DataError(
                    f"nothing usable is left of the {part} clips of {data.dataset.title}: {found.listed:,} are listed, "
                    f"{found.missing:,} are not under {data.listing.folder}, {found.unreadable:,} can't be read or "
                    "have no sound; add the missing clips"
                )
        return store, coverage, report.quarantined


def _coverage(ids: tuple[str, ...], store: ClipStore, report: PrepareReport) -> Coverage:
    ready = set(store.clip_ids)
    return Coverage(len(ids), sum(each in ready for each in ids), sum(each in report.quarantined for each in ids))

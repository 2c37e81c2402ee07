"""Base clips, chosen, as a benchmark: one train experience and a retrieval stream of clips that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from avbench.benchmarks.base_mix import DataSetClips, Mix
from avbench.benchmarks.lists import ClipList, TaskClips, coverage_of, limited, usable_clips
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.prepared import Sources, bring, default_cache, folders_of
from avbench.benchmarks.streams import RETRIEVAL, TRAIN, AudioVideoBenchmark, Task, build_scenario, hash_clips
from avbench.errors import DataError

if TYPE_CHECKING:
    from avbench.data.prepare import Progress
    from avbench.data.store import ClipStore


def build(plugin: BenchmarkPlugin, mix: Mix, progress: Progress | None = None) -> AudioVideoBenchmark:
    """The mix as one train experience and a retrieval stream, its clips prepared.

    Raises:
        DataError: nothing usable is left of a stream, too many clips can't be read, or the cache can't be written.
    """
    listing = limited(_checked(_listing(mix), mix), plugin.config.limit)
    wanted = set(listing.clip_ids)
    owned = [[c.clip_id for c in (*part.train, *part.queries) if c.clip_id in wanted] for part in mix.parts]
    told = _InTurn(progress, sum(map(len, owned)))
    stores: list[ClipStore] = []
    quarantined: dict[str, tuple[str, str]] = {}
    for part, ids in zip(mix.parts, owned, strict=True):
        if not ids:
            continue
        store, unreadable = _prepared(plugin, part.clips, ids, told)
        stores.append(store)
        quarantined |= unreadable
    streams = usable_clips(listing, quarantined)
    from avbench.data.joined_store import JoinedStore

    joined = JoinedStore(stores)
    notes = (*(part.sentence() for part in mix.parts), *mix.notes)
    counts = {"limit": plugin.config.limit, "unreadable": len(quarantined)}
    return AudioVideoBenchmark(
        name=plugin.name,
        version=plugin.version,
        synthetic=plugin.synthetic,
        tasks=listing.tasks,
        store=joined,
        scenario=build_scenario(joined, streams),
        coverage=coverage_of(listing, quarantined),
        quarantined=quarantined,
        labels={clip.clip_id: clip.label for clip in chain.from_iterable(streams[RETRIEVAL])},
        clip_list_hash=hash_clips(streams, listing.tasks),
        places=plugin.Config.places,
        notes=notes,
        video_of=plugin.video_of,
        base_mix={**mix.described, **counts},
    )


def _listing(mix: Mix) -> ClipList:
    train = tuple(chain.from_iterable(part.train for part in mix.parts))
    queries = tuple(chain.from_iterable(part.queries for part in mix.parts))
    task = Task("base", mix.title, tuple(dict.fromkeys(clip.label for clip in train)))
    streams = {TRAIN: (TaskClips(train, sum(part.missing for part in mix.parts)),), RETRIEVAL: (TaskClips(queries),)}
    return ClipList((task,), streams)


def _checked(listing: ClipList, mix: Mix) -> ClipList:
    for stream, remedy in ((TRAIN, "add clips"), (RETRIEVAL, "a class needs two clips for one to be held out")):
        if not listing.streams[stream][0].clips:
            counts = "; ".join(part.sentence() for part in mix.parts)
            raise DataError(f"base clips: none is left for the {stream} stream ({counts}): {remedy}")
    return listing


def _prepared(
    plugin: BenchmarkPlugin, clips: DataSetClips, ids: Sequence[str], progress: _InTurn
) -> tuple[ClipStore, dict[str, tuple[str, str]]]:
    """A store of the clips of one data set that can be read, and why others can't."""
    from avbench.data.cache import ClipCache
    from avbench.data.store import ClipStore

    data = plugin.data
    cache = ClipCache((data.cache or default_cache()) / clips.cache_name, data.preprocessing)
    terms = replace(plugin.terms, remedy=lambda *_: "mend the files, or raise --set data.unreadable_share=SHARE")
    report = bring(cache, Sources(ids, clips.source), terms, folders_of(data), progress)
    progress.next(len(ids))
    store = ClipStore(cache, report.ready, data.preprocessing, data.sampling, plugin.config.clip, data.keep_in_memory)
    return store, report.quarantined


class _InTurn:
    """Progress over several data sets, prepared one after the other, as over one."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._before = progress, total, 0

    def __call__(self, done: int, _: int) -> None:
        if self._progress is not None:
            self._progress(self._before + done, self._total)

    def next(self, clips: int) -> None:
        self._before += clips

"""Clips that a downstream task makes in a form of its own, brought into a cache of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.prepared import Terms, bring, default_cache, folders_of
from avbench.data.cache import ClipCache
from avbench.data.prepare import PrepareReport, Progress
from avbench.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from avbench.data.prepare import Source


def prepare_clips(
    benchmark: BenchmarkPlugin,
    folder: str,
    preprocessing: Preprocessing,
    sources: Mapping[str, Source],
    progress: Progress | None = None,
    root: Path | None = None,
) -> tuple[ClipCache, PrepareReport]:
    """Every clip that can be made, in `folder` of the cache folder of a run's benchmark.

    Args:
        root: where the recordings lie; it is taken out of the messages, which are published.

    Raises:
        DataError: too many clips can't be read, or the cache can't be written.
    """
    settings = benchmark.data
    cache = ClipCache((settings.cache or default_cache()) / folder, preprocessing)
    places = [*([] if root is None else [root]), *folders_of(settings)]
    return cache, bring(cache, sources, Terms.of_recordings(settings), places, progress)

"""Clips that a downstream task makes in a form of its own, brought into a cache of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avbench.benchmarks.plugin import BenchmarkPlugin, Sources, default_cache
from avbench.benchmarks.recordings import CLIP_TIMEOUT
from avbench.cores import available_cores
from avbench.data.cache import ClipCache
from avbench.data.prepare import PrepareReport, Progress, enforce_limit, prepare
from avbench.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from avbench.data.prepare import Source

UNREADABLE_SHARE = 0.05  # of the clips that are found


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
    jobs = settings.jobs or available_cores()
    timeout = None if jobs == 1 else CLIP_TIMEOUT
    report = prepare(cache, Sources(list(sources), lambda clip_id: sources[clip_id]), jobs, progress, timeout=timeout)
    enforce_limit(report, UNREADABLE_SHARE)
    below = "" if root is None else f"{root}{os.sep}"
    quarantined = {name: (why, text.replace(below, "")) for name, (why, text) in report.quarantined.items()}
    return cache, PrepareReport(report.ready, report.built, quarantined if below else report.quarantined)

"""A decoder that hangs is ended and its clip named; the clips beside it are built."""

from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest
from stored_clips import RAW, crash, hang, stored_clip

from avbench.data import prepare as preparing
from avbench.data.cache import ClipCache
from avbench.data.prepare import prepare


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_decoder_that_hangs_is_given_up_and_named(tmp_path, jobs):
    cache = ClipCache(tmp_path, RAW)
    sources = {"clip 0": partial(stored_clip, 0), "hangs": hang, "dies": crash, "clip 1": partial(stored_clip, 1)}
    report = prepare(cache, sources, jobs, timeout=1.0)
    assert report.ready == ("clip 0", "clip 1")
    assert {clip_id: reason for clip_id, (reason, _) in report.quarantined.items()} == {
        "hangs": "timeout",
        "dies": "crashed",
    }
    assert "1 s" in report.quarantined["hangs"][1]
    assert cache.quarantined() == dict(sorted(report.quarantined.items()))
    again = prepare(cache, sources, jobs, timeout=1.0)  # nothing is tried again, so nothing starts
    assert again.built == 0 and again.quarantined == report.quarantined


def test_a_process_that_dies_between_two_clips_costs_neither(tmp_path):
    class Work(preparing._Work):
        def submit(self, pool, clip_id):
            if clip_id == "clip 1" and not died:
                died.append(clip_id)
                raise BrokenProcessPool
            return super().submit(pool, clip_id)

    died: list[str] = []
    sources = {f"clip {seed}": partial(stored_clip, seed) for seed in range(2)}
    work = Work(ClipCache(tmp_path, RAW), sources, timeout=60.0)
    outcomes = dict(preparing._build_in_pool(work, list(sources), jobs=1, in_flight=1))
    assert outcomes == {"clip 0": None, "clip 1": None} and died

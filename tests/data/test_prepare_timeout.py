"""A decoder that hangs is ended and its clip named; the clips beside it are built."""

from functools import partial

import pytest
from stored_clips import RAW, crash, hang, stored_clip

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

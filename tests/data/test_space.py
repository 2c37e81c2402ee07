"""The room that clips take is asked for before anything is decoded."""

from functools import partial
from types import SimpleNamespace

import pytest
from stored_clips import JPEG, RAW, stored_clip

from avbench.data import space
from avbench.data.cache import ClipCache
from avbench.data.prepare import prepare
from avbench.data.space import estimated_bytes, room_for
from avbench.errors import DataError


def test_only_clips_that_are_not_there_count(tmp_path, monkeypatch):
    cache = ClipCache(tmp_path / "not/yet", RAW)
    prepare(cache, {"clip 0": partial(stored_clip, 0)})
    cache.quarantine("bad", "silent", "x")
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * estimated_bytes(RAW)))
    sources = {name: partial(stored_clip, 1) for name in ("clip 0", "bad", "clip 1", "clip 2", "clip 3")}
    with pytest.raises(DataError, match=r"3 clips takes about 46\.1 kB.*free: make room"):
        prepare(cache, sources, room="make room")
    assert not cache.contains("clip 1")
    del sources["clip 3"]
    assert prepare(cache, sources, room="make room").built == 2


def test_raw_clips_take_what_is_estimated(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    prepare(cache, {"clip 0": partial(stored_clip, 0)})
    (path,) = cache.folder.glob("clips/*/*/*")
    assert 0 <= path.stat().st_size - estimated_bytes(RAW) < 1000
    assert estimated_bytes(JPEG) < estimated_bytes(RAW)


def test_many_prepared_clips_say_it_better(tmp_path):
    cache = ClipCache(tmp_path, JPEG)
    prepare(cache, {f"clip {seed}": partial(stored_clip, seed, JPEG) for seed in range(space.SAMPLE)})
    sizes = [path.stat().st_size for path in cache.folder.glob("clips/*/*/*")]
    assert room_for(cache, 1).bytes_per_clip == round(sum(sizes) / len(sizes))

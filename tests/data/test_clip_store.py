"""The store gives the same bytes whatever process reads them and whatever is kept in memory."""

import pickle

import pytest
import torch
from stored_clips import JPEG, RAW, stored_clip
from torch.utils.data import DataLoader

from avbench.batch import Batch
from avbench.config import ClipShape
from avbench.data.cache import ClipCache
from avbench.data.preprocessing import Sampling
from avbench.data.store import ClipStore, collate
from avbench.errors import DataError, UsageError

SHAPE = ClipShape(frames=4, image_size=16, audio_frames=48, mel_bins=16, patch=8)
SAMPLING = Sampling(window_step_seconds=0.125, roll=10)
CLIPS = [f"clip {seed}" for seed in range(6)]
KEYS: list = [(row, 100 + draw) for draw in range(2) for row in range(6)] + [0, 3, 5]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> ClipCache:
    cache = ClipCache(tmp_path_factory.mktemp("cache"), JPEG)
    for seed, clip_id in enumerate(CLIPS):
        cache.write(clip_id, stored_clip(seed))
    return cache


def store_of(cache: ClipCache, keep_in_memory: bool = False) -> ClipStore:
    return ClipStore(cache, CLIPS, cache.preprocessing, SAMPLING, SHAPE, keep_in_memory)


def same(one: dict, other: dict) -> bool:
    return one["clip_id"] == other["clip_id"] and all(torch.equal(one[key], other[key]) for key in ("audio", "video"))


def test_wire_format(cache):
    store = store_of(cache)
    assert len(store) == 6
    assert store.clip_ids == tuple(CLIPS)
    for key in (2, (2, 7)):
        wire = store[key]
        assert wire["clip_id"] == "clip 2"
        assert (wire["audio"].shape, wire["audio"].dtype) == ((1, 48, 16), torch.float16)
        assert (wire["video"].shape, wire["video"].dtype) == ((4, 3, 16, 16), torch.uint8)


def test_evaluation_is_fixed_and_training_follows_the_draw(cache):
    store = store_of(cache)
    assert same(store[1], store[1])
    assert same(store[1, 5], store[1, 5])
    assert not same(store[1, 5], store[1, 6])
    assert not same(store[1, 5], store[1])
    assert torch.equal(store[1]["audio"][0], torch.from_numpy(stored_clip(1).log_mel))


def test_memory_changes_no_byte_and_reads_each_clip_once(cache, monkeypatch):
    plain, kept = store_of(cache), store_of(cache, keep_in_memory=True)
    expected = [plain[key] for key in KEYS]
    reads = []
    original = ClipCache.read
    monkeypatch.setattr(ClipCache, "read", lambda self, *args: reads.append(args) or original(self, *args))
    assert all(same(kept[key], wire) for key, wire in zip(KEYS, expected, strict=True))
    assert len(reads) == len(CLIPS)


def test_what_is_kept_in_memory_is_never_changed(cache):
    store = store_of(cache, keep_in_memory=True)
    before = store_of(cache)[0]
    for key in (0, (0, 1)):
        wire = store[key]
        wire["video"].zero_()
        wire["audio"].zero_()
    assert same(store[0], before)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_worker_processes_give_the_same_bytes(cache, context):
    store = store_of(cache, keep_in_memory=True)
    alone = list(DataLoader(store, batch_size=4, sampler=KEYS, collate_fn=collate))
    loader = DataLoader(
        store, batch_size=4, sampler=KEYS, collate_fn=collate, num_workers=2, multiprocessing_context=context
    )
    for one, other in zip(alone, loader, strict=True):
        assert same(one, other)


def test_a_collated_batch_feeds_the_model(cache):
    wire = collate([store_of(cache)[key] for key in KEYS[:3]])
    batch = Batch.from_wire(**wire)
    assert batch.audio.shape == (3, 1, 48, 16)
    assert batch.video.shape == (3, 4, 3, 16, 16)
    assert batch.clip_id == ("clip 0", "clip 1", "clip 2")


def test_pickling_leaves_the_memory_behind(cache):
    store = store_of(cache, keep_in_memory=True)
    empty = len(pickle.dumps(store))
    assert all(store[row] for row in range(6))
    assert len(pickle.dumps(store)) == empty
    assert same(pickle.loads(pickle.dumps(store))[3, 1], store[3, 1])


def test_missing_clips_and_sizes_that_do_not_fit(cache):
    store = ClipStore(cache, [*CLIPS, "gone"], JPEG, SAMPLING, SHAPE)
    with pytest.raises(DataError, match="'gone'"):
        store[6]
    with pytest.raises(IndexError):
        store[7]
    with pytest.raises(UsageError, match="mel_bins"):
        ClipStore(cache, CLIPS, JPEG, SAMPLING, SHAPE.model_copy(update={"mel_bins": 32}))
    with pytest.raises(AssertionError):
        ClipStore(cache, CLIPS, RAW, SAMPLING, SHAPE)

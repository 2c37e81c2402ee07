"""Clips are named, listed and reproduced: same key, same bytes, whatever else was done."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import avbench
from avbench.data.world import ClipKey, World, WorldClip, WorldConfig
from avbench.errors import DataError

KEYS = [ClipKey("train", 2, 1, 5), ClipKey("retrieval", 7, 3, 0), ClipKey("base", None, 9, 2)]


def same(one: WorldClip, other: WorldClip) -> bool:
    return np.array_equal(one.frames, other.frames) and np.array_equal(one.waveform, other.waveform)


def test_bytes_do_not_depend_on_order_or_on_what_the_world_lists() -> None:
    world = World(WorldConfig())
    forward = [world.render(key) for key in KEYS]
    other = World(WorldConfig(classes_per_task=20, train_clips=7, test_clips=300, base_classes=64, base_clips=3))
    backward = [other.render(key) for key in reversed(KEYS)][::-1]
    assert all(same(*pair) for pair in zip(forward, backward, strict=True))
    assert world.config.fingerprint() == other.config.fingerprint()


def test_bytes_do_not_depend_on_the_process() -> None:
    code = f"""
import hashlib
from avbench.data.world import ClipKey, World
clip = World().render(ClipKey.parse({KEYS[0].clip_id!r}))
print(hashlib.sha256(clip.frames.tobytes() + clip.waveform.tobytes()).hexdigest())
"""
    command, folder = [sys.executable, "-c", code], Path(avbench.__file__).parents[1]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout
    clip = World().render(KEYS[0])
    assert printed.strip() == hashlib.sha256(clip.frames.tobytes() + clip.waveform.tobytes()).hexdigest()


def test_seed_and_key_change_everything() -> None:
    clips = [World(WorldConfig(seed=seed)).render(key) for seed in (0, 1) for key in KEYS]
    assert not any(same(clips[a], clips[b]) for a in range(6) for b in range(a))


def test_fingerprint_changes_with_every_dial_that_shapes_a_clip() -> None:
    changed = {
        "seed": 1, "image_size": 96, "frames": 4, "seconds": 3.0, "sample_rate": 8000, "sources": 2, "distractors": 0,
        "distractor_activity": 1.0, "recurring_looks": 1.0, "sparsity": 1.0, "salience": 0.0, "clutter": 0.0,
        "video_noise": 0.0, "snr_db": None,
    }  # fmt: skip
    prints = {WorldConfig.model_validate({name: value}).fingerprint() for name, value in changed.items()}
    assert len(prints | {WorldConfig().fingerprint()}) == len(changed) + 1
    assert set(changed) | {"classes_per_task", "train_clips", "test_clips", "base_classes", "base_clips"} == set(
        WorldConfig.model_fields
    )


def test_a_frame_depends_on_its_own_time_only() -> None:
    world = World(WorldConfig())
    times = world.frame_times()
    together = world.render(KEYS[0])
    alone = [world.render(KEYS[0], times[number : number + 1]) for number in (6, 2)]
    assert np.array_equal(together.frames[[6, 2]], np.concatenate([clip.frames for clip in alone]))


def test_the_same_scene_at_every_resolution_and_rate() -> None:
    small, large = (World(WorldConfig(image_size=size, video_noise=0.0)) for size in (64, 128))
    one, two = (world.render(KEYS[0]) for world in (small, large))
    halved = two.frames.reshape(8, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - one.frames).mean() < 3
    assert np.array_equal(one.waveform, two.waveform)
    sharper = World(WorldConfig(sample_rate=48000)).render(KEYS[0]).waveform
    assert sharper.shape == (3 * 40960,)
    assert np.corrcoef(sharper[::3], one.waveform)[0, 1] > 0.99


def test_lists_are_disjoint_complete_and_named() -> None:
    world = World(WorldConfig(train_clips=3, test_clips=2, base_classes=5, base_clips=4))
    lists = {split: world.clips(split) for split in ("train", "retrieval", "evaluation", "base")}
    assert {split: len(keys) for split, keys in lists.items()} == {
        "train": 96, "retrieval": 64, "evaluation": 64, "base": 20,
    }  # fmt: skip
    keys = [key for each in lists.values() for key in each]
    assert len({key.clip_id for key in keys}) == len(keys)
    assert [World.parse(key.clip_id) for key in keys] == keys
    assert world.clips("train", 3) == [key for key in lists["train"] if key.task == 3]
    assert len({world.scene(key).seed for key in keys}) == len(keys)


@pytest.mark.parametrize("clip_id", ["", "train-8-00-0000", "train-0-20-0000", "base-64-0000", "base-1-00-0000", "x"])
def test_other_names_are_refused(clip_id: str) -> None:
    with pytest.raises(DataError, match="embedded world"):
        ClipKey.parse(clip_id)

"""The layouts of extracted pictures and sound, as whole data sets and for a benchmark."""

import wave
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import ytid
from PIL import Image
from vggsound_tree import benchmark

from avbench.benchmarks.dataset_audit import audit
from avbench.benchmarks.datasets import DatasetOnDisk
from avbench.benchmarks.known_datasets import find
from avbench.data.cache import ClipCache
from avbench.data.prepare import prepare
from avbench.data.preprocessing import Preprocessing

SETTINGS = Preprocessing(clip_seconds=2.0, stored_frames=16, stored_size=32, audio_frames=200, mel_bins=16)


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (level, level, level)).save(path)


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = np.round(8000 * np.sin(np.arange(32000) / 5)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(tone.tobytes())


def vggsound(root: Path, layout: str) -> Path:
    """Three clips, the last with a picture lost."""
    root.mkdir()
    rows = "".join(f"{ytid(n)},{n},tap dancing,{'train' if n else 'test'}\n" for n in range(3))
    (root / "vggsound.csv").write_text(rows)
    for n in range(3):
        if layout == "STELLA":
            name = f"{ytid(n)}_{1000 * n}_{1000 * n + 10000}"
            for k in range(16):
                if (n, k) != (2, 5):
                    picture(root / f"vggsound/data/frames/{name}/frame_{k}.jpg", 10 * k)
        else:
            name = f"{ytid(n)}_{n:06d}"
            for k in range(10):
                if (n, k) != (2, 5):
                    picture(root / f"frames/frame_{k}/{name}.jpg", 16 * k)
        sound(root / f"vggsound/data/audio/{name}.wav")
    return root


@pytest.mark.parametrize("layout", ["STELLA", "CAV-MAE"])
def test_vggsound_from_pictures_and_sound(tmp_path, layout):
    data = DatasetOnDisk(find("vggsound"), vggsound(tmp_path / "v", layout))
    cache = ClipCache(tmp_path / "cache", SETTINGS)
    prepare(cache, {clip_id: data.source(clip_id, SETTINGS) for clip_id in data.found})
    made = audit(data, cache)
    ids = [f"{ytid(n)}_{n:06d}" for n in range(3)]
    assert {clip_id: reason for clip_id, (reason, _) in made.problems.items()} == {ids[2]: "incomplete"}
    assert made.together.usable == 2 and made.together.lost["undecodable"] == 1
    assert list(made.about["layouts"].values()) == [3]
    levels = cache.read(ids[0]).frames.mean(axis=(1, 2, 3))
    steps = np.arange(16) * 10 if layout == "STELLA" else 16 * np.round(np.arange(16) / 8 * 5 - 1e-9)
    assert np.abs(levels - steps).max() <= 2  # STELLA: eight a second; CAV-MAE: ten a clip


def test_a_benchmark_reads_the_same_layouts(tmp_path):
    plugin = benchmark(vggsound(tmp_path / "v", "STELLA"), tmp_path / "cache")
    sports = next(task for task in plugin.clip_list.tasks if "tap dancing" in task.classes)
    place = plugin.clip_list.tasks.index(sports)
    listed = [clip.clip_id for clip in plugin.clip_list.streams["train"][place].clips]
    assert listed == [f"{ytid(1)}_000001", f"{ytid(2)}_000002"]
    report = plugin._prepare(listed[:1], None)
    assert report.ready == (listed[0],)


def test_ave_of_lavish_and_avsbench_without_its_videos(tmp_path):
    root = tmp_path / "ave"
    root.mkdir()
    (root / "Annotations.txt").write_text(
        f"Bark&{ytid(0)}&good&0&10\nBark&{ytid(1)}&good&0&10\nBark&{ytid(2)}&good&0&10"
    )
    for number, split in enumerate(("train", "val", "test")):
        (root / f"{split}Set.txt").write_text(f"Bark&{ytid(number)}&good&0&10\n")
    for k in range(1, 9):
        picture(root / f"video_frames/{ytid(0)}/{k:04d}.jpg", 10 * k)
    sound(root / f"raw_audio/{ytid(0)}.wav")
    base = tmp_path / "Single-source"
    base.mkdir()
    (base / "s4_meta_data.csv").write_text(f"name,start,category,split\n{ytid(0)},0,helicopter,train\n")
    for k in (1, 2):
        picture(base / f"s4_data/visual_frames/train/helicopter/{ytid(0)}/{ytid(0)}_{k}.png", 100 * k)
    picture(base / f"s4_data/gt_masks/train/helicopter/{ytid(0)}/{ytid(0)}_1.png", 255)
    sound(base / f"s4_data/audio_wav/train/helicopter/{ytid(0)}.wav")
    for name, place, levels in (("ave", root, {10, 80}), ("avsbench", tmp_path, {100, 200})):
        data = DatasetOnDisk(find(name), place)
        cache = ClipCache(tmp_path / "cache" / name, SETTINGS)
        assert prepare(cache, {clip_id: data.source(clip_id, SETTINGS) for clip_id in data.found}).ready == (ytid(0),)
        frames = cache.read(ytid(0)).frames
        assert {round(float(frames[0].mean())), round(float(frames[-1].mean()))} == levels
        assert not audit(data, cache).problems

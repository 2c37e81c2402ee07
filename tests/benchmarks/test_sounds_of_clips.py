"""What a benchmark gives to be heard is what its spectrograms were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vggsound_tree import RATE, benchmark, file_name, lines, touch, write_clip, write_list

from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.continual_vs import task_classes
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.config import resolve_benchmark
from avbench.data.spectrogram import log_mel
from avbench.errors import MediaError


def test_of_the_world() -> None:
    config = resolve_benchmark("continual-synth")
    plugin = ContinualSynth(config)
    clip_id = plugin.clip_list.clip_ids[-1]
    sound = plugin.sound_of(clip_id)
    rendered = plugin.world.render(plugin.world.parse(clip_id)).waveform
    assert sound.sample_rate == plugin.data.world.sample_rate
    assert (sound.waveform == rendered).all()
    spectrogram = plugin.source(clip_id)().log_mel
    assert np.array_equal(log_mel(sound.waveform, plugin.data.preprocessing).astype(np.float16), spectrogram)


def test_of_a_recording(tmp_path: Path) -> None:
    rows = [
        row
        for number, classes in enumerate(task_classes().values())
        for split, place in (("train", 0), ("test", 1))
        for row in lines(classes.task.classes[0], split, [2 * number + place])
    ]
    root = tmp_path / "vggsound"
    write_list(root / "vggsound.csv", rows)
    touch(root, rows)
    write_clip(root / "video" / file_name(rows[0]))
    (root / "video" / file_name(rows[2])).write_bytes(write_clip(tmp_path / "mute.mp4", sound=False))
    plugin = benchmark(root, tmp_path / "cache", {})
    heard, mute = (f"{row[0]}_{row[1]:06d}" for row in (rows[0], rows[2]))
    sound = plugin.sound_of(heard)
    assert sound is not None
    assert sound.sample_rate == RATE and 0.9 * RATE < len(sound.waveform) <= RATE
    spectrogram = plugin.source(heard)().log_mel
    assert np.array_equal(log_mel(sound.waveform, plugin.data.preprocessing).astype(np.float16), spectrogram)
    with pytest.raises(MediaError):
        plugin.sound_of(mute)


def test_a_benchmark_that_says_nothing_stays_silent() -> None:
    assert BenchmarkPlugin.sound_of(None, "a clip") is None  # type: ignore[arg-type]

"""The truth of rendered clips: the same frames, geometry and columns as the view a model is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from silent_mask import silent_mask

from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.streams import ClipTruth, rows_of
from avbench.config import ClipShape, RunConfig
from avbench.data.transforms import evaluation_frames
from avbench.data.world.scene import EVENT_FADE
from avbench.errors import DataError

WORLD = {"classes_per_task": 2, "train_clips": 1, "test_clips": 2, "image_size": 32, "frames": 8, "seconds": 2.0}
QUIET = {"snr_db": None, "distractors": 2, "distractor_activity": 1.0}
SHAPE = ClipShape(frames=4, image_size=32, audio_frames=100, mel_bins=128, patch=2)


def plugin(cache: Path, world: dict[str, Any] | None = None, shape: ClipShape = SHAPE, **data: Any) -> ContinualSynth:
    section = {"world": WORLD | (world or {}), "cache": cache, "jobs": 1, **data}
    return ContinualSynth(RunConfig(strategy="none", bench="continual-synth", clip=shape, data=section))


def clip_ids(made: ContinualSynth) -> list[str]:
    return [clip.clip_id for task in made.list_clips().streams["retrieval"] for clip in task.clips]


@pytest.mark.parametrize("frames", ["segments", "window"])
@pytest.mark.parametrize("world", [{}, {"sources": 2, "distractors": 0}])
def test_masks_are_those_of_the_frames_that_are_shown(tmp_path: Path, frames: str, world: dict[str, Any]) -> None:
    sampling = {"frames": frames, "window_step_seconds": 0.25}
    made = plugin(tmp_path, world, sampling=sampling)
    numbers = evaluation_frames(made.data.preprocessing, made.data.sampling, SHAPE)
    assert numbers == ([1, 3, 5, 7] if frames == "segments" else [2, 3, 4, 5])
    for clip_id in clip_ids(made)[::5]:
        truth, whole = made.truth_of(clip_id), made.world.render(made.world.parse(clip_id)).truth
        assert np.array_equal(truth.sources, whole.source_mask[numbers])
        assert truth.silent is not None and np.array_equal(truth.silent, silent_mask(whole)[numbers])
        assert np.array_equal(truth.heard, whole.sounding(whole.times[numbers]))
        assert truth.sources.any() and truth.heard.any()


def test_masks_are_resized_with_the_frames(tmp_path: Path) -> None:
    small = ClipShape(frames=4, image_size=16, audio_frames=100, mel_bins=128, patch=2)
    large, reduced = plugin(tmp_path), plugin(tmp_path, shape=small)
    clip_id = clip_ids(large)[0]
    full, half = large.truth_of(clip_id).sources, reduced.truth_of(clip_id).sources
    assert half.shape == (4, 16, 16)
    share = full.reshape(4, 16, 2, 16, 2).mean(axis=(2, 4))
    assert half[share == 1].mean() > 0.98 and half[share == 0].mean() < 0.02


def test_columns_are_active_when_the_spectrogram_is(tmp_path: Path) -> None:
    """Outside its gates a source is silent, and silent objects, however active, are never heard."""
    made = plugin(tmp_path, QUIET | {"sparsity": 0.6, "test_clips": 1})
    checked = 0
    for clip_id in clip_ids(made):
        key = made.world.parse(clip_id)
        truth, source = made.truth_of(clip_id), made.world.render(key).truth.objects[0]
        assert truth.active is not None
        log_mel = made.source(clip_id)().log_mel.astype(np.float32).mean(axis=1)
        assert truth.active.shape == log_mel.shape
        times = np.arange(100) * 0.02 + 0.0125
        if not made.world.identity(key).family.steady:
            since = times[:, None] - source.events
            inside = ((times[:, None] > source.gates[:, 0]) & (times[:, None] < source.gates[:, 1])).any(axis=1)
            assert np.array_equal(truth.active, inside & ((since >= 0) & (since < EVENT_FADE)).any(axis=1))
            continue
        edges = np.abs(times[:, None] - source.gates.flatten()).min(axis=1) < 0.03
        edges[-1] = True  # padding
        silence = log_mel.min()
        assert (log_mel[truth.active & ~edges] > silence + 0.05).all()
        assert (log_mel[~truth.active & ~edges] <= silence + 0.05).all()
        checked += 1
    assert 2 <= checked < len(clip_ids(made))


def test_a_built_benchmark_knows_the_truth_of_its_clips(tmp_path: Path) -> None:
    made = plugin(tmp_path).build()
    row = rows_of(made.scenario.retrieval_stream[3])[1]
    truth, view = made.truth_of(made.store.clip_ids[row]), made.store[row]
    assert isinstance(truth, ClipTruth) and truth.active is not None
    assert truth.sources.shape == view["video"][:, 0].shape and truth.active.shape == view["audio"][0, :, 0].shape
    with pytest.raises(DataError):
        made.truth_of("no clip of this world")

"""Continual-Synth on tiny worlds: the same protocol, rendered once, and base clips that no task contains."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avbench.benchmarks import continual_synth
from avbench.benchmarks.continual_synth import ContinualSynth, SyntheticData
from avbench.benchmarks.streams import ORDERS, STREAMS, AudioVideoBenchmark, rows_of
from avbench.config import ClipShape, RunConfig, resolve_benchmark, validate
from avbench.data import sampling
from avbench.errors import UsageError

SHAPE = ClipShape(frames=2, image_size=32, audio_frames=50, mel_bins=128, patch=2)
WORLD = {
    "classes_per_task": 2,
    "train_clips": 2,
    "test_clips": 1,
    "base_classes": 3,
    "base_clips": 4,
    "image_size": 32,
    "frames": 2,
    "seconds": 1.0,
}


def plugin(cache: Path, world: dict[str, Any] | None = None, **config: Any) -> ContinualSynth:
    data = {"world": WORLD | (world or {}), "cache": cache, "jobs": 1, "base_queries": 1}
    values = {"strategy": "none", "bench": "continual-synth", "clip": SHAPE, "data": data}
    return ContinualSynth(RunConfig(**(values | config)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def built(cache: Path) -> AudioVideoBenchmark:
    return plugin(cache).build()


def ids(made: AudioVideoBenchmark, stream: str) -> list[list[str]]:
    experiences = getattr(made.scenario, f"{stream}_stream")
    return [[made.store.clip_ids[row] for row in rows_of(experience)] for experience in experiences]


def test_streams_have_their_sizes_and_share_no_clip(built: AudioVideoBenchmark) -> None:
    sizes = {stream: [len(group) for group in ids(built, stream)] for stream in STREAMS}
    assert sizes == {"train": [4] * 8, "evaluation": [2] * 8, "retrieval": [2] * 8}
    every = [clip for stream in STREAMS for group in ids(built, stream) for clip in group]
    assert len(every) == len(set(every)) == len(built.store)


def test_it_says_that_it_is_synthetic(built: AudioVideoBenchmark) -> None:
    assert built.synthetic and built.name == "continual-synth" and "world" in built.version


def test_samples_have_the_models_shape(built: AudioVideoBenchmark) -> None:
    for stream in (built.scenario.train_stream, built.scenario.retrieval_stream):
        sample = stream[3].dataset[0]
        assert sample["audio"].shape == (1, 50, 128) and sample["audio"].dtype == torch.float16
        assert sample["video"].shape == (2, 3, 32, 32) and sample["video"].dtype == torch.uint8


def test_labels_are_classes_of_the_task(built: AudioVideoBenchmark) -> None:
    for task, group in zip(built.tasks, ids(built, "retrieval"), strict=True):
        assert {built.label_of(clip) for clip in group} == set(task.classes)
    assert all(built.label_of(clip) == "" for group in ids(built, "train") for clip in group)


def test_a_second_build_renders_nothing(
    built: AudioVideoBenchmark, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continual_synth, "render", None)
    report = plugin(cache).prepare()
    assert report.built == 0 and len(report.ready) == len(built.store)
    again = plugin(cache).build()
    assert again.clip_list_hash == built.clip_list_hash
    assert torch.equal(again.store[0]["audio"], built.store[0]["audio"])


def test_the_shuffled_order_holds_the_same_clips(built: AudioVideoBenchmark, cache: Path) -> None:
    shuffled = plugin(cache, order="shuffled").build()
    assert tuple(task.id for task in shuffled.tasks) == ORDERS["shuffled"]
    place = {task.id: number for number, task in enumerate(built.tasks)}
    for stream in STREAMS:
        expected = [ids(built, stream)[place[identifier]] for identifier in ORDERS["shuffled"]]
        assert ids(shuffled, stream) == expected
    assert shuffled.clip_list_hash != built.clip_list_hash


def test_limit(cache: Path) -> None:
    limited = plugin(cache, limit=2).build()
    assert [len(group) for group in ids(limited, "train")] == [2] * 8
    classes = [{clip.split("-")[2] for clip in group} for group in ids(limited, "train")]
    assert classes == [{"00", "01"}] * 8


def test_another_world_never_reads_this_ones_clips(cache: Path) -> None:
    assert plugin(cache, {"seed": 1}).cache.folder != plugin(cache).cache.folder
    assert plugin(cache, {"train_clips": 3}).cache.folder == plugin(cache).cache.folder


def test_base_clips_are_of_no_task_and_held_out_ones_are_not_trained_on(cache: Path) -> None:
    base = plugin(cache).build_base()
    (train,), (held_out,) = ids(base, "train"), ids(base, "retrieval")
    assert len(train) == 9 and len(held_out) == 3 and not set(train) & set(held_out)
    assert all(clip.startswith("base-") for clip in train + held_out)
    assert base.synthetic and len(base.tasks) == 1


def test_preprocessing_follows_the_world() -> None:
    data = validate(SyntheticData, {"world": {"image_size": 96, "seconds": 5.12, "frames": 4}}, "data")
    stored = data.preprocessing
    assert (stored.stored_size, stored.stored_frames, stored.clip_seconds, stored.audio_frames) == (96, 4, 5.12, 256)
    assert data.sampling.crop == "none" and data.sampling.frames == "segments"
    assert validate(SyntheticData, data.model_dump(mode="json"), "data") == data


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"preprocessing": {"stored_size": 48}}, "stored_size = 48, but clips are rendered with image_size = 64"),
        ({"world": {"frames": 0}}, r"data\.world\.frames"),
        ({"world": {"classes": 3}}, "unknown option"),
        ({"world": 3}, r"data\.world"),
        ({"preprocessing": {"frame_shift_ms": 0}}, r"data\.preprocessing\.frame_shift_ms"),
        ({"preprocessing": {"stored_sise": 64}}, "did you mean 'stored_size'"),
        ({"base_queries": 200}, "leaves none of 100 base clips"),
    ],
)
def test_sections_that_do_not_fit(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        validate(SyntheticData, values, "data")


@pytest.mark.parametrize("bench", ["continual-synth", "continual-vs"])
@pytest.mark.parametrize("profile", ["quick", "standard", "paper"])
def test_every_profile_fits_together(bench: str, profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from avbench import registry

    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path))
    config = resolve_benchmark(bench, profile)
    made = registry.find("benchmarks", bench).load()(config)
    sampling.check(made.data.preprocessing, made.data.sampling, config.clip)
    card = registry.find("benchmarks", bench).card()
    assert card["synthetic"] == made.synthetic and card["summary"] and card["paper"]
    if profile == "paper":
        assert (config.model.width, config.clip.image_size, config.training.epochs) == (768, 224, 10)

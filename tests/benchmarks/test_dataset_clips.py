"""Clips of a data set for a downstream task: which are taken, which are left out and counted, and retrieval on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from dataset_trees import KINDS, Tree, msrvtt, world_clips

from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.dataset_clips import DatasetClips
from avbench.config import RunConfig, merge, resolve
from avbench.errors import DataError
from avbench.evaluation.downstream.retrieval import SOUNDLESS, FineTunedRetrieval, RetrievalOptions
from avbench.evaluation.downstream.task import Place, Workbench
from avbench.model.mae import AudioVideoMAE

SMALL: dict[str, Any] = {
    "clip": {"image_size": 32, "audio_frames": 64, "mel_bins": 64, "patch": 16},
    "model": {"width": 16, "heads": 2, "unimodal_depth": 1, "decoder_width": 16, "decoder_heads": 2, "mask_ratio": 0.7},
    "training": {"base_weights": None},
    "data": {
        "jobs": 1,
        "world": {"image_size": 32, "seconds": 1.28, "frames": 8, "classes_per_task": 1, "train_clips": 1},
        "preprocessing": {"mel_bins": 64},
    },
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("msrvtt")
    return msrvtt(folder / "tree", world_clips(folder / "clips"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    data = {"data": {"cache": str(tmp_path_factory.mktemp("cache"))}}
    return resolve("finetune", "continual-synth", overrides=[merge(SMALL, data)])


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A miniature is half made of defects."""
    monkeypatch.setattr("avbench.benchmarks.prepared.UNREADABLE_SHARE", 0.5)


def test_what_has_no_sound_is_left_out_and_what_is_broken_is_counted(
    tree: Tree, config: RunConfig, lenient: None
) -> None:
    clips = DatasetClips(ContinualSynth(config), "msrvtt", tree.root, "miech", SOUNDLESS)
    store, coverage, quarantined = clips.prepare({"train": "train", "test": "test"})
    assert coverage["train"].listed + coverage["test"].listed == len(KINDS)
    missing = sum(kind == "missing" for kind in tree.kinds.values())
    assert coverage["train"].missing + coverage["test"].missing == missing
    assert {tree.kinds[name] for name in quarantined} >= {"no sound", "silent", "text", "cut off"}
    assert not set(store.clip_ids) & set(quarantined)
    assert all(str(tree.root) not in message for _, message in quarantined.values())


def test_too_many_broken_clips_are_refused_but_soundless_ones_are_none(tree: Tree, config: RunConfig) -> None:
    with pytest.raises(DataError, match=r"can't be read") as refused:
        DatasetClips(ContinualSynth(config), "msrvtt", tree.root, "miech", SOUNDLESS).prepare({"train": "train"})
    assert "no-audio" not in str(refused.value) and "silent" not in str(refused.value)


def test_retrieval_on_recordings(tree: Tree, config: RunConfig, lenient: None) -> None:
    place = Place(config, ContinualSynth(config), tree.root)
    task = FineTunedRetrieval(place, RetrievalOptions(epochs=1, batch_size=2, learning_rate=1e-3))
    splits = task.splits()
    assert splits.dataset == "MSR-VTT" and not splits.synthetic
    assert task.youtube_ids(splits) == {}  # MSR_VTT.json holds none
    scores = task.evaluate(AudioVideoMAE(config.clip, config.model), splits, Workbench(config, torch.device("cpu"), 0))
    assert len(scores.outcomes["R@1 audio2video"]) == len(splits.test) == splits.coverage["test"].usable
    assert scores.chance["R@1 audio2video"] == pytest.approx(100 / len(splits.test))


def test_a_folder_has_to_be_named_and_to_be_there(config: RunConfig, tmp_path: Path) -> None:
    benchmark = ContinualSynth(config)
    with pytest.raises(DataError, match=r"no folder is named: give --data-root"):
        DatasetClips(benchmark, "msrvtt", None)
    with pytest.raises(DataError, match=r"which is no folder"):
        DatasetClips(benchmark, "msrvtt", tmp_path / "nothing")

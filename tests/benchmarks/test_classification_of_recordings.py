"""Classification of clips that were recorded: labels of AudioSet's lists, classes without clips, where clips lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from audioset_tree import EVAL, TRAIN, Line, benchmark, line, one_of_each, touch, write_segments
from vggsound_tree import write_clip

from avbench import registry
from avbench.benchmarks.continual_as import ContinualAS
from avbench.benchmarks.continual_as_tasks import task_classes
from avbench.config import ModelConfig
from avbench.downstream.options import resolve_options
from avbench.errors import DataError
from avbench.evaluation.downstream.classification import Classification, ClassificationOptions
from avbench.evaluation.downstream.task import Place, Workbench
from avbench.model.mae import AudioVideoMAE

OPTIONS = ClassificationOptions(epochs=1, warmup_epochs=0, held_out=2, test_views=2, mask_bins=2, mask_columns=4)
FIRST, SECOND = next(iter(task_classes().values())).task.classes[:2]
BOTH = line(70, FIRST, SECOND)


@pytest.fixture
def recorded(tmp_path: Path) -> ContinualAS:
    """Two train clips and a test clip of a class of every task, and a test clip of two classes."""
    root = tmp_path / "audioset"
    train, tested = [*one_of_each(900), *one_of_each(920), line(60, SECOND)], [*one_of_each(950), BOTH]
    write_segments(root / TRAIN, train)
    write_segments(root / EVAL, tested)
    clip = write_clip(tmp_path / "clip.mp4")
    touch(root, [*train, *tested], content=clip)
    return benchmark(root, tmp_path / "cache", {"sampling": {"frames": "window", "window_step_seconds": 0.25}})


def test_a_clip_has_every_class_that_its_labels_name(recorded: ContinualAS) -> None:
    clips = {clip.clip_id: clip for group in recorded.clip_list.streams["evaluation"] for clip in group.clips}
    assert set(recorded.labels_of(clips[BOTH.clip_id])) == {FIRST, SECOND}
    assert all(len(recorded.labels_of(clip)) == 1 for name, clip in clips.items() if name != BOTH.clip_id)


def test_categories_that_are_classes_themselves_are_judged_too(recorded: ContinualAS) -> None:
    """171 classes: those of the tasks and the ten that are the categories themselves."""
    head = Classification(Place(recorded.config, recorded), OPTIONS)
    assert head.classes == recorded.labels and len(set(head.classes)) == len(head.classes) == 171
    owned = [len(classes.names) - len(classes.trained) for classes in task_classes().values()]
    assert sum(owned) == 10 and {"Vehicle", "Animal", "Musical instrument"} <= set(head.classes)
    assert [name for task in recorded.tasks for name in task_classes()[task.id].names.values()] == list(recorded.labels)


def test_a_clips_category_is_a_target(tmp_path: Path) -> None:
    root = tmp_path / "audioset"
    train, tested = [*one_of_each(900), line(61, "Animal", "Owl")], [*one_of_each(950), line(62, "Owl", "Animal")]
    write_segments(root / TRAIN, train)
    write_segments(root / EVAL, tested)
    touch(root, [*train, *tested], content=write_clip(tmp_path / "clip.mp4"))
    plugin = benchmark(root, tmp_path / "cache", {"sampling": {"frames": "window", "window_step_seconds": 0.25}})
    head = Classification(Place(plugin.config, plugin), OPTIONS)
    test = head.splits().test
    row = test.names.index(line(62).clip_id)
    assert {head.classes[place] for place in test.targets[row].nonzero()[:, 0]} == {"Owl", "Animal"}


def test_spectrograms_are_hidden_in_part_on_vggsound_alone(recorded: ContinualAS) -> None:
    task = registry.find("downstream", "classification")
    for bench, masks in (("continual-vs", (48, 192)), ("continual-as", (0, 0))):
        config = recorded.config.model_copy(update={"bench": bench})
        options = resolve_options(task, config, "paper", {})
        assert (options.mask_bins, options.mask_columns) == masks


def test_recordings_are_judged_by_map(recorded: ContinualAS) -> None:
    model = ModelConfig(
        width=16, heads=2, unimodal_depth=1, fusion_depth=1, decoder_width=16, decoder_depth=1, decoder_heads=2,
        mask_ratio=0.5,
    )  # fmt: skip
    task = Classification(Place(recorded.config, recorded), OPTIONS)
    splits = task.splits()
    assert not splits.synthetic and len(splits.test) == 8 and len(splits.train) == 8 and len(splits.validation) == 7
    assert splits.test.views[0]["video"].shape[0] == 2
    assert any("classes have no test clip" in note for note in splits.notes)
    net = AudioVideoMAE(recorded.config.clip, model)
    scores = task.evaluate(net, splits, Workbench(recorded.config, torch.device("cpu"), 0))
    assert set(scores.pooled) == {"mAP"} and 0 < scores.chance["mAP"] < 100


def test_clips_may_have_moved(recorded: ContinualAS, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    assert recorded.data.root is not None
    recorded.data.root.rename(elsewhere)
    with pytest.raises(DataError, match="no folder"):
        Classification(Place(recorded.config, benchmark(recorded.data.root, tmp_path / "cache")), OPTIONS).splits()
    assert len(Classification(Place(recorded.config, recorded, elsewhere), OPTIONS).splits().test) == 8


def test_what_is_tested_must_be_learnable(tmp_path: Path) -> None:
    root = tmp_path / "audioset"
    train: list[Line] = one_of_each(900)
    tested = [*one_of_each(950), line(71, SECOND)]
    write_segments(root / TRAIN, train)
    write_segments(root / EVAL, tested)
    touch(root, [*train, *tested], content=write_clip(tmp_path / "clip.mp4"))
    plugin = benchmark(root, tmp_path / "cache")
    with pytest.raises(DataError, match=SECOND):
        Classification(Place(plugin.config, plugin), OPTIONS).splits()

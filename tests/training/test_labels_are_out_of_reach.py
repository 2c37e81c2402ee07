"""What a strategy is given says nothing of classes and tasks, and says so when it is asked."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from avbench.batch import LABELS, Batch
from avbench.errors import TaskFreeError
from avbench.training.step import Step


def step() -> Step:
    batch = Batch(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 3, 8, 8), ("a", "b"))
    return Step({"audio": batch.audio, "video": batch.video, "clip_id": ["a", "b"]}, batch)


@pytest.mark.parametrize("name", sorted(LABELS))
def test_reading_a_label_or_task_is_an_error_that_names_it(name: str) -> None:
    for owner in (step(), step().stream):
        with pytest.raises(TaskFreeError, match=f"{type(owner).__name__}.{name}"):
            getattr(owner, name)


def test_other_names_are_missing_in_the_ordinary_way() -> None:
    assert not hasattr(step(), "loss")
    assert not hasattr(step().stream, "audios")
    with pytest.raises(AttributeError, match="'Batch' object has no attribute 'audios'"):
        _ = step().stream.audios


def test_batches_are_copied_and_pickled_as_ever() -> None:
    batch = step().stream
    for other in (copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))):
        assert torch.equal(other.audio, batch.audio)
        assert other.clip_id == batch.clip_id

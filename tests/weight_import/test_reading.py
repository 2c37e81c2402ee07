"""Checkpoint files: every usual way of keeping weights is read, and nothing in a file is executed."""

from __future__ import annotations

import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from avbench.errors import CheckpointError, UsageError
from avbench.weight_import.reading import read_checkpoint

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}


def same(path: Path) -> None:
    found = read_checkpoint(path)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_every_usual_form(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    save_file(TENSORS, path)
    same(path)
    wrapped = {f"module.{name}": tensor for name, tensor in TENSORS.items()}
    arguments = argparse.Namespace(lr=0.1)
    for content in (
        TENSORS,
        wrapped,
        {"model": TENSORS, "epoch": 3, "args": arguments},
        {"state_dict": wrapped, "best": 0.5},
    ):
        torch.save(content, path)
        same(path)
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    same(path)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path, archive: bool) -> None:
    trap, path = tmp_path / "ran", tmp_path / "evil.pth"
    torch.save(TENSORS | {"evil": Evil(trap)}, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(CheckpointError, match=r"can't be read safely.*system.*nothing was executed"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil(trap)))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert not trap.exists()


def test_what_is_no_checkpoint_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    with pytest.raises(UsageError, match="can't read the checkpoint"):
        read_checkpoint(path)
    torch.save(TENSORS, path)
    whole = path.read_bytes()
    for content in (b"", b"not a checkpoint", whole[: len(whole) // 2], b"\x10\0\0\0\0\0\0\0{" + b"x" * 40):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pth"):
            read_checkpoint(path)
    endless = {"a": torch.ones(1).expand(10**15)}  # a few bytes that stand for more than any memory
    sparse = {"a": torch.eye(2).to_sparse()}
    empty = {"a": torch.empty(2, device="meta")}
    for content in ([1, 2], {}, {"epoch": 3}, {"model": {"lr": 0.1}}, {3: torch.ones(2)}, endless, sparse, empty):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=r"holds (no|other)"):
            read_checkpoint(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(UsageError, match="is a device or a pipe; name an ordinary file"):
        read_checkpoint(tmp_path / "pipe.pth")

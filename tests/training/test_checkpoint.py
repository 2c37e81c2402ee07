"""Checkpoints appear whole or not at all, and execute nothing."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from avbench.errors import CheckpointError
from avbench.training import checkpoint as checkpoints
from avbench.training.checkpoint import Checkpoint


def example(value: float = 1.0) -> Checkpoint:
    return Checkpoint({"model": {"w": torch.full((3, 4), value)}, "empty": {}}, {"progress": {"step": 7}})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, 7, 1, example(), keep=2)
    loaded = checkpoints.load(path)
    assert torch.equal(loaded.tensors["model"]["w"], example().tensors["model"]["w"])
    assert loaded.tensors["empty"] == {}
    assert loaded.state == {"progress": {"step": 7}}


def test_tied_weights_and_views_come_back_as_they_were(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    tensors = {"one": whole, "same": whole, "row": whole[1], "turned": whole.T, "apart": torch.ones(2)}
    saved = checkpoints.save(tmp_path, 1, 0, Checkpoint({"strategy": tensors}, {}), keep=1)
    loaded = checkpoints.load(saved).tensors["strategy"]
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    for step, finished in [(5, 0), (10, 0), (10, 1), (200, 1)]:
        checkpoints.save(tmp_path, step, finished, example(step), keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000010-0001", "step-000000200-0001"]
    assert checkpoints.latest(tmp_path) == tmp_path / "step-000000200-0001"


def test_without_checkpoints_there_is_no_latest(tmp_path: Path) -> None:
    assert checkpoints.latest(tmp_path) is None


@pytest.mark.parametrize("failing", ["write_tensors", "flush"])
def test_a_full_disk_leaves_the_previous_checkpoint_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    first = checkpoints.save(tmp_path, 1, 0, example(1.0), keep=2)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, failing, full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoints.save(tmp_path, 2, 0, example(2.0), keep=2)
    assert [p.name for p in tmp_path.iterdir()] == [first.name]
    assert torch.equal(checkpoints.load(first).tensors["model"]["w"], torch.full((3, 4), 1.0))


def test_what_a_killed_process_left_half_written_is_never_taken_for_a_checkpoint(tmp_path: Path) -> None:
    first = checkpoints.save(tmp_path, 1, 0, example(), keep=2)
    partial = tmp_path / ".partial-99-step-000000002-0000"
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")
    assert checkpoints.latest(tmp_path) == first
    checkpoints.save(tmp_path, 3, 0, example(), keep=2)
    assert not partial.exists()


def test_a_malicious_pickle_is_refused_and_nothing_in_it_runs(tmp_path: Path) -> None:
    path, marker = checkpoints.save(tmp_path, 1, 0, example(), keep=1), tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (marker,))  # type: ignore[return-value]

    file = path / "model.safetensors"
    file.write_bytes(pickle.dumps(Payload()))
    manifest = json.loads((path / "checkpoint.json").read_text())
    manifest["sizes"]["model"] = file.stat().st_size
    (path / "checkpoint.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a readable safetensors file"):
        checkpoints.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("damage", ["cut", "missing", "manifest", "format"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    path = checkpoints.save(tmp_path, 1, 0, example(), keep=1)
    file, manifest = path / "model.safetensors", path / "checkpoint.json"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-8])
    elif damage == "missing":
        file.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:20])
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(CheckpointError, match=str(path)):
        checkpoints.load(path)

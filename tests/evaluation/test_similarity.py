"""Similarity files: a round trip, and files that must be refused without executing anything."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench.errors import RunDirectoryError
from avbench.evaluation import similarity
from avbench.evaluation.retrieval import RetrievalResult, evaluate, similarity_matrix

NAMES = ["Zebra_1", "clip/../../etc", "日本語 ü", "<script>"]


@pytest.fixture
def evaluation() -> tuple[RetrievalResult, Any]:
    generator = torch.Generator().manual_seed(0)
    audio, video = (torch.randn(4, 6, generator=generator) for _ in range(2))
    return evaluate(audio, video, [0, 0, 1, 1]), similarity_matrix(audio, video).numpy()


def test_round_trip(tmp_path: Path, evaluation: tuple[RetrievalResult, Any]) -> None:
    result, matrix = evaluation
    similarity.save(tmp_path / "new" / "after-3.npz", result, NAMES, matrix)
    loaded = similarity.load(tmp_path / "new" / "after-3.npz")
    assert loaded.clip_ids == tuple(NAMES)
    assert loaded.task_of.tolist() == [0, 0, 1, 1]
    assert loaded.matrix is not None and loaded.matrix.dtype == np.float16
    np.testing.assert_allclose(loaded.matrix, matrix, atol=5e-4)
    for way, ranks in result.ranks.items():
        assert loaded.ranks[way].tolist() == ranks.tolist()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["after-3.npz"]


def test_ranks_alone(tmp_path: Path, evaluation: tuple[RetrievalResult, Any]) -> None:
    similarity.save(tmp_path / "a.npz", evaluation[0], NAMES)
    assert similarity.load(tmp_path / "a.npz").matrix is None


def test_what_does_not_fit_is_not_written(tmp_path: Path, evaluation: tuple[RetrievalResult, Any]) -> None:
    result, matrix = evaluation
    with pytest.raises(ValueError, match="task_of"):
        similarity.save(tmp_path / "a.npz", result, NAMES[:3], matrix)
    with pytest.raises(ValueError, match="similarity"):
        similarity.save(tmp_path / "a.npz", result, NAMES, matrix[:3])
    with pytest.raises(ValueError, match="not finite"):
        similarity.save(tmp_path / "a.npz", result, NAMES, matrix * np.nan)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_older_file(
    tmp_path: Path, evaluation: tuple[RetrievalResult, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, matrix = evaluation
    similarity.save(tmp_path / "a.npz", result, NAMES, matrix)
    before = (tmp_path / "a.npz").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunDirectoryError, match="no space left"):
        similarity.save(tmp_path / "a.npz", result, NAMES)
    assert (tmp_path / "a.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("kind", ["object array", "raw pickle", "torn", "text", "missing", "foreign"])
def test_damaged_and_hostile_files_are_refused(
    tmp_path: Path, kind: str, evaluation: tuple[RetrievalResult, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result, matrix = evaluation
    path = tmp_path / "a.npz"
    similarity.save(path, result, NAMES, matrix)
    if kind == "object array":
        np.savez(path, clip_ids=np.array([Bomb()], dtype=object))
    elif kind == "raw pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "torn":
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "text":
        path.write_text("hello")
    elif kind == "missing":
        path.unlink()
    else:
        buffer = io.BytesIO()
        np.savez(buffer, clip_ids=np.array(NAMES), task_of=np.zeros(3, int))
        path.write_bytes(buffer.getvalue())
    with pytest.raises(RunDirectoryError, match=r"a\.npz"):
        similarity.load(path)
    assert not (tmp_path / "executed").exists()

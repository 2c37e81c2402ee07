"""Ranks, embeddings and similarities of an evaluation on disk: NumPy archives without pickled objects."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from avbench.errors import RunDirectoryError
from avbench.results.atomic import replacing
from avbench.results.schema import Direction

if TYPE_CHECKING:  # reports read these files, and torch takes seconds to import
    from torch import Tensor

    from avbench.evaluation.retrieval import RetrievalResult

MODALITIES = ("audio", "video")
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True)
class Similarity:
    """What one evaluation leaves behind.

    Attributes:
        clip_ids: N names.
        task_of: int (N,), the task of each clip.
        ranks: per direction float32 (N,).
        matrix: float16 (N, N), cosine, rows audio and columns video; None for large galleries.
        embeddings: per modality ("audio", "video") float16 (N, D), normalised; empty in files that have none.
    """

    clip_ids: tuple[str, ...]
    task_of: NDArray[np.int32]
    ranks: dict[str, NDArray[np.float32]]
    matrix: NDArray[np.float16] | None
    embeddings: dict[str, NDArray[np.float16]]


def save(
    path: Path,
    result: RetrievalResult,
    clip_ids: Sequence[str],
    matrix: NDArray[np.floating] | None = None,
    embeddings: Mapping[str, Tensor] | None = None,
) -> None:
    """Write one evaluation to `path` (.npz), replacing an older one only when complete.

    Args:
        matrix: (N, N) cosine similarities in [-1, 1], stored with float16's 3 to 4 digits; None leaves it out.
        embeddings: per modality ("audio", "video") (N, D), stored normalised; None leaves them out.

    Raises:
        ValueError: sizes that don't fit each other.
        RunDirectoryError: the file can't be written; an older one is intact.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "clip_ids": np.asarray(list(clip_ids), dtype=np.str_),
        "task_of": result.task_of.astype(np.int32),
        **{f"rank_{way}": result.ranks[way].astype(np.float32) for way in DIRECTIONS},
    }
    if matrix is not None:
        arrays["similarity"] = np.asarray(matrix).astype(np.float16)
    for modality, z in (embeddings or {}).items():
        from torch.nn.functional import normalize

        arrays[f"embedding_{modality}"] = normalize(z.float(), dim=1).half().numpy()
    problem = _problem(arrays)
    if problem:
        raise ValueError(problem)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load(path: Path) -> Similarity:
    """Read what `save` wrote. Nothing in the file is executed.

    Raises:
        RunDirectoryError: the file is missing, damaged, holds pickled objects, or is not what `save` writes.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise RunDirectoryError(f"can't read the similarities {path}: {error}") from None
    problem = _problem(arrays)
    if problem:
        raise RunDirectoryError(f"{path} is not a similarity file of avbench: {problem}")
    return Similarity(
        tuple(arrays["clip_ids"].tolist()),
        arrays["task_of"],
        {way: arrays[f"rank_{way}"] for way in DIRECTIONS},
        arrays.get("similarity"),
        {name: arrays[f"embedding_{name}"] for name in MODALITIES if f"embedding_{name}" in arrays},
    )


def _problem(arrays: dict[str, NDArray[np.generic]]) -> str | None:
    expected = {"clip_ids": "U", "task_of": "i", **{f"rank_{way}": "f" for way in DIRECTIONS}}
    missing = sorted(set(expected) - set(arrays))
    if missing:
        return f"no array {missing[0]!r}"
    count = len(np.atleast_1d(arrays["clip_ids"]))
    for name, kind in expected.items():
        if arrays[name].dtype.kind != kind or arrays[name].shape != (count,):
            return f"{name} has type {arrays[name].dtype} and shape {arrays[name].shape}, expected ({count},)"
    matrix = arrays.get("similarity")
    if matrix is not None and (matrix.dtype != np.float16 or matrix.shape != (count, count)):
        return f"similarity has type {matrix.dtype} and shape {matrix.shape}, expected float16 ({count}, {count})"
    embeddings = {name: arrays[name] for name in (f"embedding_{m}" for m in MODALITIES) if name in arrays}
    for name, rows in embeddings.items():
        if rows.dtype != np.float16 or rows.ndim != 2 or len(rows) != count:
            return f"{name} has type {rows.dtype} and shape {rows.shape}, expected float16 ({count}, D)"
    for name, values in {"similarity": matrix, **embeddings}.items():
        if values is not None and not np.isfinite(values).all():
            return f"{name} has values that are not finite"
    return None

"""Maps of a run's example clips on disk, for drawing: NumPy archives without pickled objects.

In the folder `attention` of a run: `clips.npz`, the clips as the network sees them, written once, and `after-XX.npz`,
their maps after XX experiences.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.errors import RunDirectoryError
from avbench.evaluation.maps import KINDS, Kind, Maps
from avbench.results.atomic import replacing, unwritable

FOLDER = "attention"
CLIPS = "clips.npz"
_MAPS = {"audio": 3, "video": 4}  # modality: dimensions
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ExampleClips:
    """n clips whose maps are drawn, in training order of their tasks.

    Attributes:
        clip_ids, labels: n names and classes (a class may be empty).
        task_of: int (n,), 0-based.
        partner: int (n,), an example of an earlier task that the clip is also asked with; -1 where there is none.
        audio: float16 (n, 1, T, F), video: uint8 (n, frames, 3, H, W): in wire format.
        sources: bool (n, frames, H, W), where something that sounds is visible; None where that is not known.
        active: bool (n, T), the columns in which it acts; None likewise.
    """

    clip_ids: tuple[str, ...]
    labels: tuple[str, ...]
    task_of: NDArray[np.int64]
    partner: NDArray[np.int64]
    audio: NDArray[np.float16]
    video: NDArray[np.uint8]
    sources: NDArray[np.bool_] | None = None
    active: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class SavedMaps:
    """The maps of n example clips at one moment: asked with their own other half, and with their partner's.

    Where a clip has no partner, `past` repeats `own`.
    """

    own: dict[Kind, Maps]
    past: dict[Kind, Maps]


def save_attention(folder: Path, number: int, clips: ExampleClips, maps: SavedMaps) -> None:
    """Write the maps of `clips` after `number` experiences (0: before training), and the clips if they aren't there.

    Raises:
        RunDirectoryError: a file can't be written; an older one is intact.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    if not (folder / CLIPS).is_file():
        _write(folder / CLIPS, _clip_arrays(clips))
    _write(folder / f"after-{number:02d}.npz", _map_arrays(maps))


def load_clips(folder: Path) -> ExampleClips | None:
    """The example clips of a run; None when it has none.

    Raises:
        RunDirectoryError: the file is damaged or is not what `save_attention` writes.
    """
    path = folder / CLIPS
    if not path.is_file():
        return None
    arrays = _read(path)
    _require(path, _clip_problem(arrays))
    return ExampleClips(
        tuple(arrays["clip_ids"].tolist()),
        tuple(arrays["labels"].tolist()),
        arrays["task_of"],
        arrays["partner"],
        arrays["audio"],
        arrays["video"],
        arrays.get("sources"),
        arrays.get("active"),
    )


def load_maps(folder: Path, clips: ExampleClips) -> dict[int, SavedMaps]:
    """The maps of `clips` by number of experiences, in that order.

    Raises:
        RunDirectoryError: a file is damaged, or is not of these clips.
    """
    numbers = {
        int(match[1]): path for path in folder.glob("after-*.npz") if (match := re.fullmatch(r"after-(\d+)", path.stem))
    }
    found = {}
    for number, path in sorted(numbers.items()):
        arrays = _read(path)
        _require(path, _map_problem(arrays, len(clips.clip_ids)))
        found[number] = SavedMaps(_maps_in(arrays, ""), _maps_in(arrays, "_past"))
    return found


# --- arrays -----------------------------------------------------------------------------------------------------------


def _clip_arrays(clips: ExampleClips) -> Arrays:
    known = {"sources": clips.sources, "active": clips.active}
    return {name: array for name, array in known.items() if array is not None} | {
        "clip_ids": np.asarray(clips.clip_ids, dtype=np.str_),
        "labels": np.asarray(clips.labels, dtype=np.str_),
        "task_of": clips.task_of.astype(np.int64),
        "partner": clips.partner.astype(np.int64),
        "audio": clips.audio,
        "video": clips.video,
    }


def _map_arrays(maps: SavedMaps) -> Arrays:
    return {
        f"{kind}_{modality}{suffix}": getattr(one, modality)
        for suffix, kinds in (("", maps.own), ("_past", maps.past))
        for kind, one in kinds.items()
        for modality in _MAPS
    }


def _maps_in(arrays: Mapping[str, NDArray[Any]], suffix: str) -> dict[Kind, Maps]:
    return {
        kind: Maps(*(arrays[f"{kind}_{modality}{suffix}"] for modality in _MAPS))
        for kind in KINDS
        if f"{kind}_audio{suffix}" in arrays
    }


def _clip_problem(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    expected = {
        "clip_ids": ("U", 1),
        "labels": ("U", 1),
        "task_of": ("i", 1),
        "partner": ("i", 1),
        "audio": ("f", 4),
        "video": ("u", 5),
    }
    problem = _misfit(arrays, expected, len(np.atleast_1d(arrays.get("clip_ids", 0))))
    if problem:
        return problem
    if arrays["audio"].shape[1] != 1 or arrays["video"].shape[2] != 3 or arrays["video"].dtype != np.uint8:
        return "the clips are no spectrograms or no RGB frames"
    count, frames, _, *sides = arrays["video"].shape
    known = {"sources": (count, frames, *sides), "active": (count, arrays["audio"].shape[2])}
    for name, shape in known.items():
        if name in arrays and (arrays[name].dtype != np.bool_ or arrays[name].shape != shape):
            return f"{name} has type {arrays[name].dtype} and shape {arrays[name].shape}, expected bool {shape}"
    partner, rows = arrays["partner"], np.arange(len(arrays["partner"]))
    if (partner < -1).any() or (partner >= rows).any() or (arrays["task_of"] < 0).any():
        return "a task or a partner is out of range"
    return None


def _map_problem(arrays: Mapping[str, NDArray[Any]], count: int) -> str | None:
    kinds = [kind for kind in KINDS if f"{kind}_audio" in arrays] or list(KINDS[-1:])
    names = [(f"{kind}_{modality}{past}", modality) for kind in kinds for modality in _MAPS for past in ("", "_past")]
    problem = _misfit(arrays, {name: ("f", _MAPS[modality]) for name, modality in names}, count)
    if problem:
        return problem
    broken = [name for name, _ in names if not np.isfinite(arrays[name]).all()]
    return f"{broken[0]} has values that are not finite" if broken else None


def _misfit(arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[str, int]], count: int) -> str | None:
    for name, (kind, dimensions) in expected.items():
        if name not in arrays:
            return f"no array {name!r}"
        array = arrays[name]
        if array.dtype.kind != kind or array.ndim != dimensions or len(array) != count or not array.size:
            return f"{name} has type {array.dtype} and shape {array.shape}, which don't fit {count} clips"
    return None


# --- files ------------------------------------------------------------------------------------------------------------


def _write(path: Path, arrays: Arrays) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise RunDirectoryError(f"can't read the attention maps {path}: {error}") from None


def _require(path: Path, problem: str | None) -> None:
    if problem:
        raise RunDirectoryError(f"{path} is not an attention file of avbench: {problem}")

"""Checkpoints: folders of safetensors and JSON that appear whole or not at all.

Avalanche's own checkpoints pickle objects, which fails with current versions and would execute what a file says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from avbench.errors import CheckpointError
from avbench.results.atomic import flush
from avbench.training.weights import read_tensors, write_tensors

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Named groups of tensors, and a JSON-compatible state."""

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def save(folder: Path, step: int, finished: int, checkpoint: Checkpoint, keep: int) -> Path:
    """Write `folder/step-STEP-FINISHED`, then remove all but the newest `keep` checkpoints.

    Args:
        step: updates so far.
        finished: experiences finished so far.
        checkpoint: what to write; a checkpoint of the same place that is already there is the same, and stays.
        keep: how many to keep, at least 1.

    Raises:
        CheckpointError: nothing could be written, for example because the disk is full; older checkpoints are intact.
    """
    target = folder / f"step-{step:09d}-{finished:04d}"
    partial = folder / f".partial-{os.getpid()}-{target.name}"
    if target.is_dir() and _is_whole(target):
        return target
    _sweep(folder)  # what a killed process left may be what fills the disk
    try:
        partial.mkdir(parents=True)
        sizes = {}
        for name, tensors in checkpoint.tensors.items():
            file = partial / f"{name}.safetensors"
            write_tensors(file, tensors)
            flush(file)
            sizes[name] = file.stat().st_size
        manifest = {"format": FORMAT, "step": step, "sizes": sizes, "state": checkpoint.state}
        file = partial / "checkpoint.json"
        file.write_text(json.dumps(manifest), encoding="utf-8")
        flush(file)
        if target.exists():
            shutil.rmtree(target)  # damaged, or it would have stayed
        flush(partial)
        partial.rename(target)
        flush(folder)
        _rotate(folder, keep)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"can't write the checkpoint {target}: {error}; the previous one is intact, make room and `avbench resume`"
        ) from None
    return target


def _rotate(folder: Path, keep: int) -> None:
    for old in _all(folder)[:-keep]:
        # Renamed first, so that a kill in the middle of the removal leaves nothing that looks whole.
        old.rename(old.with_name(f".partial-old-{os.getpid()}-{old.name}"))
    _sweep(folder)


def _sweep(folder: Path) -> None:
    for stale in folder.glob(".partial-*"):
        shutil.rmtree(stale, ignore_errors=True)


def _all(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if re.fullmatch(r"step-\d{9,}-\d{4,}", path.name)]
    return sorted(found, key=lambda path: [int(part) for part in path.name.split("-")[1:]])


def latest(folder: Path) -> Path | None:
    """The newest checkpoint, or None."""
    return next(reversed(_all(folder)), None)


def load_latest(folder: Path) -> tuple[Path, Checkpoint] | None:
    """The newest checkpoint that can be read, or None where there is none at all.

    Raises:
        CheckpointError: there are checkpoints, but none can be read; says what is wrong with the newest.
    """
    problems: list[CheckpointError] = []
    for path in reversed(_all(folder)):
        try:
            return path, load(path)
        except CheckpointError as error:
            problems.append(error)
    if problems:
        raise CheckpointError(
            f"none of the {len(problems)} checkpoints in {folder} can be read: {problems[0]}; delete that folder, and "
            "`avbench resume` begins the same run anew"
        )
    return None


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is ever executed.

    Raises:
        CheckpointError: a file is missing, cut short, of another format, or no safetensors file.
    """
    manifest = _manifest(path)
    tensors = {name: _read_group(path, name, size) for name, size in manifest["sizes"].items()}
    return Checkpoint(tensors, manifest["state"])


def finished(folder: Path, experiences: int) -> Path | None:
    """The newest checkpoint written at the end of experience number `experiences`, before a later one began."""
    at_the_end = [path for path in _all(folder) if _progress(path) == (experiences, 0, 0)]
    return at_the_end[-1] if at_the_end else None


def _progress(path: Path) -> tuple[Any, ...]:
    try:
        progress = _manifest(path)["state"]["progress"]
        return tuple(progress[name] for name in ("experience", "epoch", "batch"))
    except (CheckpointError, KeyError, TypeError):
        return ()  # damaged: not to be used


def load_group(path: Path, name: str) -> dict[str, Tensor]:
    """One group of a checkpoint's tensors.

    Raises:
        CheckpointError: there is no such group, or it is damaged.
    """
    sizes = _manifest(path)["sizes"]
    if name not in sizes:
        raise CheckpointError(f"the checkpoint {path} holds no {name!r}; it has {', '.join(sorted(sizes))}")
    return _read_group(path, name, sizes[name])


def _read_group(path: Path, name: str, size: int) -> dict[str, Tensor]:
    file = path / f"{Path(name).name}.safetensors"
    if not file.is_file() or file.stat().st_size != size:
        raise CheckpointError(
            f"the checkpoint file {file} is missing or cut short; bring it back from a copy, or make the run anew"
        )
    return read_tensors(file)


def _is_whole(path: Path) -> bool:
    try:
        load(path)
    except CheckpointError:
        return False
    return True


def _manifest(path: Path) -> Mapping[str, Any]:
    file = path / "checkpoint.json"
    try:
        manifest: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and isinstance(manifest["sizes"], dict) and "state" in manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file} can't be read ({error})") from None
    if not known:
        found = manifest["format"]
        newer = "; update avbench" if isinstance(found, int) and found > FORMAT else ""
        raise CheckpointError(f"{path} has checkpoint format {found!r}, this version reads {FORMAT}{newer}")
    return manifest

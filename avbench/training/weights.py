"""Base weights: the state a stream starts from, as safetensors with `model.*` and `matching.*` keys."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avbench.errors import CheckpointError, UsageError
from avbench.results.atomic import check_replaceable, replacing

SHIPPED = "shipped:"


def locate(name: str) -> Path:
    """The file behind `training.base_weights`: a path, or `shipped:NAME` for one inside the package."""
    if name.startswith(SHIPPED):
        path = Path(str(resources.files("avbench"))) / "weights" / f"{name.removeprefix(SHIPPED)}.safetensors"
        if not path.is_file():
            shipped = ", ".join(f"{SHIPPED}{file.stem}" for file in sorted(path.parent.glob("*.safetensors")))
            raise UsageError(f"training.base_weights: no weights {name!r} are shipped; there are: {shipped or 'none'}")
        return path
    path = Path(name).expanduser()
    if not path.is_file():
        raise UsageError(f"training.base_weights: there is no file {path}; set it to a safetensors file or to null")
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, without executing anything in it.

    Raises:
        CheckpointError: the file is no safetensors file, for example a pickle, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); avbench never unpickles weights, so convert other "
            "formats to safetensors first"
        ) from None


def read_metadata(path: Path) -> dict[str, str]:
    """The text metadata of a safetensors file that `read_tensors` accepts."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def digest(path: Path) -> str:
    """SHA-256 of a file; two runs compare only if they start from the same weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(path: Path) -> None:
    """Find out before a long training whether `save_tensors` will be able to write `path`.

    Raises:
        RunDirectoryError: it will not.
    """
    check_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(path.name + ".partial")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CheckpointError(f"can't write the weights {path}: {error}") from None


def in_half_precision(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The modules' tensors for a file, `NAME.*`, in half the bytes."""
    return {
        f"{name}.{key}": value.detach().to("cpu", torch.float16).contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as they are; the file appears whole or not at all.

    Raises:
        RunDirectoryError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write_tensors(temporary, tensors, metadata)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"can't write the weights {path}: {error}; mend that, then repeat the command") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a new safetensors file, readable to whoever may read other new files of this process.

    Raises:
        OSError: it can't be written; a part of it may be left.
        SafetensorError: likewise.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)  # the format's own writer lets nobody but the owner read
    try:
        save_file(_apart(tensors), path, metadata=None if metadata is None else dict(metadata))
    except SafetensorError as error:
        if (number := re.search(r"os error (\d+)", str(error))) is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error  # such as a full disk
    path.chmod(mode)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each in memory of its own, as the format wants it: tied weights are written twice, and read back as they were."""
    seen, apart = set[int](), dict[str, Tensor]()
    for name, value in tensors.items():
        place = value.untyped_storage().data_ptr()
        apart[name] = value.detach().clone().contiguous() if place in seen else value.detach().contiguous()
        seen.add(place)
    return apart


def load_into(model: nn.Module, tensors: Mapping[str, Tensor], prefix: str, source: str) -> None:
    """Load the tensors under `prefix.` into `model`.

    Raises:
        UsageError: a tensor is missing, left over or of another shape: the weights were made for another model.
    """
    given = {k.removeprefix(f"{prefix}."): v.float() for k, v in tensors.items() if k.startswith(f"{prefix}.")}
    expected = model.state_dict()
    wrong = sorted(given.keys() ^ expected.keys())
    wrong += [name for name in given.keys() & expected.keys() if given[name].shape != expected[name].shape]
    if wrong:
        raise UsageError(
            f"the base weights {source} are of another model: {len(wrong)} tensors differ, first {wrong[0]!r}; use "
            "the model and clip sections they were made with, or training.base_weights=null for random weights"
        )
    model.load_state_dict(given)

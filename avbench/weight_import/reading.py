"""Checkpoints of others as plain tensors. Nothing in a file is ever executed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avbench.errors import CheckpointError, UsageError
from avbench.training.weights import read_tensors
from avbench.wording import shortened

_HOLDERS = ("model", "state_dict", "model_state_dict")  # where training scripts put the weights of a checkpoint
_WRAPPER = "module."  # in front of every name, from DataParallel
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)|global ([\w.]+)")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a PyTorch checkpoint, by name, a leading `module.` taken off.

    Of a PyTorch file only plain containers, numbers, text and tensors are read (`weights_only`); one that asks for
    anything else is refused before any of it runs. Tensors stay in the file until they are used, where it allows that.

    Raises:
        UsageError: there is no such file, or it is a device or a pipe.
        CheckpointError: it can't be read safely, is damaged, or holds no named tensors.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe would wait for a writer
            raise UsageError(f"the checkpoint {shortened(str(path))} is a device or a pipe; name an ordinary file")
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise UsageError(f"can't read the checkpoint {shortened(str(path))}: {error.strerror}") from None
    tensors = read_tensors(path) if head[8:9] == b"{" else _tensors_in(_unpickled(path), path)
    if all(name.startswith(_WRAPPER) for name in tensors):
        tensors = {name.removeprefix(_WRAPPER): tensor for name, tensor in tensors.items()}
    return tensors


def _unpickled(path: Path) -> Any:
    # Training scripts keep their arguments beside the weights; this class only holds values.
    with torch.serialization.safe_globals([argparse.Namespace]):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_archive(path))
        except MemoryError:
            raise
        except Exception as error:  # a damaged pickle can fail in any way
            raise CheckpointError(_refusal(path, error)) from None


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _refusal(path: Path, error: Exception) -> str:
    text = str(error)
    if match := _GLOBAL.search(text):
        asked = match[1] or match[2]
        return (
            f"{path} can't be read safely: it is no plain set of tensors but asks for {shortened(asked)}, which could "
            "run anything; nothing was executed. Where you trust the file, save its tensors as safetensors yourself, "
            "and import those"
        )
    reason = shortened(" ".join(text.split()) or type(error).__name__)
    return f"{path} is no readable checkpoint, neither safetensors nor PyTorch's format: {reason}; is it complete?"


def _tensors_in(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights in what was loaded: all of it, or what lies under one of the usual names."""
    if isinstance(content, Mapping):
        for holder in _HOLDERS:
            if isinstance(content.get(holder), Mapping):
                content = content[holder]
                break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no named tensors but {shortened(type(content).__name__)}")
    others = [shortened(name) for name, value in content.items() if not _is_plain(value)]
    if others or not all(isinstance(name, str) for name in content):
        raise CheckpointError(
            f"{path} holds other things than plain named tensors, such as {', '.join(others[:3]) or 'unnamed ones'}; "
            f"weights are looked for at the top and under {', '.join(_HOLDERS)}: save only the model's tensors"
        )
    return dict(content)


def _is_plain(value: object) -> bool:
    """A tensor with a value of its own for every element: not sparse, not without values, no few repeated ones."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized and value.numel() * value.element_size() <= value.untyped_storage().nbytes()

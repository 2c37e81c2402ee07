"""The card of a weights file: what the weights are and where they come from, inside the file and beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

import avbench
from avbench.config import ClipShape, ModelConfig, validate
from avbench.errors import CheckpointError, UsageError
from avbench.results.atomic import replacing, write_atomically
from avbench.results.journal import now
from avbench.training import weights
from avbench.wording import shortened

FORMAT = "avbench-weights-1"
SIZES = ("clip", "model")  # the sections of the configuration that a file's metadata keeps
# What every file says of itself anew, whatever it was made from.
OWN = frozenset({"format", "kind", "avbench", "created", "clip", "model", "parameters", "dtype", "tensors_sha256"})
_LONGEST = 1000  # letters of a value that people are shown
CARD = "card"  # the only key of the metadata: the format keeps several in no particular order
Card = dict[str, Any]


def new_card(kind: str, clip: ClipShape, model: ModelConfig, tensors: Mapping[str, Tensor], **known: Any) -> Card:
    """What every card holds; `known` is what this one has beyond it, all of it JSON-compatible."""
    counts: dict[str, int] = {}
    for name, tensor in tensors.items():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + tensor.numel()
    return {
        "format": FORMAT,
        "kind": kind,
        "avbench": avbench.__version__,
        "created": now(),
        "clip": clip.model_dump(mode="json"),
        "model": model.model_dump(mode="json"),
        "parameters": counts,
        "dtype": ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})),
        **known,
        "tensors_sha256": tensors_digest(tensors),
    }


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, kinds, shapes and values, in the order of names: the same for every file that holds them."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}\t{tensor.dtype}\t{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def companions(path: Path) -> tuple[Path, Path]:
    """The card beside a weights file, for machines and for people."""
    return path.with_suffix(".json"), path.with_suffix(".md")


def check_free(path: Path) -> None:
    """Make sure, before long work, that the weights and their card can be written and replace nothing.

    Raises:
        UsageError: the name does not end in `.safetensors`, or one of the files is there.
        CheckpointError: nothing can be written there.
    """
    if path.suffix != ".safetensors":
        raise UsageError(f"--out {path}: weights are written as safetensors, so let the name end in .safetensors")
    for file in (path, *companions(path)):
        if file.exists():
            raise UsageError(f"{file} exists already; choose another --out, or delete it first")
    weights.check_writable(path)


def write(path: Path, tensors: Mapping[str, Tensor], card: Card, beside: Mapping[str, Any] | None = None) -> Card:
    """Write the weights with their card inside, and the card beside them as JSON and markdown.

    Args:
        beside: what only the JSON beside the file holds, such as the account of an import.

    Returns:
        The card as it stands beside the file, with the hash of the file.

    Raises:
        CheckpointError: the file can't be written; nothing of it is left.
    """
    metadata = {CARD: json.dumps(_lasting(card))}
    written = []
    try:
        with replacing(path) as temporary:
            weights.write_tensors(temporary, tensors, metadata)
        written.append(path)
        full = card | {"file": path.name, "file_sha256": weights.digest(path), "bytes": path.stat().st_size}
        machine, people = companions(path)
        for file, text in ((machine, json.dumps(full | dict(beside or {}), indent=1) + "\n"), (people, markdown(full))):
            write_atomically(file, text)
            written.append(file)
    except BaseException as error:
        for file in written:
            file.unlink(missing_ok=True)
        if isinstance(error, SafetensorError):
            raise CheckpointError(f"can't write the weights {path}: {error}") from None
        raise
    return full


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    lines = [f"# {_text(card['file'])}", ""]
    if card.get("synthetic") is True:
        lines += ["**Trained on synthetic data**: clips that avbench rendered, no recordings.", ""]
    lines += ["| | |", "|---|---|"]
    for key, value in card.items():
        shown = _shown(value)
        if isinstance(value, Mapping):
            shown = ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
        elif isinstance(value, list):
            shown = "; ".join(map(_shown, value))
        lines.append(f"| {_text(key.replace('_', ' '))} | {_text(shown)} |")
    return "\n".join(lines) + "\n"


def card_in(path: Path) -> Card | None:
    """The card inside a weights file, None where it has none.

    Raises:
        CheckpointError: the card is damaged.
    """
    text = weights.read_metadata(path).get(CARD)
    return None if text is None else _parsed(text, path)


def sizes_in(path: Path) -> tuple[ClipShape, ModelConfig] | None:
    """The sizes that a weights file names in its card or, as base weights do, in its metadata; None where it does not.

    Raises:
        CheckpointError: what it names can't be the sizes of a model.
    """
    told = card_in(path)
    if told is None:
        metadata = weights.read_metadata(path)
        told = {name: _parsed(metadata[name], path) for name in SIZES if name in metadata}
    if not all(name in told for name in SIZES):
        return None
    if not all(isinstance(told[name], dict) for name in SIZES):
        raise CheckpointError(f"the metadata of {path} is damaged: clip and model are no sections of a configuration")
    try:
        return validate(ClipShape, told["clip"], "clip"), validate(ModelConfig, told["model"], "model")
    except UsageError as error:
        raise CheckpointError(f"the metadata of {path} is damaged: {error}") from None


def _parsed(text: str, path: Path) -> Card:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the metadata of {path} is damaged: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"the metadata of {path} is damaged: {shortened(value)} where a card should be")
    return value


def _lasting(card: Card) -> Card:
    """The card without what another time or file name would change: the same weights are then the same file.

    Runs are compared only if the hashes of their base weights agree.
    """
    kept = {key: value for key, value in card.items() if key != "created"}
    return {
        key: {name: one for name, one in value.items() if name != "file"} if isinstance(value, dict) else value
        for key, value in kept.items()
    }


def _shown(value: Any) -> str:
    if _is_answer(value):
        return {True: "yes", False: "no", None: "unknown"}[value]
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} letters, in the JSON beside this)"


def _is_answer(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _text(value: str) -> str:
    """Text that markdown and HTML show as it is."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return " ".join("".join(f"\\{letter}" if letter in "|*[]`#" else letter for letter in escaped).split())

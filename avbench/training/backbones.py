"""The networks that a run was judged by, kept after every experience, and whichever of them is wanted later."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from avbench.errors import CheckpointError, RunDirectoryError, UsageError
from avbench.model.mae import AudioVideoMAE
from avbench.results.atomic import replacing
from avbench.results.directory import RunDirectory
from avbench.results.schema import Results
from avbench.training import checkpoint, weights
from avbench.training.generators import Generators

FOLDER = "weights"  # of a run directory
PREFIX = "model"


def keep(directory: Path, experiences: int, net: AudioVideoMAE) -> None:
    """Write the network as it is after so many experiences; the same place again is replaced.

    Raises:
        RunDirectoryError: it can't be written, for example because the disk is full.
    """
    path = _path(directory, experiences)
    tensors = {f"{PREFIX}.{name}": value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    try:
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            weights.write_tensors(temporary, tensors)
    except (SafetensorError, OSError) as error:
        raise RunDirectoryError(
            f"can't write {path}: {error}; mend that, then continue with `avbench resume {directory}`"
        ) from None


def kept(directory: Path) -> list[int]:
    """After how many experiences a network is kept, in order."""
    names = (re.fullmatch(r"after-(\d{2,})\.safetensors", path.name) for path in (directory / FOLDER).glob("after-*"))
    return sorted(int(name[1]) for name in names if name)


def trained(directory: RunDirectory, results: Results, experiences: int) -> AudioVideoMAE:
    """The network that stood for the run after so many experiences, on the CPU.

    Raises:
        RunDirectoryError: the run has no weights of that moment.
        CheckpointError: they are damaged.
    """
    path = _path(directory.path, experiences)
    tensors = weights.read_tensors(path) if path.is_file() else _from_checkpoint(directory, results, experiences)
    net = untrained(directory)
    try:
        weights.load_into(net, tensors, PREFIX, str(path))
    except UsageError as error:
        raise CheckpointError(f"the weights of {directory.path} are not of the run's own model: {error}") from None
    return net


def base(directory: RunDirectory) -> AudioVideoMAE:
    """The network that the run began with.

    Raises:
        UsageError: it began with random weights, or the file of its base weights is gone or of another model.
    """
    name = directory.config.training.base_weights
    if name is None:
        raise UsageError(f"the run in {directory.path} began with random weights; use --backbone random")
    net = untrained(directory)
    weights.load_into(net, weights.read_tensors(weights.locate(name)), PREFIX, name)
    return net


def untrained(directory: RunDirectory) -> AudioVideoMAE:
    """A network of the run's size with the random weights that its seed gives."""
    config = directory.config
    return AudioVideoMAE(config.clip, config.model, Generators(config.seed)["init"])


def _from_checkpoint(directory: RunDirectory, results: Results, experiences: int) -> dict[str, Tensor]:
    """From what a resume would continue from, where that is the same moment."""
    group = "model" if results.evaluated_model == "working" else f"teacher-{results.evaluated_model}"
    path = checkpoint.finished(directory.checkpoints, experiences)
    if path is None:
        there = ", ".join(map(str, kept(directory.path))) or "none"
        raise RunDirectoryError(
            f"{directory.path} holds no weights after {experiences} of its {results.experiences} experiences (kept: "
            f"{there}); runs keep them with evaluation.keep_weights, which `avbench run --set "
            "evaluation.keep_weights=true` sets, and the last ones are in their newest checkpoint"
        )
    return {f"{PREFIX}.{name}": value for name, value in checkpoint.load_group(path, group).items()}


def _path(directory: Path, experiences: int) -> Path:
    return directory / FOLDER / f"after-{experiences:02d}.safetensors"

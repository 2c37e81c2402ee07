"""The matching module that a run trained beside its network, where a checkpoint still holds it."""

from __future__ import annotations

from avbench import registry
from avbench.config import validate
from avbench.errors import CheckpointError, UsageError
from avbench.model.matching import AudioVideoMatching
from avbench.results.directory import RunDirectory
from avbench.results.schema import Results
from avbench.training import checkpoint, weights

MATCHING = "matching"


def kept_matching(
    directory: RunDirectory, results: Results, experiences: int
) -> tuple[AudioVideoMatching, float] | None:
    """The module after so many experiences, on the CPU, and the temperature of the method's importance scores.

    None before the first experience, where the method has none, no checkpoint of that moment is left, or the run is
    judged by another network than the one whose tokens the module has learned to read.

    Raises:
        CheckpointError: it is damaged.
    """
    path = checkpoint.finished(directory.checkpoints, experiences) if experiences else None
    group = f"module-{MATCHING}"
    if results.evaluated_model != "working" or path is None or not (path / f"{group}.safetensors").is_file():
        return None
    config = directory.config
    module = AudioVideoMatching(config.model.width, config.model.heads, config.model.legacy_head_merge)
    tensors = {f"{MATCHING}.{name}": value for name, value in checkpoint.load_group(path, group).items()}
    try:
        weights.load_into(module, tensors, MATCHING, str(path))
    except UsageError as error:
        raise CheckpointError(f"the matching module of {directory.path} does not fit its own model: {error}") from None
    kind = registry.find("strategies", config.strategy).load()
    return module, kind(validate(kind.Config, config.options, "options")).attention_temperature

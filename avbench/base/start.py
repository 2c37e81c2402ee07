"""What an initial pre-training starts from, and what is refused before hours go into preparing clips."""

from __future__ import annotations

import json
from pathlib import Path

from avbench.config import RunConfig, resolve_benchmark
from avbench.errors import UsageError
from avbench.model.mae import AudioVideoMAE
from avbench.training import weights


def starting_weights(config: RunConfig) -> str | None:
    """The weights that the backbone starts from; None for random ones.

    `training.base_weights` names them, unless it is what the benchmark's profile says itself: those are the weights
    that are being made. The matching module alone is trained on them in any case.
    """
    given = config.training.base_weights
    if given is None or config.pretraining.stages == "matching":
        return given
    return None if given == resolve_benchmark(config.bench, config.profile).training.base_weights else given


def check(config: RunConfig) -> None:
    """Make sure that the pre-training can begin.

    Raises:
        UsageError: weights are missing or of another model, or there is nothing to train.
        CheckpointError: weights can't be read.
    """
    if config.pretraining.stages == "matching":
        if config.training.base_weights is None:
            raise UsageError(
                "the matching module alone is trained on given weights, which stay as they are: name them with "
                "--set training.base_weights=FILE"
            )
        if not config.pretraining.matching_extra_epochs:
            raise UsageError(
                "pretraining.matching_extra_epochs = 0 leaves nothing to train in the stage `matching`: set it to the "
                "number of epochs, as the profile `paper` does"
            )
    name = starting_weights(config)
    if name is not None:
        tensors = weights.read_tensors(weights.locate(name))
        weights.load_into(AudioVideoMAE(config.clip, config.model), tensors, "model", name)


def description(name: str | None) -> str:
    """Of starting weights, for the metadata of what is made from them; no folder of this machine."""
    if name is None:
        return "none"
    shown = name if name.startswith(weights.SHIPPED) else Path(name).name
    return json.dumps({"file": shown, "sha256": weights.digest(weights.locate(name))})

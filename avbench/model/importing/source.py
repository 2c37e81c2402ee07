"""What every kind of checkpoint has: sizes that can be read from its tensors, and a plan for a model of given sizes."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from torch import Tensor

from avbench.config import ClipShape, ModelConfig
from avbench.errors import UsageError
from avbench.model.importing.plan import Plan

AudioPositions = Literal["zero", "sincos"]
FusionFrom = Literal["mean", "audio", "video"]


class CheckpointSource(ABC):
    """One kind of checkpoint, for a model of the given sizes.

    Args:
        shape, model: of the model that is filled.
        audio_positions: where the source knows no spectrograms: zeros, or a sin-cos table.
        fusion_from: which encoder's blocks become fusion blocks, where the source's fusion encoder is shallower.
    """

    title: ClassVar[str]
    choices: ClassVar[frozenset[str]] = frozenset()  # of the two choices above, the ones that matter for this kind

    def __init__(
        self,
        shape: ClipShape,
        model: ModelConfig,
        audio_positions: AudioPositions = "zero",
        fusion_from: FusionFrom = "mean",
    ) -> None:
        self.shape, self.model = shape, model
        self.audio_positions, self.fusion_from = audio_positions, fusion_from

    @abstractmethod
    def sizes(self, checkpoint: Mapping[str, Tensor]) -> dict[str, int]:
        """What the checkpoint's tensors say of its sizes; what can't be told is left out."""

    @abstractmethod
    def wanted(self) -> dict[str, int]:
        """The same sizes as the model needs them."""

    @abstractmethod
    def plan(self, names: Iterable[str], targets: Sequence[str]) -> Plan:
        """The rules.

        Args:
            names: of the checkpoint's tensors.
            targets: names of the model's tensors.
        """

    def notes(self, names: Iterable[str]) -> list[str]:
        """What the user should know beyond the table of tensors."""
        return []

    def check_sizes(self, checkpoint: Mapping[str, Tensor]) -> None:
        """Compare what can be compared before any tensor is.

        Raises:
            UsageError: the checkpoint is of another size; both are named.
        """
        found, wanted = self.sizes(checkpoint), self.wanted()
        wrong = [name for name in wanted if name in found and found[name] != wanted[name]]
        if "width" not in found:
            raise UsageError(f"these are no weights of {self.title}: its first block is not there")
        if wrong:
            theirs, ours = (", ".join(f"{name} {of[name]}" for name in wrong) for of in (found, wanted))
            raise UsageError(
                f"the checkpoint is of another size than the model: it has {theirs}; the model has {ours}. Choose the "
                "model's sizes with --profile, or with --set model.width=N and the like, or another checkpoint"
            )

    def model_sizes(self) -> dict[str, int]:
        """Sizes that all kinds can be compared by."""
        model = self.model
        return {
            "width": model.width,
            "MLP width": int(model.width * model.mlp_ratio),
            "patch side": self.shape.patch,
            "decoder width": model.decoder_width,
            "decoder depth": model.decoder_depth,
        }


def first_sizes(checkpoint: Mapping[str, Tensor], places: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Sizes by name from (tensor, axis), where the tensor is there and has that axis."""
    found = {}
    for name, (key, axis) in places.items():
        if key in checkpoint and checkpoint[key].ndim > axis:
            found[name] = checkpoint[key].shape[axis]
    return found


def depth(names: Iterable[str], stem: str) -> int:
    """How many blocks `stem.N.` are there."""
    found = (re.match(rf"{re.escape(stem)}\.(\d{{1,4}})\.", name) for name in names)
    return max((int(match[1]) + 1 for match in found if match), default=0)

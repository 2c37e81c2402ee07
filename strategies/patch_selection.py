"""What the methods share that train on a part of the patches only: how many stay, and how they are drawn.

All of them are DER++ on kappa = floor(rho L) patches of each clip, replayed or not (STELLA, section 4). The encoder
sees as many patches as without a selection, a share of *all* patches; the other selected ones are reconstructed, and
the rest is neither seen nor reconstructed nor decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Option
from torch import Tensor

from avbench.errors import UsageError
from avbench.model.masking import Keep
from avbench.model.selection import chunk_count, kept_count, select_chunks, select_tokens
from avbench.strategies.derpp import DERPlusPlus, DERPlusPlusConfig
from avbench.training.strategy import Context

MODALITIES = ("audio", "video")


class PatchSelectionConfig(DERPlusPlusConfig):
    """Options of every selection. They were published on STELLA's form of DER++; its other forms are refused."""

    faithful: ClassVar[Mapping[str, Any]] = {"draws": 1, "replay_masks": "fresh"}  # only `variant` is complained of

    variant: Literal["stella"] = "stella"
    beta: Literal[1] = 1  # DER++'s; the beta of STELLA is `temperature`
    draws: Literal[1] = 1
    replay_masks: Literal["fresh"] = "fresh"
    sampling_ratio: float = Option(0.5, gt=0, le=1)  # rho: share of the patches that stay; STELLA, Table 5


class PatchSelection(DERPlusPlus):
    """DER++ on some patches; a method says on which, in `patches` (cost: DER++'s, with a shorter decoder).

    Attributes:
        selected: modalities whose patches are selected; of the others all take part.
        counts: kappa, the patches that stay, by selected modality.
    """

    Config = PatchSelectionConfig
    selected: ClassVar[Sequence[str]] = MODALITIES

    def setup(self, context: Context) -> None:
        """Settle how many patches stay.

        Raises:
            UsageError: no more than the encoder sees, so that there is nothing to reconstruct.
        """
        shape, net = context.shape, context.net
        lengths = {"audio": shape.audio_tokens, "video": shape.video_tokens}
        visible = {"audio": net.visible_audio, "video": net.visible_video}
        self.counts = {name: kept_count(lengths[name], self.ratio(name)) for name in self.selected}
        for modality, count in self.counts.items():
            if count <= visible[modality]:
                raise UsageError(
                    f"options.sampling_ratio = {self.ratio(modality)} leaves nothing to reconstruct: it keeps "
                    f"{count} of {lengths[modality]} {modality} patches, and model.mask_ratio = "
                    f"{context.model.mask_ratio} shows {visible[modality]} to the encoder; raise one of the two"
                )
        super().setup(context)

    def ratio(self, modality: str) -> float:
        """rho: the share of the patches of "audio" or "video" that stays, in (0, 1]."""
        return float(self.config.sampling_ratio)

    def uniform(self, shape: Sequence[int], generator: str = "aux") -> Tensor:
        """Uniform numbers in [0, 1), drawn on the CPU."""
        drawn = torch.rand(*shape, generator=self.generators[generator])
        return drawn.to(self.context.device, non_blocking=True)


class DrawnPatchesConfig(PatchSelectionConfig):
    """Options of selections by weighted draws."""

    # Whole stretches of time, whole bands of frequency, or single patches of the spectrogram.
    audio_selection: Literal["time", "frequency", "none"] = "none"
    chunk: int | None = Option(None, ge=1)  # patches a stretch is long; by default 4 along time, 1 along frequency
    sampling_ratio_audio: float | None = Option(None, gt=0, le=1)  # in place of sampling_ratio; STELLA, Table 9
    sampling_ratio_video: float | None = Option(None, gt=0, le=1)


class DrawnPatches(PatchSelection):
    """Patches drawn by weight, single ones of the video, by default also of the audio."""

    Config = DrawnPatchesConfig

    def setup(self, context: Context) -> None:
        """Settle how the spectrogram is cut.

        Raises:
            UsageError: it does not divide into such chunks.
        """
        axis = self.config.audio_selection
        self.chunk = self.config.chunk or (4 if axis == "time" else 1)
        if axis != "none":
            try:
                self.chunks = chunk_count(context.shape.audio_grid, self.chunk, axis)
            except ValueError as error:
                raise UsageError(f"options.chunk = {self.chunk}: {error}") from None
        super().setup(context)

    def ratio(self, modality: str) -> float:
        """The modality's own sampling ratio where it has one."""
        own = getattr(self.config, f"sampling_ratio_{modality}")
        return super().ratio(modality) if own is None else float(own)

    def draw_patches(self, weights: Sequence[Tensor], excluded: Sequence[Tensor]) -> Keep:
        """Draw without replacement in proportion to weight; excluded patches only where the others do not suffice.

        Args:
            weights: audio (B, M) and video (B, N), not negative.
            excluded: likewise, bool.
        """
        video = select_tokens(weights[1], excluded[1], self.counts["video"], self.uniform(weights[1].shape))
        return Keep(audio=self._draw_audio(weights[0], excluded[0]), video=video)

    def _draw_audio(self, weights: Tensor, excluded: Tensor) -> Tensor:
        count, axis = self.counts["audio"], self.config.audio_selection
        if axis == "none":
            return select_tokens(weights, excluded, count, self.uniform(weights.shape))
        clips, grid = len(weights), self.context.shape.audio_grid
        noise, coin = self.uniform((clips, self.chunks)), self.uniform((clips,), "coin") < 0.5
        return select_chunks(weights, excluded, count, self.chunk, grid, axis, noise, coin)

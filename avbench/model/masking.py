"""Masks as noise: which patches a pass sees is a function of uniform numbers that the caller draws, one per patch.

Passing the same noise again shares the masks; noise travels with its clips; a subset of patches nests, because the
noise belongs to the patch and not to a position in a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from avbench.config import ClipShape
from avbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Noise:
    """One number in [0, 1) per patch; the patches with the lowest are seen by the encoder.

    Attributes:
        audio: float (B, M).
        video: float (B, N).
    """

    audio: Tensor
    video: Tensor

    def __len__(self) -> int:
        return self.audio.shape[0]

    def __getitem__(self, clips: slice | Tensor) -> Noise:
        """The noise of some clips, chosen by a slice or by an index tensor."""
        return Noise(self.audio[clips], self.video[clips])

    @staticmethod
    def draw(clips: int, shape: ClipShape, generator: torch.Generator, device: torch.device | str = "cpu") -> Noise:
        """Uniform noise for `clips` clips, drawn on the CPU, so that it is the same for every device.

        Args:
            clips: B.
            shape: the shape of one clip.
            generator: a CPU generator.
            device: where the noise is used.
        """
        device = torch.device(device)
        pinned = device.type == "cuda"

        def uniform(tokens: int) -> Tensor:
            drawn = torch.rand(clips, tokens, generator=generator, pin_memory=pinned)
            return drawn.to(device, non_blocking=True)

        return Noise(uniform(shape.audio_tokens), uniform(shape.video_tokens))

    @staticmethod
    def cat(parts: Sequence[Noise]) -> Noise:
        """Join along the clip axis, in order."""
        return Noise(torch.cat([part.audio for part in parts]), torch.cat([part.video for part in parts]))


@dataclass(frozen=True, slots=True)
class Keep:
    """The patches that exist at all for one pass: the others are neither seen nor reconstructed nor decoded.

    Attributes:
        audio: int64 (B, kappa_a), distinct token ids per clip, in any order; None for all M.
        video: int64 (B, kappa_v), likewise; None for all N.
    """

    audio: Tensor | None = None
    video: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """How the tokens of one modality are split in one pass.

    Attributes:
        visible: int64 (B, V), what the encoder sees, lowest noise first.
        targets: int64 (B, R), what is hidden and reconstructed.
    """

    visible: Tensor
    targets: Tensor

    @staticmethod
    def split(noise: Tensor, keep: Tensor | None, visible: int) -> Mask:
        """The `visible` lowest-noise tokens of those kept, and the other kept ones.

        Args:
            noise: float (B, L).
            keep: int64 (B, kappa), or None for all L.
            visible: V, the same for every clip, whatever is kept.

        Raises:
            ValueError: fewer tokens are kept than must be visible.
        """
        kept = noise if keep is None else noise.gather(1, keep)
        if kept.shape[1] < visible:
            raise ValueError(f"{kept.shape[1]} tokens are kept, but {visible} must be visible; keep more, or mask more")
        order = kept.argsort(dim=1, stable=True)
        ids = order if keep is None else keep.gather(1, order)
        return Mask(ids[:, :visible], ids[:, visible:])


def visible_counts(shape: ClipShape, mask_ratio: float) -> tuple[int, int]:
    """How many audio and video tokens of a clip the encoder sees: 102 and 156 at the size of the paper.

    The share refers to all tokens of a clip, also when a selection keeps only some of them, and the product
    is truncated, both as in the released code of STELLA: int(512 * (1 - 0.8)) is 102.

    Raises:
        UsageError: the share leaves a modality without a visible token.
    """
    audio = int(shape.audio_tokens * (1 - mask_ratio))
    video = int(shape.video_tokens * (1 - mask_ratio))
    if not audio or not video:
        raise UsageError(
            f"model.mask_ratio = {mask_ratio} leaves {audio} of {shape.audio_tokens} audio and {video} of "
            f"{shape.video_tokens} video tokens visible; lower it, or use clips with more patches"
        )
    return audio, video

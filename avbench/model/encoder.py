"""The encoders: one per modality, and the fusion encoder on top of both."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from avbench.config import ModelConfig
from avbench.model.blocks import Block, FusionBlock, Path, PathNorm
from avbench.model.patches import gather_tokens, sincos_positions


class ModalityEncoder(nn.Module):
    """Patches of one modality -> codes: embedding, modality and position vectors, transformer blocks, no final norm.

    Args:
        pixels: values per patch.
        grid: tokens along each axis; the position tables follow its row-major order.
        config: widths and depths.
    """

    def __init__(self, pixels: int, grid: Sequence[int], config: ModelConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(pixels, config.width)
        self.modality = nn.Parameter(torch.zeros(config.width))
        self.position = nn.Parameter(sincos_positions(grid, config.width))
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_ratio) for _ in range(config.unimodal_depth)
        )
        self.inter_position = nn.Parameter(sincos_positions(grid, config.width))

    def forward(self, patches: Tensor, ids: Tensor | None = None) -> Tensor:
        """Encode the patches `ids` (B, K), or all, of (B, L, pixels): codes (B, K or L, D).

        Patches are gathered before they are embedded: the encoder does no work for hidden ones.
        """
        seen = patches if ids is None else gather_tokens(patches, ids)
        tokens: Tensor = self.embed(seen) + self.modality + _rows(self.position, ids)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def locate(self, codes: Tensor, ids: Tensor | None = None) -> Tensor:
        """Add the second position vectors, which the fusion encoder expects: (B, K, D) -> (B, K, D)."""
        return codes + _rows(self.inter_position, ids)


class FusionEncoder(nn.Module):
    """Blocks that any of three token sequences pass with shared weights: audio alone, video alone, both joined."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            FusionBlock(config.width, config.heads, config.mlp_ratio) for _ in range(config.fusion_depth)
        )
        self.norm = PathNorm(config.width)

    def forward(self, paths: dict[Path, Tensor]) -> dict[Path, Tensor]:
        """Sequences (B, L, D) by path -> the same, BEFORE the final norm of each path."""
        parts = {path: tokens.shape[1] for path, tokens in paths.items()}
        packed = torch.cat(list(paths.values()), dim=1)
        for block in self.blocks:
            packed = block(packed, parts)
        return dict(zip(parts, packed.split(list(parts.values()), dim=1), strict=True))

    def finish(self, path: Path, tokens: Tensor) -> Tensor:
        """The final norm of a path."""
        normalised: Tensor = self.norm[path](tokens)
        return normalised


def _rows(table: Tensor, ids: Tensor | None) -> Tensor:
    return table if ids is None else embedding(ids, table)

"""Transformer blocks that run several sequences through the same weights at once.

Sequences that must not see each other are packed along the token axis: every linear layer is then one matrix product
over all of them, and only attention works on the parts. `parts` gives their lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

NORM_EPSILON = 1e-5

Path = Literal["audio", "video", "joint"]


class Attention(nn.Module):
    """Multi-head self-attention within each part of a packed sequence."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, parts: Sequence[int]) -> Tensor:
        """(B, sum of parts, D) -> the same shape."""
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        mixed = [self._attend(part) for part in qkv.split(list(parts), dim=1)]
        merged: Tensor = self.proj(torch.cat(mixed, dim=1) if len(mixed) > 1 else mixed[0])
        return merged

    @staticmethod
    def _attend(qkv: Tensor) -> Tensor:
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class Block(nn.Module):
    """A pre-norm transformer block (ViT)."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, tokens: Tensor, parts: Sequence[int] | None = None) -> Tensor:
        """(B, L, D) -> the same shape; without `parts` the tokens are one sequence."""
        tokens = tokens + self.attention(self.norm1(tokens), parts or [tokens.shape[1]])
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class PathNorm(nn.ModuleDict):
    """One layer normalisation per path through the fusion encoder."""

    def __init__(self, width: int) -> None:
        super().__init__({path: nn.LayerNorm(width, eps=NORM_EPSILON) for path in ("joint", "audio", "video")})

    def forward(self, tokens: Tensor, parts: dict[Path, int]) -> Tensor:
        """Normalise each part of a packed sequence (B, L, D) with the norm of its path."""
        split = tokens.split(list(parts.values()), dim=1)
        return torch.cat([self[path](part) for path, part in zip(parts, split, strict=True)], dim=1)


class FusionBlock(nn.Module):
    """A transformer block whose attention and MLP are shared by three paths, each with norms of its own (CAV-MAE)."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = PathNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = PathNorm(width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, tokens: Tensor, parts: dict[Path, int]) -> Tensor:
        """(B, sum of parts, D) -> the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens, parts), list(parts.values()))
        out: Tensor = tokens + self.mlp(self.norm2(tokens, parts))
        return out

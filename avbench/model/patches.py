"""Clips as sequences of patches, and where the patches are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def patchify_audio(audio: Tensor, patch: int) -> Tensor:
    """Cut a spectrogram (B, 1, T, F) into patches (B, M, patch * patch).

    Token `t * (F / patch) + f`, time-major; within a patch, time before frequency.
    """
    clips, _, frames, bins = audio.shape
    grid = audio.reshape(clips, frames // patch, patch, bins // patch, patch)
    return grid.transpose(2, 3).flatten(3).flatten(1, 2)


def patchify_video(video: Tensor, patch: int) -> Tensor:
    """Cut frames (B, frames, 3, H, W) into patches (B, N, patch * patch * 3).

    Token `frame * rows * columns + row * columns + column`; within a patch the order is (row, column, channel).
    """
    clips, frames, channels, height, width = video.shape
    grid = video.reshape(clips, frames, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 1, 3, 5, 4, 6, 2).flatten(4).flatten(1, 3)


def gather_tokens(tokens: Tensor, ids: Tensor) -> Tensor:
    """Pick tokens by id, per clip: (B, L, X) and (B, K) -> (B, K, X)."""
    return tokens[torch.arange(len(ids), device=ids.device)[:, None], ids]


def sincos_positions(grid: Sequence[int], width: int) -> Tensor:
    """A fixed table of sines and cosines, one row per cell of `grid` in row-major (= token) order: (cells, width).

    Each axis of the grid gets an equal, even share of the channels; channels left over are zero. For two axes this is
    the table of MAE (He et al., 2022), up to the order of the axes.
    """
    pairs = width // (2 * len(grid))
    if not pairs:
        raise ValueError(f"{width} channels can't tell positions along {len(grid)} axes apart")
    frequencies = 10_000.0 ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    axes = torch.meshgrid(*(torch.arange(cells, dtype=torch.float64) for cells in grid), indexing="ij")
    angles = [axis.flatten()[:, None] * frequencies for axis in axes]
    table = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
    return torch.nn.functional.pad(table, (0, width - table.shape[1])).float()

"""How single tensors change their layout: patch kernels, position tables, output layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from avbench.model.patches import sincos_positions


def flat(vector: Tensor) -> Tensor:
    """(1, 1, D) -> (D,)."""
    return vector.flatten()


def kernel(weight: Tensor) -> Tensor:
    """A patch kernel (D, C, P, P) -> the matrix (D, P * P * C) that reads patches in the order (row, column, channel).

    With one channel, rows are the first axis of the picture or spectrogram: for ours, time.
    """
    return weight.permute(0, 2, 3, 1).flatten(1)


def turned_kernel(weight: Tensor) -> Tensor:
    """As `kernel`, of a model that sees spectrograms with frequency before time: (D, 1, F, T)."""
    return kernel(weight.transpose(2, 3))


def summed_kernel(weight: Tensor) -> Tensor:
    """As `kernel`, for one channel from a kernel of pictures: the sum over red, green and blue."""
    return kernel(weight.sum(dim=1, keepdim=True))


def turned_rows(patch: int) -> Callable[[Tensor], Tensor]:
    """Rows (weights or biases) of an output layer that predicts (frequency, time) -> (time, frequency)."""

    def change(rows: Tensor) -> Tensor:
        turned: Tensor = rows.unflatten(0, (patch, patch))
        return turned.transpose(0, 1).flatten(0, 1)

    return change


def table(positions: Tensor) -> Tensor:
    """(1, L, D) -> (L, D)."""
    return positions.squeeze(0)


def repeated_table(frames: int, leading: int = 0) -> Callable[[Tensor], Tensor]:
    """(1, leading + L, D) of a picture -> (frames * L, D) of a clip; `leading` rows stand for no patch."""

    def change(positions: Tensor) -> Tensor:
        return positions.squeeze(0)[leading:].repeat(frames, 1)

    return change


def turned_table(grid: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """(1, M, D), frequency-first -> (M, D) time-first, where `grid` is (time, frequency)."""
    times, frequencies = grid

    def change(positions: Tensor) -> Tensor:
        cells: Tensor = positions.squeeze(0).unflatten(0, (frequencies, times))
        return cells.transpose(0, 1).flatten(0, 1)

    return change


def sincos_like_mae(grid: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """The table of MAE over a (time, frequency) grid, one row per token in our time-major order.

    MAE puts the waves of the column into the first half of the channels; time stands where its rows were.
    """

    def change(initial: Tensor) -> Tensor:
        times, frequencies = grid
        made = sincos_positions((frequencies, times), initial.shape[1])
        cells: Tensor = made.unflatten(0, (frequencies, times))
        return cells.transpose(0, 1).flatten(0, 1)

    return change


def mean(*tensors: Tensor) -> Tensor:
    """The element-wise mean."""
    return torch.stack(tensors).mean(dim=0)

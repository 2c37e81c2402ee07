"""Which patches take part in training: weighted draws without replacement, as deterministic functions of noise.

All work on whole batches, give exactly `count` distinct ids per clip, and never wait for the device.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Axis = Literal["time", "frequency"]


def kept_count(tokens: int, ratio: float) -> int:
    """kappa, how many of a clip's `tokens` take part at the sampling ratio rho: the product, truncated as released."""
    return int(tokens * ratio)


def top_tokens(importance: Tensor, count: int) -> Tensor:
    """The `count` most important tokens of (B, L), most important first; ties by id. int64 (B, count)."""
    return _check(importance, count).argsort(dim=1, descending=True, stable=True)[:, :count]


def select_tokens(importance: Tensor, excluded: Tensor, count: int, noise: Tensor) -> Tensor:
    """Draw tokens without replacement, each draw proportional to importance among those left.

    Excluded tokens come last, so they are taken only where the others are fewer than `count`, and then by the same
    kind of draw. STELLA selects video patches like this.

    Args:
        importance: (B, L), not negative.
        excluded: bool (B, L).
        count: ids per clip.
        noise: (B, L), uniform in [0, 1).

    Returns:
        int64 (B, count), in the order drawn.
    """
    order = _race(_check(importance, count), noise)
    return _move_last(order, excluded)[:, :count]


def chunk_count(grid: tuple[int, int], chunk: int, axis: Axis = "time") -> int:
    """How many chunks of `chunk` columns (or rows, along frequency) a grid (time, frequency) of tokens has.

    Raises:
        ValueError: the grid does not divide into such chunks.
    """
    cells = grid[0] if axis == "time" else grid[1]
    if cells % chunk:
        raise ValueError(f"{cells} audio tokens along {axis} do not divide into chunks of {chunk}")
    return cells // chunk


def select_chunks(
    importance: Tensor,
    excluded: Tensor,
    count: int,
    chunk: int,
    grid: tuple[int, int],
    axis: Axis,
    noise: Tensor,
    coin: Tensor,
) -> Tensor:
    """Draw audio tokens in chunks of neighbouring time, so that sounds stay whole. STELLA, Algorithm 1, as released.

    Chunks are drawn without replacement in proportion to their importance, and the tokens of a chunk that are not
    excluded ("survivors") are taken, until the next chunk would bring more than `count`. Of that boundary chunk, the
    end that does not touch a chunk already taken is cut; `coin` decides where both ends touch one, or neither does.
    Where all survivors together are no more than `count`, excluded tokens fill the rest, most important first.

    Args:
        importance: (B, L), not negative; token id = time * frequencies + frequency.
        excluded: bool (B, L).
        count: ids per clip.
        chunk: columns of the grid per chunk (along frequency: rows).
        grid: tokens along (time, frequency).
        axis: the axis that is cut into chunks.
        noise: (B, chunks), uniform in [0, 1); `chunk_count` gives their number.
        coin: bool (B,), True cuts the late (high) end.

    Returns:
        int64 (B, count), most important first (excluded ones after all others).
    """
    chunks = chunk_count(grid, chunk, axis)
    weight = _to_chunks(_check(importance, count), grid, axis, chunks)
    alive = ~_to_chunks(excluded, grid, axis, chunks)
    order = _race(weight.mean(dim=2), noise)
    kept = _from_chunks(_survivors_kept(alive, order, count, coin), grid, axis)
    by_importance = importance.argsort(dim=1, descending=True, stable=True)
    return _move_last(by_importance, ~kept)[:, :count]


def _survivors_kept(alive: Tensor, order: Tensor, count: int, coin: Tensor) -> Tensor:
    """Which tokens (B, chunks, size) the chunk procedure takes: exactly `count`, or all survivors if they are fewer."""
    survivors = alive.sum(dim=2)
    total = survivors.gather(1, order).cumsum(dim=1)  # after each chunk, in the order drawn
    before = total - survivors.gather(1, order)
    place = order.argsort(dim=1)
    whole = (total <= count).gather(1, place)
    room = torch.minimum(survivors, (count - before).clamp(min=0).gather(1, place))
    excess = survivors - room

    outside = torch.zeros_like(whole[:, :1])
    left = torch.cat([outside, whole[:, :-1]], dim=1)
    right = torch.cat([whole[:, 1:], outside], dim=1)
    cut_late = torch.where(left == right, coin[:, None], left)[:, :, None]
    rank = alive.cumsum(dim=2)
    inside = torch.where(cut_late, rank <= room[:, :, None], rank > excess[:, :, None])
    return alive & inside


def _race(weight: Tensor, noise: Tensor) -> Tensor:
    """Ids in the order of a weighted draw without replacement: arrival times are exponential with rate `weight`."""
    arrival = -noise.clamp(min=torch.finfo(noise.dtype).tiny).log() / weight
    return arrival.argsort(dim=1, stable=True)


def _move_last(order: Tensor, flagged: Tensor) -> Tensor:
    """The ids of `order` with the flagged ones moved to its end, otherwise in the same order."""
    return order.gather(1, flagged.gather(1, order).to(torch.uint8).argsort(dim=1, stable=True))


def _to_chunks(values: Tensor, grid: tuple[int, int], axis: Axis, chunks: int) -> Tensor:
    plane = values.reshape(-1, *grid)
    if axis == "frequency":
        plane = plane.transpose(1, 2)
    return plane.reshape(len(values), chunks, -1)


def _from_chunks(values: Tensor, grid: tuple[int, int], axis: Axis) -> Tensor:
    if axis == "time":
        return values.flatten(1)
    return values.reshape(-1, grid[1], grid[0]).transpose(1, 2).flatten(1)


def _check(importance: Tensor, count: int) -> Tensor:
    if not 0 < count <= importance.shape[1]:
        raise ValueError(f"can't choose {count} of {importance.shape[1]} tokens")
    return importance

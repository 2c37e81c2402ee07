"""Loading a stream so that one seed gives the same batches for any number of workers, and again after a resume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from avbench.data.store import collate

Draw = tuple[int, int]  # (row of the store, seed of that clip's training view)


def epoch_batches(
    rows: Sequence[int], batch_size: int, generator: torch.Generator, shuffle: bool = True
) -> list[list[Draw]]:
    """One epoch over `rows` in full batches; the incomplete last batch is left out, unless it is the only one.

    Args:
        rows: rows of the clip store.
        batch_size: clips per batch.
        generator: source of the order and of every clip's own seed (its crop, noise and shift).
        shuffle: False keeps the given order.
    """
    order = torch.randperm(len(rows), generator=generator).tolist() if shuffle else list(range(len(rows)))
    seeds = torch.randint(2**62, (len(rows),), generator=generator).tolist()
    draws = [(rows[place], seed) for place, seed in zip(order, seeds, strict=True)]
    size = min(batch_size, len(draws))
    return [draws[start : start + size] for start in range(0, len(draws) - size + 1, size)] if size else []


def batches_per_epoch(clips: int, batch_size: int) -> int:
    """The number of batches `epoch_batches` gives."""
    return max(clips // batch_size, 1) if clips else 0


def make_loader(store: Dataset[Any], batches: Iterable[Sequence[Any]], workers: int, pin: bool) -> DataLoader[Any]:
    """A loader of wire batches (see `avbench.data.store.collate`) in exactly the given order."""
    return DataLoader(
        store,
        batch_sampler=list(batches),  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        # The loader seeds its workers from this generator; nothing in them draws from their global state.
        generator=torch.Generator().manual_seed(0),
    )

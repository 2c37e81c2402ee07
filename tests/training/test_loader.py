"""Epochs as lists of rows and seeds."""

import pytest
import torch

from avbench.training.loader import batches_per_epoch, epoch_batches


@pytest.mark.parametrize(("clips", "size"), [(10, 3), (9, 3), (2, 3), (1, 4), (0, 4)])
def test_an_epoch_is_full_batches_of_distinct_rows_or_the_only_one_there_is(clips: int, size: int) -> None:
    batches = epoch_batches(list(range(100, 100 + clips)), size, torch.Generator())
    rows = [row for batch in batches for row, _ in batch]
    assert len(batches) == batches_per_epoch(clips, size)
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(100, 100 + clips))
    assert all(len(batch) == min(size, clips) for batch in batches)


def test_every_clip_has_its_own_seed_and_epochs_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (epoch_batches(list(range(64)), 8, generator) for _ in range(2))
    seeds = {seed for epoch in (first, second) for batch in epoch for _, seed in batch}
    assert len(seeds) == 128
    assert [r for b in first for r, _ in b] != [r for b in second for r, _ in b]


def test_unshuffled_epochs_do_not_depend_on_where_the_stream_is_cut() -> None:
    whole = epoch_batches(list(range(24)), 4, torch.Generator().manual_seed(5), shuffle=False)
    generator = torch.Generator().manual_seed(5)
    parts = [epoch_batches(list(range(start, start + 8)), 4, generator, shuffle=False) for start in (0, 8, 16)]
    assert whole == [batch for part in parts for batch in part]

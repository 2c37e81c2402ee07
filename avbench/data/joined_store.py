"""Prepared clips of several caches as one store: a mix of data sets, each prepared once for whoever reads it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

from avbench.data.store import ClipStore


class JoinedStore(ClipStore):
    """The rows of several stores, one store after the other.

    Args:
        parts: at least one, all with the same preprocessing, sampling and shape; their clip ids differ.
    """

    def __init__(self, parts: Sequence[ClipStore]) -> None:
        first = parts[0]
        assert all(part.preprocessing == first.preprocessing and part.sampling == first.sampling for part in parts)
        clip_ids = list(chain.from_iterable(part.clip_ids for part in parts))
        assert len(set(clip_ids)) == len(clip_ids)
        super().__init__(first.cache, clip_ids, first.preprocessing, first.sampling, first.shape)
        self.parts = tuple(parts)
        self._ends = list(accumulate(map(len, parts)))

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """As of the part that holds the row; see `ClipStore`."""
        row, draw = key if isinstance(key, tuple) else (key, None)
        number = bisect_right(self._ends, row)
        within = row - (self._ends[number - 1] if number else 0)
        return self.parts[number][within if draw is None else (within, draw)]

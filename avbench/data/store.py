"""Prepared clips as a dataset: a row gives the evaluation view, a row with a draw a training view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from avbench.config import ClipShape
from avbench.data import transforms
from avbench.data.cache import ClipCache
from avbench.data.clip import StoredClip
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.seeding import derive_seed


class ClipStore(Dataset[dict[str, Any]]):
    """Clips of one cache by row number, in wire format; see `avbench.batch.Batch.from_wire`.

    Args:
        cache: holds every clip of `clip_ids`, prepared.
        preprocessing: the cache's.
        keep_in_memory: keep decoded clips, each from its first use on. A worker process starts with none.

    Raises:
        UsageError: clips stored like this can't be sampled like that.
    """

    def __init__(
        self,
        cache: ClipCache,
        clip_ids: Sequence[str],
        preprocessing: Preprocessing,
        sampling: Sampling,
        shape: ClipShape,
        keep_in_memory: bool = False,
    ) -> None:
        assert cache.preprocessing == preprocessing
        transforms.check(preprocessing, sampling, shape)
        self.cache = cache
        self.clip_ids = tuple(clip_ids)
        self.preprocessing = preprocessing
        self.sampling = sampling
        self.shape = shape
        self.keep_in_memory = keep_in_memory
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """One clip: `audio` float16 (1, T, F), `video` uint8 (frames, 3, H, W), `clip_id`.

        Args:
            key: `row` for the evaluation view, or `(row, draw)` for a training view whose every random choice follows
                from `draw` alone, whatever process computes it and in whatever order.

        Raises:
            DataError: the clip is missing from the cache or damaged there.
        """
        row, draw = key if isinstance(key, tuple) else (key, None)
        read = partial(self._read, row)
        if draw is None:
            wire = transforms.evaluation_view(read, self.preprocessing, self.sampling, self.shape)
        else:
            generator = torch.Generator().manual_seed(derive_seed(draw))
            wire = transforms.training_view(read, self.preprocessing, self.sampling, self.shape, generator)
        return {**wire, "clip_id": self.clip_ids[row]}

    def _read(self, row: int, frames: Sequence[int]) -> tuple[Tensor, Tensor]:
        if not self.keep_in_memory:
            return _as_tensors(self.cache.read(self.clip_ids[row], frames))
        if row not in self._kept:
            self._kept[row] = _as_tensors(self.cache.read(self.clip_ids[row]))
        stored, log_mel = self._kept[row]
        return stored[list(frames)], log_mel.clone()  # copies: what is kept must not change

    def __getstate__(self) -> dict[str, Any]:
        """Pickled for a worker process without the clips in memory."""
        return {**self.__dict__, "_kept": {}}


def _as_tensors(clip: StoredClip) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(clip.frames).permute(0, 3, 1, 2), torch.from_numpy(clip.log_mel)


def collate(clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Wire clips -> `audio` float16 (B, 1, T, F), `video` uint8 (B, frames, 3, H, W), `clip_id` list of B names."""
    return {
        "audio": torch.stack([clip["audio"] for clip in clips]),
        "video": torch.stack([clip["video"] for clip in clips]),
        "clip_id": [clip["clip_id"] for clip in clips],
    }


def rows_of(experience: Any) -> list[int]:
    """The rows of the benchmark's store that an Avalanche experience, or dataset, consists of, in order."""
    dataset = getattr(experience, "dataset", experience)
    return [int(row) for row in dataset.row]

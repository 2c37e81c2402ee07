"""Clips with masks of what sounds in their pictures: AVSBench-S4's, or rendered ones whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.streams import EVALUATION, TRAIN, Clip, Coverage
from avbench.data.prepare import Progress
from avbench.data.store import ClipStore
from avbench.errors import UsageError


@dataclass(frozen=True)
class MaskedPart:
    """N clips.

    Attributes:
        labels: their classes.
        masks: bool (N, masks, H, W), of the pictures from the first on; of training clips the first one only.
        views: `views[row]` in wire format, one view per window of pictures.
        tasks: the continual task of each, where there is one.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    masks: Tensor
    views: Dataset[dict[str, Any]]
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True)
class MaskedClips:
    """Parts of a data set, how much there is of each, and what a reader of results should know."""

    dataset: str
    synthetic: bool
    parts: Mapping[str, MaskedPart]
    coverage: Mapping[str, Coverage]
    quarantined: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def windows(pictures: int, frames: int) -> list[list[int]]:
    """Numbers of the pictures of each window of `frames`; together they hold all, and the last one ends with the last.

    Raises:
        UsageError: there are fewer pictures than a window has.
    """
    if pictures < frames:
        raise UsageError(f"the backbone takes {frames} pictures at once, but a clip has masks of {pictures}")
    starts = [*range(0, pictures - frames, frames), pictures - frames]
    return [list(range(start, start + frames)) for start in starts]


def joined(views: Tensor, spans: Sequence[Sequence[int]]) -> Tensor:
    """What was computed of each window, (B, windows, frames, ...), for each picture once: (B, pictures, ...)."""
    pictures = [views[:, 0]]
    for number in range(1, len(spans)):
        new = spans[number][-1] - spans[number - 1][-1]
        pictures.append(views[:, number, -new:])
    return torch.cat(pictures, dim=1)


# --- rendered ---------------------------------------------------------------------------------------------------------


def of_world(
    benchmark: ContinualSynth,
    counts: Mapping[str, int],
    progress: Progress | None = None,
    notes: tuple[str, ...] = (),
) -> MaskedClips:
    """Clips of a rendered world: to learn from those of its train stream, to test those of the evaluation stream.

    A mask shows where the source is visible in a picture during which it is heard.

    Args:
        counts: of each part wanted, clips per class at most.
        notes: what a reader of results should know.

    Raises:
        UsageError: nothing is left for a part.
    """
    order = {part: EVALUATION if part == "test" else TRAIN for part in counts}
    skipped = {"validation": counts.get("train", 0)}
    chosen = {part: _first(benchmark, stream, skipped.get(part, 0), counts[part]) for part, stream in order.items()}
    ids = list(dict.fromkeys(clip.clip_id for clips in chosen.values() for clip, _ in clips))
    store, quarantined = benchmark.store_of(ids, progress)
    row_of = {clip_id: row for row, clip_id in enumerate(store.clip_ids)}
    parts, coverage = {}, {}
    for part, clips in chosen.items():
        there = [(clip, task) for clip, task in clips if clip.clip_id in row_of]
        if not there:
            raise UsageError(f"no clips are left for {part}: the world lists too few of each class; use fewer to train")
        names = tuple(clip.clip_id for clip, _ in there)
        masks = [_heard(benchmark, name, first=part == "train") for name in names]
        parts[part] = MaskedPart(
            names,
            tuple(clip.label for clip, _ in there),
            torch.from_numpy(np.stack(masks)),
            _StoreViews(store, [row_of[name] for name in names]),
            tuple(task for _, task in there),
        )
        coverage[part] = Coverage(len(clips), len(there), sum(clip.clip_id in quarantined for clip, _ in clips))
    return MaskedClips(benchmark.name, True, parts, coverage, quarantined, notes)


def _first(benchmark: ContinualSynth, stream: str, skipped: int, count: int) -> list[tuple[Clip, int]]:
    """So many clips of each class after the first `skipped`, and their continual tasks."""
    seen: Counter[str] = Counter()
    found = []
    for task, group in enumerate(benchmark.clip_list.streams[stream]):
        for clip in group.clips:
            if skipped <= seen[clip.label] < skipped + count:
                found.append((clip, task))
            seen[clip.label] += 1
    return found


def _heard(benchmark: ContinualSynth, clip_id: str, first: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    truth = benchmark.truth_of(clip_id)
    masks = truth.sources & truth.heard[:, None, None]
    return masks[:1] if first else masks


class _StoreViews(Dataset[dict[str, Any]]):
    """Rows of a store in the view of evaluation."""

    def __init__(self, store: ClipStore, rows: Sequence[int]) -> None:
        self.store, self.rows = store, tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        clip = self.store[self.rows[row]]
        return {"audio": clip["audio"][None], "video": clip["video"][None]}

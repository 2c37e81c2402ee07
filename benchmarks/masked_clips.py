"""Clips with masks of what sounds in their pictures: AVSBench-S4's, or rendered ones whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from avbench.benchmarks import avsbench
from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.known_datasets import find
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.segments import centred, columns_of
from avbench.benchmarks.streams import EVALUATION, TRAIN, Clip, Coverage
from avbench.benchmarks.task_clips import prepare_clips
from avbench.config import ClipShape
from avbench.data.cache import ClipCache
from avbench.data.clip import StoredClip
from avbench.data.media import check_sound, read_audio
from avbench.data.prepare import Progress
from avbench.data.preprocessing import Preprocessing
from avbench.data.store import ClipStore
from avbench.data.transforms import resize
from avbench.errors import DataError, MediaError, UsageError

PARTS: dict[str, avsbench.Split] = {"train": "train", "validation": "val", "test": "test"}
_BRIGHT = 128  # from here on a pixel of a mask belongs to the object


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


def of_world(benchmark: ContinualSynth, counts: Mapping[str, int], progress: Progress | None = None) -> MaskedClips:
    """Clips of a run's own world: to learn from those it was trained on, to test those of the evaluation stream.

    A mask shows where the source is visible in a picture during which it is heard.

    Args:
        counts: of each part wanted, clips per class at most.
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
    return MaskedClips(benchmark.name, True, parts, coverage, quarantined)


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


# --- AVSBench ---------------------------------------------------------------------------------------------------------


def of_avsbench(
    benchmark: BenchmarkPlugin, root: Path | None, masks: int, wanted: Sequence[str], progress: Progress | None = None
) -> MaskedClips:
    """Scenes of AVSBench-S4 whose pictures, sound and masks are on disk.

    Its own pictures are taken, not those of the videos: masks were drawn on them, and their sides were squeezed alike.

    Args:
        masks: how many of the five pictures of a clip count, from the first on.
        wanted: parts.

    Raises:
        DataError: no folder is named, the list is not there, or nothing usable is left of a part.
        UsageError: the backbone takes more pictures at once.
    """
    if root is None:
        raise DataError(
            "this task needs AVSBench-S4, but no folder is named: give --data-root FOLDER. "
            f"{avsbench.HOW_TO_GET}. A run on continual-synth needs no data for it"
        )
    scenes = avsbench.read_list(root)
    listed = {part: scenes.of(PARTS[part]) for part in wanted}
    shape, base = benchmark.config.clip, benchmark.data.preprocessing
    stored = base.model_copy(
        update={
            "clip_seconds": float(avsbench.SECONDS),
            "stored_frames": avsbench.SECONDS,
            "stored_size": shape.image_size,
            "audio_frames": columns_of(avsbench.SECONDS, base),
        }
    )
    complete = {part: [one for one in found if _is_complete(scenes, one)] for part, found in listed.items()}
    sources = {
        one.clip_id: partial(read_scene, scenes.frames(one), _sound(scenes, one), stored)
        for found in complete.values()
        for one in found
    }
    cache, report = prepare_clips(benchmark, "avsbench-scenes", stored, sources, progress, scenes.data)
    ready, notes = set(report.ready), [*find("avsbench").read(root, None).notes]
    if stored.audio_frames > shape.audio_frames:
        notes.append("of the five seconds of sound only the middle fits the backbone's spectrograms")
    parts, coverage = {}, {}
    for part, found in complete.items():
        usable = [one for one in found if one.clip_id in ready]
        unreadable = sum(one.clip_id in report.quarantined for one in found)
        coverage[part] = Coverage(len(listed[part]), len(usable), unreadable)
        if not usable:
            raise DataError(
                f"nothing usable is left of the {part} clips of AVSBench-S4: {len(listed[part]):,} are listed, "
                f"{len(listed[part]) - len(found):,} lack pictures (visual_frames), sound (audio_wav or raw_videos) or "
                f"masks (gt_masks) under {scenes.data}, {unreadable:,} can't be read; add what is missing"
            )
        spans = windows(masks, shape.frames)
        names = tuple(one.clip_id for one in usable)
        parts[part] = MaskedPart(
            names,
            tuple(one.category for one in usable),
            torch.stack([_masks(scenes.masks(one)[:masks], shape.image_size) for one in usable]),
            _SceneViews(cache, names, spans[:1] if part == "train" else spans, stored, shape),
        )
    return MaskedClips("AVSBench-S4", False, parts, coverage, report.quarantined, tuple(notes))


def read_scene(pictures: Sequence[Path], sound: Path, preprocessing: Preprocessing) -> StoredClip:
    """A scene as the cache stores it, its pictures squeezed to a square.

    Raises:
        MediaError: a file can't be read.
    """
    waveform = read_audio(sound, preprocessing.clip_seconds, preprocessing.sample_rate)
    check_sound(waveform, sound, preprocessing)
    size = preprocessing.stored_size
    frames = [resize(_pixels(path, "RGB").permute(2, 0, 1)[None], size)[0].permute(1, 2, 0) for path in pictures]
    return StoredClip.from_waveform(torch.stack(frames).numpy(), waveform, preprocessing)


def _pixels(path: Path, mode: str) -> Tensor:
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            return torch.from_numpy(np.array(image.convert(mode)))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise MediaError("undecodable", f"{path} can't be decoded ({error})") from None


def _masks(paths: Sequence[Path], size: int) -> Tensor:
    """bool (masks, size, size): pixels of which more than half is bright.

    Raises:
        DataError: a mask can't be read.
    """
    try:
        bright = [(_pixels(path, "L") >= _BRIGHT).float()[None, None] for path in paths]
    except MediaError as error:
        raise DataError(
            f"the mask {error}; put a sound copy in its place, or delete it to leave its clip out"
        ) from None
    same = [
        mask if mask.shape[2:] == (size, size)
        else functional.interpolate(mask, size=(size, size), mode="bilinear", antialias=True)
        for mask in bright
    ]  # fmt: skip
    return torch.cat(same)[:, 0] > 0.5


def _sound(scenes: avsbench.SceneList, scene: avsbench.Scene) -> Path:
    wave = scenes.sound(scene)
    return wave if wave.is_file() else scenes.video(scene)


def _is_complete(scenes: avsbench.SceneList, scene: avsbench.Scene) -> bool:
    needed = (*scenes.frames(scene), *scenes.masks(scene), _sound(scenes, scene))
    return all(path.is_file() for path in needed)


class _SceneViews(Dataset[dict[str, Any]]):
    """Scenes of a cache: a view for every window of pictures, all with the whole sound in the middle."""

    def __init__(
        self,
        cache: ClipCache,
        names: Sequence[str],
        spans: Sequence[Sequence[int]],
        stored: Preprocessing,
        shape: ClipShape,
    ) -> None:
        self.cache, self.names, self.spans, self.stored, self.shape = cache, tuple(names), spans, stored, shape

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> dict[str, Any]:
        clip = self.cache.read(self.names[row])
        sound = torch.from_numpy(centred(clip.log_mel, self.shape.audio_frames, self.stored))[None, None]
        pictures = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        return {
            "audio": sound.expand(len(self.spans), -1, -1, -1).contiguous(),
            "video": torch.stack([pictures[list(span)] for span in self.spans]),
        }

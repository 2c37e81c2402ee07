"""The world as real media files, in the layout of VGGSound: `video/{ytid}_{start:06d}.mp4` and `vggsound.csv`.

Every id starts with `SYN` and says which clip it is, so that no such file passes for a recording.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from avbench.data.world.config import VERSION
from avbench.data.world.keys import ClipKey, Split
from avbench.data.world.truth_file import write_truth
from avbench.data.world.world import World
from avbench.errors import DataError, UsageError

Labels = Literal["world", "vggsound"]

CSV, ABOUT, VIDEO, TRUTH = "vggsound.csv", "world.json", "video", "truth"
_AUDIO_BITS = 96_000  # a second
# Without cpu-independent, libx264 165 computes its macroblock tree with AVX-512 code whose result, at widths that are
# not multiples of 128, depends on what freshly allocated memory holds: equal pictures gave files that differ, also in
# size.
_H264 = {"crf": "18", "preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}


@dataclass(frozen=True)
class ExportReport:
    """What an export did: `clips` it holds now, `rendered` by this call, and the `csv` that lists them."""

    clips: int
    rendered: int
    csv: Path


def youtube_id(key: ClipKey) -> str:
    """An invented id of 11 characters: SYN, then split, task, class and index, such as `SYNt3070012`."""
    task = "x" if key.task is None else str(key.task)
    return f"SYN{key.split[0]}{task}{key.class_index:02d}{key.index:04d}"


def export_media(
    world: World,
    out: Path,
    splits: Sequence[Split] = ("train", "retrieval", "evaluation"),
    fps: int = 25,
    *,
    clips_per_class: int | None = None,
    labels: Labels = "world",
    class_names: Mapping[str, Sequence[str]] | None = None,
    truth: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Renders clips to mp4 (H.264 and AAC) and lists them in a csv without header: ytid, start seconds, label, split.

    Frames are rendered at `fps`, the j-th at time j / fps; training clips become `train`, retrieval and evaluation
    clips, in this order, `test`. Each file appears under its name only when complete, and files that are there are not
    made again: an interrupted export goes on where it stopped, and later calls may add splits.

    Args:
        clips_per_class: at most so many of each class and split.
        labels: `world` labels clips with the names of the world's classes; `vggsound` with the k-th name that
            `class_names` holds for the task's id, so that Continual-VS runs on the export.
        truth: also write `truth/{name}.npz` beside each clip (see `truth_file`), masks at `fps`.
        jobs: processes that render.
        progress: called with the number of clips done and the number of all, first before anything is rendered.

    Raises:
        UsageError: the image size is odd (H.264 wants an even one), or names for the labels are missing.
        DataError: `out` holds another world's export, or can't be written.
    """
    if world.config.image_size % 2:
        raise UsageError(f"world.image_size = {world.config.image_size}: choose an even size to export media")
    keys = [key for split in splits for key in world.clips(split) if key.index < (clips_per_class or key.index + 1)]
    names = {key: _label(world, key, labels, class_names) for key in keys}
    with _explained(out):
        (out / VIDEO).mkdir(parents=True, exist_ok=True)
        if truth:
            (out / TRUTH).mkdir(exist_ok=True)
        _claim(world, out, fps)
        missing = [key for key in keys if not all(path.exists() for path in _files(out, key, truth))]
        report = progress or _silently
        report(len(keys) - len(missing), len(keys))
        for number, _ in enumerate(_each(partial(_write_clip, world, out, fps, truth), missing, jobs), 1):
            report(len(keys) - len(missing) + number, len(keys))
        _write_csv(out / CSV, names)
    return ExportReport(len(keys), len(missing), out / CSV)


def _silently(done: int, total: int) -> None:
    pass


def _label(world: World, key: ClipKey, labels: Labels, class_names: Mapping[str, Sequence[str]] | None) -> str:
    if labels == "world" or key.task is None:
        return world.identity(key).name
    task = world.tasks[key.task].id
    names = (class_names or {}).get(task, ())
    if key.class_index >= len(names):
        raise UsageError(f"labels = vggsound: task {task!r} needs {key.class_index + 1} class names, not {len(names)}")
    return names[key.class_index]


def _claim(world: World, out: Path, fps: int) -> None:
    """Says in a file what the folder holds, or checks that it holds the same."""
    about = {
        "synthetic": "Made by avbench; nothing here is a recording.",
        "world_version": VERSION,
        "fps": fps,
        "fingerprint": world.config.fingerprint(),
        "world": world.config.model_dump(mode="json"),
    }
    path = out / ABOUT
    if not path.exists():
        with _appearing(path) as file:
            file.write(json.dumps(about, indent=1).encode())
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        same = all(held[name] == about[name] for name in ("world_version", "fps", "fingerprint"))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is damaged: export to another folder, or remove this one") from None
    if not same:
        raise DataError(f"{out} holds an export of another world or frame rate: choose another folder, or remove it")


def _files(out: Path, key: ClipKey, truth: bool) -> list[Path]:
    name = f"{youtube_id(key)}_000000"
    return [out / VIDEO / f"{name}.mp4"] + ([out / TRUTH / f"{name}.npz"] if truth else [])


def _each(task: Callable[[ClipKey], None], keys: list[ClipKey], jobs: int) -> Iterator[None]:
    if jobs == 1:
        yield from map(task, keys)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(task, keys)


def _write_clip(world: World, out: Path, fps: int, truth: bool, key: ClipKey) -> None:
    times = np.arange(round(world.config.seconds * fps)) / fps
    clip = world.render(key, times)
    video, *truths = _files(out, key, truth)
    for path in truths:
        with _appearing(path) as file:
            write_truth(file, clip.truth)
    with _appearing(video) as file:
        encode(file, clip.frames, clip.waveform, fps, world.config.sample_rate)


def encode(
    file: IO[bytes], frames: NDArray[np.uint8], waveform: NDArray[np.float32], fps: int, sample_rate: int
) -> None:
    """Writes an mp4 with H.264 video of `frames` (n, H, W, 3) and AAC audio of a mono `waveform` (samples,).

    On one machine equal clips give equal bytes, whatever the process did before.
    """
    import av

    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=fps, options=dict(_H264))
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=sample_rate, layout="mono")
        audio.bit_rate = _AUDIO_BITS
        for image in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
        sound.sample_rate = sample_rate
        sound.pts = 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def _write_csv(path: Path, names: Mapping[ClipKey, str]) -> None:
    """All clips of this and earlier calls; those of earlier calls first, as they were."""
    rows = {row[0]: row for row in csv.reader(path.read_text(encoding="utf-8").splitlines())} if path.exists() else {}
    for key, name in names.items():
        split = "train" if key.split in {"train", "base"} else "test"
        rows[youtube_id(key)] = [youtube_id(key), "0", name, split]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows.values())
    with _appearing(path) as file:
        file.write(text.getvalue().encode())


@contextmanager
def _appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file that stands under its name only once everything is written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"can't export to {out}: {error.strerror or error}; finished clips are kept") from error

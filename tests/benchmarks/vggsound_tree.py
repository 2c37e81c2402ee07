"""Folders that look like VGGSound, made by the tests: lists, and files that are empty or tiny real media."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from avbench.benchmarks.continual_vs import ContinualVS
from avbench.config import ClipShape, RunConfig

SHAPE = ClipShape(frames=2, image_size=16, audio_frames=32, mel_bins=16, patch=8)
PREPROCESSING = {"clip_seconds": 1.0, "stored_frames": 4, "stored_size": 16, "audio_frames": 32, "mel_bins": 16}
SAMPLING = {"frames": "segments"}
RATE = 16000

Line = tuple[str, int, str, str]  # as in vggsound.csv


def ytid(number: int) -> str:
    """The 11 characters of a made-up YouTube id, one that begins with a dash and holds underscores."""
    return f"-x_{number:07d}_"


def lines(label: str, split: str, numbers: Iterable[int]) -> list[Line]:
    """Rows of a class."""
    return [(ytid(number), number % 300, label, split) for number in numbers]


def file_name(line: Line) -> str:
    """The official name of a clip's file."""
    return f"{line[0]}_{line[1]:06d}.mp4"


def write_list(path: Path, rows: Iterable[Line]) -> Path:
    """Four columns, no header, quotes where a label holds a comma: the official form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [f'{name},{start},"{label}",{split}\n' for name, start, label, split in rows]
    path.write_text("".join(text), encoding="utf-8")
    return path


def write_pair(folder: Path, rows: Sequence[Line]) -> None:
    """`train.csv` and `test.csv` in their official two-column form."""
    for split in ("train", "test"):
        text = [f'{file_name(row)},"{row[2]}"\n' for row in rows if row[3] == split]
        (folder / f"{split}.csv").write_text("".join(text), encoding="utf-8")


def touch(root: Path, rows: Iterable[Line]) -> None:
    """Empty files with the clips' names: enough for everything but decoding."""
    (root / "video").mkdir(parents=True, exist_ok=True)
    for row in rows:
        (root / "video" / file_name(row)).touch()


def write_clip(path: Path, sound: bool = True) -> bytes:
    """One second of moving noise, with or without a tone; returns the file's bytes."""
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for _ in range(10):
            image = generator.integers(256, size=(32, 32, 3), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            wave = 0.3 * np.sin(0.2 * np.arange(int(1.2 * RATE), dtype=np.float32))
            for first in range(0, len(wave), 1024):
                frame = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), first
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path.read_bytes()


def benchmark(root: Path | None, cache: Path, data: dict[str, Any] | None = None, **config: Any) -> ContinualVS:
    """Continual-VS on a made-up tree, at a tiny size."""
    section = {"root": root, "cache": cache, "jobs": 1, "preprocessing": PREPROCESSING, "sampling": SAMPLING}
    values = {"strategy": "none", "bench": "continual-vs", "clip": SHAPE, "data": section | (data or {})}
    return ContinualVS(RunConfig(**(values | config)))

"""Clips per second and core of data loading: from media files, from the prepared store, through the loader.

    python perf/data.py                                              # both sizes, one to two minutes
    python perf/data.py --sizes paper --media /data/vggsound/video --clips 16 --seconds 10 --folder /mnt/disk

The embedded world renders clips and exports them as mp4, unless `--media` names other files; each is read back and
prepared once. At the paper's size decoding is also told by resolution: of the files that `--media` names, else of one
of the world's clips scaled to usual sizes. Everything runs in this process, PyTorch with one thread. Files were read
shortly before, so the system serves them from its own memory: "from disk" is the price of opening, checking and
decoding a prepared file, not of a slow disk. Where other jobs share the core, the rate per second of this process's CPU
time is the one to read.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import torch

from avbench.batch import Batch
from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.config import ClipShape, resolve
from avbench.data.cache import ClipCache
from avbench.data.media import read_clip
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.store import ClipStore
from avbench.data.transforms import evaluation_frames
from avbench.data.world import World, WorldConfig
from avbench.data.world.export import VIDEO, export_media
from avbench.errors import AvbenchError
from avbench.training.loader import epoch_batches, make_loader

RESOLUTIONS = ((320, 240), (480, 360), (640, 360), (1280, 720))  # of most VGGSound clips
BATCH = 48  # clips of the stream per step, in both profiles


@dataclass(frozen=True)
class Size:
    """The world that is exported, and how a run of this size stores and samples its clips."""

    world: WorldConfig
    preprocessing: Preprocessing
    sampling: Sampling
    shape: ClipShape

    def describe(self) -> str:
        stored, shape = self.preprocessing, self.shape
        return (
            f"{stored.clip_seconds:g} s, {stored.stored_frames} frames of {stored.stored_size} px stored "
            f"({stored.image_format}), {shape.frames} of {shape.image_size} px used, "
            f"spectrogram {shape.audio_frames} x {shape.mel_bins}"
        )


def quick() -> Size:
    """Continual-Synth's quick profile."""
    config = resolve("finetune", "continual-synth", "quick")
    data = ContinualSynth(config).data
    return Size(data.world, data.preprocessing, data.sampling, config.clip)


def paper() -> Size:
    """Continual-VS's published protocol; the world stands in for recordings of 256 px and 10 s."""
    return Size(WorldConfig(image_size=256, seconds=10.0), Preprocessing(), Sampling(), ClipShape())


SIZES = {"quick": quick, "paper": paper}


def export(size: Size, clips: int, folder: Path) -> list[Path]:
    """mp4 files of `clips` clips, of all tasks in turn."""
    per_class = -(-clips // 8)  # one class in each of the eight tasks
    update = {"classes_per_task": 1, "train_clips": per_class}
    export_media(World(size.world.model_copy(update=update)), folder, ("train",))
    return sorted((folder / VIDEO).glob("*.mp4"))[:clips]


def prepare(size: Size, paths: list[Path], cache: ClipCache) -> None:
    for path in paths:
        cache.write(path.stem, read_clip(path, size.preprocessing))


def decoding(size: Size, paths: list[Path]) -> Iterator[int]:
    """Media files to prepared clips: all stored frames and the spectrogram."""
    for path in itertools.cycle(paths):
        read_clip(path, size.preprocessing)
        yield 1


def by_resolution(paths: list[Path]) -> dict[str, list[Path]]:
    """Media files by the size of their pictures, smallest first."""
    sizes: dict[tuple[int, int], list[Path]] = {}
    for path in paths:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            sizes.setdefault((stream.width, stream.height), []).append(path)
    ordered = sorted(sizes.items(), key=lambda entry: (math.prod(entry[0]), entry[0]))
    return {f"{width}x{height}": files for (width, height), files in ordered}


def scaled(path: Path, width: int, height: int) -> Path:
    """A copy of a media file with pictures of another size, beside it; its sound is copied as it is."""
    made = path.with_name(f"{path.stem}-{width}x{height}.mp4")
    with av.open(str(path)) as source, av.open(str(made), "w") as target:
        video, sound = source.streams.video[0], source.streams.audio[0]
        wider = target.add_stream("libx264", rate=video.average_rate, options={"crf": "23", "preset": "veryfast"})
        wider.width, wider.height, wider.pix_fmt = width, height, "yuv420p"
        copied = target.add_stream_from_template(sound)
        for packet in source.demux(video, sound):
            if packet.stream is sound:
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
                continue
            for frame in packet.decode():
                target.mux(wider.encode(frame.reformat(width, height)))
        target.mux(wider.encode(None))
    return made


def stored_reads(cache: ClipCache, size: Size, paths: list[Path]) -> Iterator[int]:
    """The frames of one view and the spectrogram out of prepared files, checked and decoded, and nothing else."""
    wanted = evaluation_frames(size.preprocessing, size.sampling, size.shape)
    for path in itertools.cycle(paths):
        cache.read(path.stem, wanted)
        yield 1


def views(store: ClipStore, training: bool) -> Iterator[int]:
    for draw in itertools.count():
        row = draw % len(store)
        store[(row, draw) if training else row]
        yield 1


def batches(store: ClipStore, floats: bool) -> Iterator[int]:
    """Training views in batches as a loader hands them over, or turned into the model's floats (on a GPU, its work)."""
    generator = torch.Generator().manual_seed(0)
    rows = [place % len(store) for place in range(BATCH)]
    while True:
        for wire in make_loader(store, epoch_batches(rows, BATCH, generator), workers=0, pin=False):
            yield len(Batch.from_wire(**wire) if floats else wire["clip_id"])


def measure(work: Iterator[int], warmup: int, seconds: float, rounds: int) -> tuple[list[float], list[float]]:
    """Clips per second, and per second of this process's CPU time, of each round; `warmup` clips come before."""
    done = 0
    while done < warmup:
        done += next(work)
    wall, processor = [], []
    for _ in range(rounds):
        clips, started, spent = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - started < seconds / rounds:
            clips += next(work)
        wall.append(clips / (time.perf_counter() - started))
        processor.append(clips / (time.process_time() - spent))
    return wall, processor


def report(name: str, arguments: argparse.Namespace, folder: Path) -> str:
    """Prints the table's rows of one size; returns what the size is."""
    size = SIZES[name]()
    paths = arguments.files or export(size, arguments.clips, folder / "media")
    cache = ClipCache(folder, size.preprocessing)
    prepare(size, paths, cache)
    memory, disk = (
        ClipStore(cache, [path.stem for path in paths], size.preprocessing, size.sampling, size.shape, keep)
        for keep in (True, False)
    )
    resolutions = {}
    if name == "paper":
        copies = [scaled(paths[0], *pixels) for pixels in RESOLUTIONS] if not arguments.files else paths
        resolutions = by_resolution(copies)
    works = {
        "mp4 decoded and prepared": decoding(size, paths),
        **{f"the same, {name} alone": decoding(size, files) for name, files in resolutions.items()},
        "read from the cache, from disk": stored_reads(cache, size, paths),
        "evaluation view, from memory": views(memory, training=False),
        "evaluation view, from disk": views(disk, training=False),
        "training view, from memory": views(memory, training=True),
        "training view, from disk": views(disk, training=True),
        f"loader, batches of {BATCH}, from memory": batches(memory, floats=False),
        f"loader, batches of {BATCH}, from disk": batches(disk, floats=False),
        "the same, as the model's floats": batches(disk, floats=True),
    }
    for label, work in works.items():
        wall, processor = measure(work, len(paths), arguments.seconds, arguments.rounds)
        rate, seen, low, high = statistics.median(processor), statistics.median(wall), min(wall), max(wall)
        cells = [name, label, *map(_short, (rate, seen)), f"{_short(low)} to {_short(high)}", f"{1000 / rate:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    media, stored = (
        sum(path.stat().st_size for path in files) / len(paths) / 1000
        for files in (paths, cache.folder.glob("clips/*/*/*.safetensors"))
    )
    return f"{name}: {size.describe()}; a clip takes {media:.0f} kB as mp4 and {stored:.0f} kB prepared"


def _short(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 20 else f"{rate:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--media", type=Path, help="a folder with mp4 files, recordings for example, to measure on")
    parser.add_argument("--clips", type=int, default=8, help="different clips of each size")
    parser.add_argument("--seconds", type=float, default=2.5, help="for each row of the table, without its warm-up")
    parser.add_argument("--rounds", type=int, default=5, help="into which these seconds are cut")
    parser.add_argument("--folder", type=Path, help="where files are written meanwhile; else the system's place")
    arguments = parser.parse_args()
    if min(arguments.clips, arguments.seconds, arguments.rounds) <= 0:
        parser.error("--clips, --seconds and --rounds must be positive")
    if arguments.folder and not arguments.folder.is_dir():
        parser.error(f"--folder {arguments.folder} is no folder: make it first")
    arguments.files = sorted(arguments.media.rglob("*.mp4"))[: arguments.clips] if arguments.media else []
    if arguments.media and not arguments.files:
        parser.error(f"--media {arguments.media} holds no mp4 file: name another folder")
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    print(f"One thread of a {platform.machine()} CPU, torch {torch.__version__}; {load:.1f} jobs ran at the start\n")
    print("| size | what | clips/s of CPU time | clips/s | slowest to fastest round | CPU ms/clip |")
    print("|---|---|---|---|---|---|")
    notes = []
    for name in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            try:
                notes.append(report(name, arguments, Path(folder)))
            except AvbenchError as error:
                parser.error(str(error))
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()

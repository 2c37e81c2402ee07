"""A contact sheet: `python -m avbench.data.world.sheet sheet.png [--set key=value ...]`.

One clip of the first classes of each task a row: its frames, what sounds outlined in white, and its spectrogram.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import signal

from avbench.config import parse_override, validate
from avbench.data.world.config import WorldConfig
from avbench.data.world.world import World, WorldClip

Picture = NDArray[np.uint8]


def contact_sheet(world: World, classes: int, index: int = 0) -> Picture:
    """(H, W, 3): the clips `index` of the first `classes` classes of every task, two columns of rows."""
    keys = [key for key in world.clips("retrieval") if key.class_index < classes and key.index == index]
    rows = [_row(world.render(key)) for key in keys]
    half = -(-len(rows) // 2)
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    columns = [np.concatenate(rows[:half]), np.concatenate(rows[half:])]
    return np.concatenate([columns[0], np.full((len(columns[0]), 12, 3), 255, np.uint8), columns[1]], axis=1)


def _row(clip: WorldClip) -> Picture:
    frames = clip.frames.copy()
    frames[_outline(clip.truth.source_mask)] = 255
    strip = np.concatenate([*frames, _spectrogram(clip, frames.shape[1])], axis=1)
    return np.pad(strip, ((1, 1), (0, 0), (0, 0)), constant_values=255)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    inner = padded[:, 2:, 1:-1] & padded[:, :-2, 1:-1] & padded[:, 1:-1, 2:] & padded[:, 1:-1, :-2]
    outline: NDArray[np.bool_] = mask & ~inner
    return outline


def _spectrogram(clip: WorldClip, height: int) -> Picture:
    """(height, 2 * height, 3): time to the right, frequency up, 60 dB of range."""
    rate = len(clip.waveform) / (clip.truth.times[-1] + clip.truth.times[0])
    _, _, power = signal.spectrogram(clip.waveform, rate, nperseg=512, noverlap=256)
    level = np.clip(1 + 10 * np.log10(power / power.max() + 1e-12) / 60, 0, 1)
    rows = np.geomspace(2, len(level) - 1, height).astype(int)[::-1]
    columns = np.linspace(0, level.shape[1] - 1, 2 * height).astype(int)
    return np.repeat((level[rows][:, columns, None] * 255).astype(np.uint8), 3, axis=2)


def main() -> None:
    """Writes the sheet to the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--classes", type=int, default=2, help="per task")
    arguments = parser.parse_args()
    values = {key: value for text in arguments.overrides for key, value in parse_override(text).items()}
    world = World(validate(WorldConfig, values, "world"))
    coarse = contact_sheet(world, arguments.classes) & 0xF0  # sixteen levels compress well
    Image.fromarray(coarse).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()

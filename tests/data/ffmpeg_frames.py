"""FFmpeg's command line as a second decoder: every frame of a file with its time."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

FFMPEG = shutil.which("ffmpeg")
_TIME = re.compile(rb"pts_time:(\S+)")
_SIZE = re.compile(rb"\bs:(\d+)x(\d+)")


def frame_times(path: Path) -> tuple[list[float], tuple[int, int]]:
    """Presentation times in seconds from the first frame's, and (width, height)."""
    command = [str(FFMPEG), "-nostdin", "-i", str(path), "-an", "-vf", "showinfo", "-fps_mode", "passthrough"]
    told = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=True).stderr
    times = [float(time) for time in _TIME.findall(told)]
    size = _SIZE.search(told)
    assert size is not None
    return [time - times[0] for time in times], (int(size[1]), int(size[2]))


def frames(path: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Every frame, uint8 (height, width, 3)."""
    command = [str(FFMPEG), "-nostdin", "-loglevel", "error", "-i", str(path), "-an", "-fps_mode", "passthrough"]
    width, height = size
    with subprocess.Popen([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while len(data := process.stdout.read(3 * width * height)) == 3 * width * height:
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def centre_square(frame: np.ndarray, side: int) -> np.ndarray:
    """The central square, resized by Pillow: uint8 (side, side, 3)."""
    height, width = frame.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(frame[top : top + short, left : left + short])
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))

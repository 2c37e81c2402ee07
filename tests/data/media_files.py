"""Media files made by the tests, whose every frame shows its own number."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_GRID = 4  # blocks a side; the first row marks the upright orientation, the other twelve are the bits of the number


def numbered_frame(number: int, width: int, height: int) -> np.ndarray:
    """uint8 (height, width, 3): the number as bright and dark blocks in the central square."""
    bits = np.array([1, 0, 0, 0] + [number >> bit & 1 for bit in range(12)]).reshape(_GRID, _GRID)
    side = min(width, height)
    rows = np.arange(side) * _GRID // side
    frame = np.full((height, width, 3), 128, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    frame[top : top + side, left : left + side] = np.where(bits[rows][:, rows], 230, 25)[..., None]
    return frame


def number_of(image: np.ndarray) -> int:
    """The number a decoded (S, S, 3) image shows; fails if it does not stand upright."""
    step = image.shape[0] // _GRID
    centres = image[step // 2 :: step, step // 2 :: step].mean(-1)[:_GRID, :_GRID] > 128
    bits = centres.reshape(-1)
    assert bits[:_GRID].tolist() == [True, False, False, False], "the picture is turned or mirrored"
    return int(sum(1 << bit for bit, on in enumerate(bits[_GRID:]) if on))


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """float32 (channels, n): a tone of 440 Hz, the same in all channels."""
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def write_media(
    path: Path,
    times: Sequence[float] | None,
    audio: np.ndarray | None = None,
    *,
    rate: int = 44100,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    audio_codec: str = "aac",
    layout: str = "mono",
    start: float = 0.0,
    matrix: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    key_every: int = 12,
) -> Path:
    """A file with a numbered frame at each of `times` (seconds) and the waveform (channels, n); None leaves one out."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = sound = None
        if times is not None:
            video = container.add_stream(codec, rate=30)
            video.width, video.height, video.pix_fmt = *size, pixels
            video.codec_context.time_base = video.time_base = Fraction(1, 1000)
            video.codec_context.gop_size = key_every
            video.codec_context.bit_rate = 2_000_000
            if matrix is not None:
                video.set_display_matrix(list(matrix))
        if audio is not None:
            sound = container.add_stream(audio_codec, rate=rate, layout=layout)
            sound.codec_context.time_base = Fraction(1, rate)
        for number, time in enumerate(times or ()):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, *size), format="rgb24")
            frame.pts, frame.time_base = round((start + time) * 1000), Fraction(1, 1000)
            container.mux(video.encode(frame))
        if audio is not None:
            _encode_audio(container, sound, audio, rate, layout, start)
        for stream in filter(None, (video, sound)):
            container.mux(stream.encode(None))
    return path


def _encode_audio(container, stream, audio: np.ndarray, rate: int, layout: str, start: float) -> None:
    packed = stream.codec_context.format.name == "s16"
    chunk = stream.codec_context.frame_size or 1024
    for first in range(0, audio.shape[1], chunk):
        part = audio[:, first : first + chunk]
        data = np.round(part * 32767).astype(np.int16).T.reshape(1, -1) if packed else np.ascontiguousarray(part)
        frame = av.AudioFrame.from_ndarray(data, format="s16" if packed else "fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate) + first
        container.mux(stream.encode(frame))

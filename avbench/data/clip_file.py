"""The file of one stored clip: safetensors, every frame and the spectrogram with a checksum of its own.

Tensors: `frames` uint8 (n, S, S, 3), or `jpeg` (all images end to end) with `offsets` int64 (n + 1); `log_mel` float16
(T, F); `checksums` uint32 (n + 1), CRC-32 of each stored image and of the spectrogram.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avbench.data.clip import StoredClip
from avbench.data.preprocessing import Preprocessing

_STILL = "still_share"  # in the head of a file
_STILLEST = 0.5  # mean step of 8-bit values below which a picture stands still: what coding alone changes
_SPARSE = 4  # pixels between those that are compared

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Noted:
    """What a file says of its clip without a picture being read.

    Attributes:
        still_share: the share of neighbouring frames between which nothing moves, in [0, 1]; a picture that stands for
            several counts once; None in files made before it was noted.
        content: 32 hexadecimal digits that two clips share if their stored pictures and spectrograms are the same.
    """

    still_share: float | None
    content: str


class DamagedFileError(Exception):
    """What a file says about itself doesn't agree with what it holds."""


def encode(clip_id: str, clip: StoredClip, preprocessing: Preprocessing) -> bytes:
    """The content of a clip's file."""
    log_mel = np.ascontiguousarray(clip.log_mel)
    if preprocessing.image_format == "raw":
        images = [np.ascontiguousarray(frame) for frame in clip.frames]
        tensors: dict[str, npt.NDArray[Any]] = {"frames": np.stack(images)}
    else:
        images = [_to_jpeg(frame, preprocessing.jpeg_quality) for frame in clip.frames]
        tensors = {"jpeg": np.concatenate(images), "offsets": np.cumsum([0, *map(len, images)], dtype=np.int64)}
    checksums = np.array([*map(_checksum, images), _checksum(log_mel)], np.uint32)
    about = {"clip_id": json.dumps(clip_id), _STILL: f"{_still_share(clip):.3f}"}
    return save({**tensors, "log_mel": log_mel, "checksums": checksums}, about)


def decode(path: Path, clip_id: str, frames: Sequence[int]) -> StoredClip:
    """The clip in a file with only the frames of the given numbers, in the given order; only those are read.

    Raises:
        DamagedFileError: a checksum is wrong, or the file is not one of this clip.
        OSError: the file can't be read.
    """
    try:
        with safe_open(path, "numpy") as file:
            owner = (file.metadata() or {}).get("clip_id")
            if owner != json.dumps(clip_id):
                raise DamagedFileError(f"it says it holds clip {owner}")
            checksums, log_mel = file.get_tensor("checksums"), file.get_tensor("log_mel")
            _verify(log_mel, checksums[-1], "the spectrogram")
            read_frame = _jpeg_reader(file) if "jpeg" in file.keys() else _raw_reader(file)  # noqa: SIM118
            images = [read_frame(index, checksums[index]) for index in frames]
    except (SafetensorError, IndexError) as error:
        raise DamagedFileError(str(error)) from None
    return StoredClip(np.stack(images), log_mel)


def noted(path: Path) -> Noted:
    """What is known of a clip from the head of its file and its checksums, which is all that is read.

    Raises:
        DamagedFileError: it has no such head.
        OSError: the file can't be read.
    """
    try:
        with safe_open(path, "numpy") as file:
            still, checksums = (file.metadata() or {}).get(_STILL), file.get_tensor("checksums")
        content = hashlib.blake2b(checksums.tobytes(), digest_size=16).hexdigest()
        return Noted(None if still is None else float(still), content)
    except (SafetensorError, ValueError) as error:
        raise DamagedFileError(str(error)) from None


def is_complete(path: Path) -> bool:
    """Whether a file is there and as long as its header announces; the checksums are left to `decode`.

    Raises:
        OSError: the file is there and can't be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            header_size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_size)) if 8 + header_size <= size else {}
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):  # absent, or no such header
        return False
    return bool(ends) and size == 8 + header_size + max(ends)


def _still_share(clip: StoredClip) -> float:
    # A picture that stands for several stored times has not been seen to stand still between them.
    frames = clip.frames if clip.shown is None else clip.frames[np.diff(clip.shown, prepend=-1) != 0]
    sparse = frames[:, ::_SPARSE, ::_SPARSE].astype(np.int16)
    moved = np.abs(np.diff(sparse, axis=0)).mean(axis=(1, 2, 3)) if len(sparse) > 1 else np.ones(1)
    return float((moved < _STILLEST).mean())


def _to_jpeg(frame: _Bytes, quality: int) -> _Bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _raw_reader(file: Any) -> Callable[[int, np.uint32], _Bytes]:
    stored = file.get_slice("frames")

    def read(index: int, checksum: np.uint32) -> _Bytes:
        frames: _Bytes = _verify(stored[index : index + 1], checksum, f"frame {index}")
        frame: _Bytes = frames[0]
        return frame

    return read


def _jpeg_reader(file: Any) -> Callable[[int, np.uint32], _Bytes]:
    stored, offsets = file.get_slice("jpeg"), file.get_tensor("offsets").tolist()

    def read(index: int, checksum: np.uint32) -> _Bytes:
        start, stop = offsets[index], offsets[index + 1]
        if not 0 <= start < stop <= offsets[-1]:
            raise DamagedFileError(f"the place of frame {index} makes no sense")
        data = _verify(stored[start:stop], checksum, f"frame {index}")
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image)

    return read


def _checksum(part: npt.NDArray[Any]) -> int:
    return zlib.crc32(part.data)


def _verify(part: Any, checksum: np.uint32, name: str) -> Any:
    if _checksum(part) != checksum:
        raise DamagedFileError(f"the checksum of {name} is wrong")
    return part

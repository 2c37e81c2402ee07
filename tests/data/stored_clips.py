"""Small stored clips for the tests of cache, preparation and store; importable by the processes they spawn."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from avbench.data.clip import StoredClip
from avbench.data.preprocessing import Preprocessing
from avbench.errors import MediaError

RAW = Preprocessing(clip_seconds=1.0, stored_frames=8, stored_size=24, audio_frames=48, mel_bins=16, image_format="raw")
JPEG = RAW.model_copy(update={"image_format": "jpeg", "jpeg_quality": 95})


def stored_clip(seed: int, preprocessing: Preprocessing = RAW) -> StoredClip:
    """Smooth random pictures, so that JPEG keeps them, and a random spectrogram."""
    generator = np.random.default_rng(seed)
    side = preprocessing.stored_size
    coarse = generator.integers(0, 256, (preprocessing.stored_frames, 3, 3, 3), dtype=np.uint8)
    frames = coarse.repeat(side // 3, axis=1).repeat(side // 3, axis=2)
    log_mel = generator.normal(size=(preprocessing.audio_frames, preprocessing.mel_bins)).astype(np.float16)
    return StoredClip(frames, log_mel)


def fail(reason: str) -> StoredClip:
    raise MediaError(reason, f"this clip is {reason}")


def crash() -> StoredClip:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def slow(seed: int, seconds: float) -> StoredClip:
    time.sleep(seconds)
    return stored_clip(seed)


def recorded(path: Path, seed: int) -> StoredClip:
    """A clip that notes in a file that it was built."""
    with path.open("a") as file:
        file.write(f"{seed}\n")
    return stored_clip(seed)


def hang() -> StoredClip:
    """A decoder that neither ends nor lets any Python code run: the alarm's handler of Python would never be called."""
    import ctypes

    ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock
    raise AssertionError

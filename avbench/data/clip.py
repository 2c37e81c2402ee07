"""A clip as it is stored: decoded once, then sampled from again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from avbench.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Sound:
    """What can be heard of a clip: a mono waveform, float32 (n,) in [-1, 1], and its rate in Hz."""

    waveform: npt.NDArray[np.float32]
    sample_rate: int


@dataclass(frozen=True)
class StoredClip:
    """One prepared clip.

    Attributes:
        frames: uint8 (stored_frames, S, S, 3), RGB.
        log_mel: float16 (T, F), normalised log-mel spectrogram, padded or cut to T columns, time before frequency.
        shown: of which picture each frame is, (stored_frames,), where one stands for several; None: each has its
            own. It is not stored.
    """

    frames: npt.NDArray[np.uint8]
    log_mel: npt.NDArray[np.float16]
    shown: npt.NDArray[np.intp] | None = None

    @staticmethod
    def from_waveform(
        frames: npt.NDArray[np.uint8],
        waveform: npt.NDArray[np.float32],
        preprocessing: Preprocessing,
        shown: npt.NDArray[np.intp] | None = None,
    ) -> StoredClip:
        """A clip from its frames, uint8 (stored_frames, S, S, 3), and its mono waveform, float (n,) in [-1, 1]."""
        from avbench.data.spectrogram import log_mel

        return StoredClip(frames, log_mel(waveform, preprocessing).astype(np.float16), shown)

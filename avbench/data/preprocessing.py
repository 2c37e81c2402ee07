"""How a clip is prepared for storage and sampled from it; both are parts of a run's configuration."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from avbench.config import Positive, Section

FORMAT_VERSION = 1  # raised whenever the same settings would store other bytes

Seconds = Annotated[float, Field(gt=0)]


class Preprocessing(Section):
    """Everything that shapes the stored bytes of a clip. Defaults: STELLA's official code, CAV-MAE's spectrogram."""

    clip_seconds: Seconds = 10.0
    stored_frames: Positive = 80  # evenly spaced from the clip's first video frame: i * clip_seconds / stored_frames
    stored_size: Positive = 256  # pixels, square: the short side is resized to it, then the centre is cropped
    sample_rate: Positive = 16000  # hertz, mono
    frame_shift_ms: Seconds = 10.0  # of the spectrogram
    frame_length_ms: Seconds = 25.0
    audio_frames: Positive = 1024  # spectrogram columns, padded with zeros or cut
    mel_bins: Positive = 128
    audio_mean: float = -5.081  # of the log-mel values; CAV-MAE's statistics
    audio_std: Seconds = 4.4849
    image_format: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90

    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ whenever the stored bytes would, the same on every machine."""
        settings: dict[str, Any] = self.model_dump(mode="json")
        if self.image_format == "raw":
            del settings["jpeg_quality"]
        text = json.dumps({"format": FORMAT_VERSION, **settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def seconds_of(self, annotated: float | None) -> float:
        """How much of a clip there is to store that lasts so long by its annotation; None: as long as all others."""
        return self.clip_seconds if annotated is None else min(annotated, self.clip_seconds)

    def timestamps(self) -> list[float]:
        """The times of the stored frames, in seconds from the clip's first video frame."""
        return [index * self.clip_seconds / self.stored_frames for index in range(self.stored_frames)]


class Sampling(Section):
    """Training-time draws from a stored clip; evaluation is fixed. Defaults: the official STELLA loader."""

    frames: Literal["window", "segments"] = "window"
    window_step_seconds: Seconds = 1.0  # between the frames of a window
    crop: Literal["multiscale", "none"] = "multiscale"
    noise: Annotated[float, Field(ge=0.0)] = 0.1  # largest amplitude added to the normalised spectrogram
    roll: Annotated[int, Field(ge=0)] = 1024  # largest circular shift in spectrogram columns

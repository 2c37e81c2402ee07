"""What is known about a clip because it was made: who is where, who sounds, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.data.world.scene import Factors, Floats, Kind


@dataclass(frozen=True)
class ObjectTruth:
    """One object of a clip."""

    name: str  # of its class
    kind: Kind  # source; active: moves and lights up to events of its own; moving: drifts; still
    sounds: bool
    mask: NDArray[np.bool_]  # (frames, H, W): where it is visible, what covers it taken off
    centre: Floats  # (frames, 2): x and y of its body, in units of the picture's side
    pitch_hz: float  # fundamental or middle of the noise band
    factors: Factors
    events: Floats  # seconds; onsets of a struck sound, beginnings of the intervals of a steady one
    gates: Floats  # (intervals, 2), seconds: a source is silent outside
    activity: Floats  # (frames,), 0..1: what its light and motion follow


@dataclass(frozen=True)
class Truth:
    """All objects of a clip; the first one is the source that gives the clip its class."""

    clip_id: str
    class_name: str
    task: int | None
    class_index: int
    times: Floats  # (frames,), seconds
    snr_db: float | None
    objects: tuple[ObjectTruth, ...]

    @property
    def source_mask(self) -> NDArray[np.bool_]:
        """(frames, H, W): where something that sounds is visible."""
        return np.asarray(np.any([thing.mask for thing in self.objects if thing.sounds], axis=0))

    def sounding(self, times: Floats) -> NDArray[np.bool_]:
        """(n,): whether any source is inside its gate at `times` (seconds)."""
        gates = np.concatenate([thing.gates for thing in self.objects if thing.sounds])
        inside = (times[:, None] >= gates[:, 0]) & (times[:, None] < gates[:, 1])
        return np.asarray(inside.any(axis=1))

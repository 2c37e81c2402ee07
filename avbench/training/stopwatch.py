"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Stopwatch:
    """Seconds spent in named buckets that exclude one another.

    A bucket opened inside another stops the outer one, so the buckets add up to the time spent in any of them.

    Args:
        device: on CUDA, kernels run after the call that starts them has returned; see `synchronise`.
        synchronise: wait for the device at every border, so that its work is charged to the bucket that asked for it.
            This costs speed: leave it off in training, where only the sum of the buckets then means anything.
    """

    def __init__(self, device: torch.device | None = None, synchronise: bool = False) -> None:
        self._cuda = device if synchronise and device is not None and device.type == "cuda" else None
        self._open: list[str] = []
        self._since = 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, bucket: str) -> Iterator[None]:
        """Charge the time of the `with` block to `bucket`."""
        self._charge()
        self._open.append(bucket)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def total(self, *buckets: str) -> float:
        """Seconds in the given buckets, or in all."""
        return sum(self.seconds.get(bucket, 0.0) for bucket in buckets or tuple(self.seconds))

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps, so that a resumed run reports the whole time."""
        return dict(self.seconds)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from a checkpoint."""
        self.seconds = {name: float(value) for name, value in state.items()}

    def _charge(self) -> None:
        if self._cuda is not None:
            import torch

            torch.cuda.synchronize(self._cuda)
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now

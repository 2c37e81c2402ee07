"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_PENDING = 4096  # intervals on a GPU that may wait to be read


class Stopwatch:
    """Seconds spent in named buckets that exclude one another.

    A bucket opened inside another stops the outer one, so the buckets add up to the time spent in any of them.

    On CUDA, kernels run after the call that starts them has returned, so the borders are events in the GPU's own queue:
    a bucket gets the time the GPU spent on what was asked for inside it, or spent waiting for it. Recording an event
    does not wait for the GPU; reading the seconds does.

    Args:
        device: where the work is done that is measured; by default the CPU.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._cuda = device if device is not None and device.type == "cuda" else None
        self._open: list[str] = []
        self._since: Any = None  # a moment: seconds, or an event
        self._pending: list[tuple[str, Any, Any]] = []
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
        self._settle()
        return sum(self.seconds.get(bucket, 0.0) for bucket in buckets or tuple(self.seconds))

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps, so that a resumed run reports the whole time."""
        self._settle()
        return dict(self.seconds)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from a checkpoint."""
        self._pending.clear()
        self.seconds = {name: float(value) for name, value in state.items()}

    def _charge(self) -> None:
        now = time.perf_counter() if self._cuda is None else self._event()
        if self._open and self._cuda is None:
            self._add(self._open[-1], now - self._since)
        elif self._open:
            self._pending.append((self._open[-1], self._since, now))
            if len(self._pending) >= _PENDING:
                self._settle()
        self._since = now

    def _event(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._cuda))
        return event

    def _settle(self) -> None:
        """Read the intervals of the GPU; the events of one queue pass in order, so the last one is waited for."""
        if self._pending:
            self._pending[-1][2].synchronize()
        for bucket, since, now in self._pending:
            self._add(bucket, since.elapsed_time(now) / 1000)
        self._pending.clear()

    def _add(self, bucket: str, seconds: float) -> None:
        self.seconds[bucket] = self.seconds.get(bucket, 0.0) + seconds

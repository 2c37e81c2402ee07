"""Ctrl-C while a plugin is imported, told from a plugin that raises the same exception by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed() -> Iterator[Callable[[], bool]]:
    """A function that says whether Ctrl-C came within the block; what it does otherwise is left as it is."""
    before = signal.getsignal(signal.SIGINT)
    # Python allows handlers in the main thread only, which is also the only one that Ctrl-C interrupts.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: False
        return
    came = threading.Event()

    def notice(number: int, frame: FrameType | None) -> None:
        came.set()
        before(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)

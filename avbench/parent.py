"""For a process that another one of avbench started: it is asked to stop once the one that started it is gone.

The parent holds the other end of standard input, so that it closes however the parent ended, also by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading


def stop_with_parent() -> None:
    """From now on, SIGTERM for this process at the end of its standard input."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

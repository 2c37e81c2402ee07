"""How many CPU cores there are to compute with."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may use: on a shared machine fewer than it has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

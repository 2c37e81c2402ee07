"""Memory and speed, measured the same way for every method."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PeakMemory:
    """Largest memory so far, in bytes; loader worker processes are not included. The CUDA figures are 0 on a CPU."""

    process: int
    cuda_allocated: int = 0
    cuda_reserved: int = 0


def peak_memory(device: torch.device | None = None) -> PeakMemory:
    """Peak resident memory of this process and, on CUDA, what PyTorch allocated and reserved on `device`."""
    if device is None or device.type != "cuda":
        return PeakMemory(_peak_resident())
    import torch

    return PeakMemory(_peak_resident(), torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device))


def clips_per_second(clips: int, seconds: float) -> float:
    """Clips of the stream per second of training; replayed clips are work, not progress, and don't count."""
    return clips / seconds if seconds > 0 else 0.0


def _peak_resident() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage also counts the parent that forked this process, VmHWM does not.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""Peaks never fall, and speed is clips over seconds."""

import numpy as np

from avbench.evaluation.efficiency import clips_per_second, peak_memory


def test_peak_memory_counts_pages_that_were_touched_and_never_falls() -> None:
    before = peak_memory().process
    block = np.ones(2**27, dtype=np.uint8)
    during = peak_memory().process
    del block
    slack = 2**22  # the kernel keeps page counts per thread and adds them up lazily
    assert before > 2**20
    assert during >= before - slack
    assert peak_memory().process >= during - slack
    assert (peak_memory().cuda_allocated, peak_memory().cuda_reserved) == (0, 0)


def test_throughput() -> None:
    assert clips_per_second(30, 2.0) == 15.0
    assert clips_per_second(0, 0.0) == 0.0

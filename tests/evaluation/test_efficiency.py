"""The stopwatch's buckets exclude one another and survive a checkpoint; peaks never fall."""

import time

import numpy as np
import pytest

from avbench.evaluation.efficiency import Stopwatch, clips_per_second, peak_memory


def test_an_inner_bucket_stops_the_outer_one() -> None:
    watch = Stopwatch()
    start = time.perf_counter()
    with watch.measure("forward"):
        time.sleep(0.02)
        with watch.measure("strategy"):
            time.sleep(0.05)
        time.sleep(0.02)
    wall = time.perf_counter() - start
    assert watch.seconds["strategy"] >= 0.05
    assert watch.seconds["forward"] >= 0.04
    assert watch.total() <= wall
    assert watch.total() == pytest.approx(wall, abs=0.01)


def test_time_outside_and_failed_blocks() -> None:
    watch = Stopwatch()
    with pytest.raises(RuntimeError), watch.measure("data"):
        time.sleep(0.01)
        raise RuntimeError
    before = watch.total()
    time.sleep(0.02)
    with watch.measure("data"):
        pass
    assert before >= 0.01
    assert watch.total() - before < 0.015


def test_a_resumed_run_reports_the_whole_time() -> None:
    watch = Stopwatch()
    with watch.measure("data"):
        time.sleep(0.01)
    other = Stopwatch()
    other.load_state_dict(watch.state_dict())
    with other.measure("data"):
        time.sleep(0.01)
    assert other.total("data") >= watch.total("data") + 0.01
    assert other.total("backward") == 0.0


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

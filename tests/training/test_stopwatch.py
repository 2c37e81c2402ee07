"""The stopwatch's buckets exclude one another and survive a checkpoint."""

import time

import pytest

from avbench.training.stopwatch import Stopwatch


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

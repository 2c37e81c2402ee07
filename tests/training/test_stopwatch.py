"""The stopwatch's buckets exclude one another and survive a checkpoint; the clock is the test's own, and exact."""

from types import SimpleNamespace

import pytest

from avbench.training.stopwatch import Stopwatch


class Clock:
    """Stands still, but for `wait`; its seconds are powers of two, so that sums have no rounding."""

    def __init__(self) -> None:
        self.now = 1024.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("avbench.training.stopwatch.time", SimpleNamespace(perf_counter=made))
    return made


def test_an_inner_bucket_stops_the_outer_one(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.measure("forward"):
        clock.wait(1)
        with watch.measure("strategy"):
            clock.wait(2)
            with watch.measure("forward"):
                clock.wait(4)
            clock.wait(8)
        clock.wait(16)
    assert watch.seconds == {"forward": 1 + 4 + 16, "strategy": 2 + 8}
    assert watch.total() == clock.now - 1024 and watch.total("strategy") == 10


def test_time_outside_counts_nowhere_and_failed_blocks_count(clock: Clock) -> None:
    watch = Stopwatch()
    clock.wait(1)
    with pytest.raises(RuntimeError), watch.measure("data"):
        clock.wait(2)
        raise RuntimeError
    clock.wait(4)
    with watch.measure("update"):
        pass
    assert watch.seconds == {"data": 2, "update": 0}


def test_a_resumed_run_reports_the_whole_time(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.measure("data"):
        clock.wait(1)
    saved = watch.state_dict()
    clock.wait(2)  # the interruption
    resumed = Stopwatch()
    resumed.load_state_dict(saved)
    with resumed.measure("data"):
        clock.wait(4)
    assert resumed.seconds == {"data": 5} and watch.seconds == {"data": 1}
    assert resumed.total("backward") == 0

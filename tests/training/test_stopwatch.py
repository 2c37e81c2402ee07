"""The stopwatch's buckets exclude one another and survive a checkpoint."""

import time

import pytest
import torch

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


class Moment:
    """An event of a pretend GPU, which is a second behind its host: nobody may read it before it has happened."""

    clock = 0.0
    waited = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self, stream: object) -> None:
        Moment.clock += 1.0
        self.at, self.known = Moment.clock, False

    def synchronize(self) -> None:
        Moment.waited += 1
        self.known = True

    def elapsed_time(self, later: "Moment") -> float:
        return 1000 * (later.at - self.at)


def test_on_a_gpu_the_borders_are_events_and_only_reading_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Moment)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    watch = Stopwatch(torch.device("cuda"))
    for _ in range(3):
        with watch.measure("update"), watch.measure("strategy"), watch.measure("forward"):
            pass
    assert Moment.waited == 0
    # Six borders a round, a second apart: each outer bucket is entered and left around the inner one.
    assert watch.state_dict() == {"update": 6.0, "strategy": 6.0, "forward": 3.0}
    assert Moment.waited == 1
    assert watch.total() == 15.0 and Moment.waited == 1

"""The Avalanche metric, driven by Avalanche's own evaluation plugin and a fake strategy."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("avalanche")
from avalanche.training.plugins import EvaluationPlugin

from avbench.errors import AvbenchError, DataError
from avbench.evaluation.metric import RetrievalRecall
from avbench.evaluation.retrieval import evaluate


class Collector:
    """A logger that keeps what it is given."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def log_metrics(self, values: list[Any]) -> None:
        self.values |= {value.name: value.value for value in values}


class FakeExperience(SimpleNamespace):
    def logging(self) -> "FakeExperience":
        return self


Clip = tuple[str, torch.Tensor, torch.Tensor]


def clips(names: list[str], seed: int = 0) -> list[Clip]:
    generator = torch.Generator().manual_seed(seed)
    return [(name, torch.randn(8, generator=generator), torch.randn(8, generator=generator)) for name in names]


def run_eval(metric: RetrievalRecall, stream: str, tasks: list[list[Clip]], batch: int = 3) -> Collector:
    logger = Collector()
    plugin = EvaluationPlugin(metric, loggers=[logger])
    strategy = SimpleNamespace(experience=None, clock=SimpleNamespace(train_iterations=17), mbatch=None, mb_output=None)
    plugin.before_eval(strategy)
    for task, items in enumerate(tasks):
        origin = SimpleNamespace(name=stream)
        strategy.experience = FakeExperience(origin_stream=origin, current_experience=task)
        for start in range(0, len(items), batch):
            part = items[start : start + batch]
            strategy.mbatch = SimpleNamespace(clip_id=tuple(name for name, *_ in part))
            strategy.mb_output = torch.stack([a for _, a, _ in part]), torch.stack([v for *_, v in part])
            plugin.after_eval_iteration(strategy)
    plugin.after_eval(strategy)
    return logger


TASKS = [clips([f"a{i}" for i in range(7)], 1), clips([f"b{i}" for i in range(4)], 2)]


def test_it_equals_a_direct_evaluation_and_emits_every_score() -> None:
    metric = RetrievalRecall(tasks=2)
    logger = run_eval(metric, "retrieval", TASKS)
    flat = [clip for task in TASKS for clip in task]
    direct = evaluate(torch.stack([a for _, a, _ in flat]), torch.stack([v for *_, v in flat]), [0] * 7 + [1] * 4)
    assert metric.last is not None and metric.result() is metric.last
    assert metric.last.recalls() == direct.recalls()
    assert metric.clip_ids == tuple(name for name, *_ in flat)
    assert metric.similarity().shape == (11, 11)
    assert len(logger.values) == 2 * 3 * 2
    assert logger.values["RetrievalRecall/video2audio/R@5/task001"] == direct.recall("video2audio", 5)[1]


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_batching_changes_nothing(batch: int) -> None:
    metric = RetrievalRecall(tasks=2)
    run_eval(metric, "retrieval", TASKS, batch)
    reference = RetrievalRecall(tasks=2)
    run_eval(reference, "retrieval", TASKS)
    assert metric.last is not None and reference.last is not None
    assert metric.last.recalls() == reference.last.recalls()


def test_a_duplicated_item_does_not_change_the_number_of_queries_nor_any_score() -> None:
    metric, padded = RetrievalRecall(tasks=2), RetrievalRecall(tasks=2)
    run_eval(metric, "retrieval", TASKS)
    run_eval(padded, "retrieval", [[*TASKS[0], TASKS[0][0], TASKS[0][1]], TASKS[1] + TASKS[1]])
    assert metric.last is not None and padded.last is not None
    assert padded.last.queries == [7, 4]
    assert padded.last.recalls() == metric.last.recalls()


def test_other_streams_pass_unnoticed_and_the_last_result_stays() -> None:
    metric = RetrievalRecall(tasks=2)
    run_eval(metric, "retrieval", TASKS)
    last = metric.last
    assert run_eval(metric, "evaluation", TASKS).values == {}
    assert metric.last is last


def test_evaluations_do_not_leak_into_each_other() -> None:
    metric = RetrievalRecall(tasks=2)
    run_eval(metric, "retrieval", TASKS)
    run_eval(metric, "retrieval", [task[:3] for task in TASKS])
    assert metric.last is not None and metric.last.queries == [3, 3]


def test_bad_streams_are_refused() -> None:
    with pytest.raises(DataError, match="'a0' is in the retrieval lists of two tasks"):
        run_eval(RetrievalRecall(tasks=2), "retrieval", [TASKS[0], TASKS[0]])
    with pytest.raises(ValueError, match="no retrieval queries for task index 2"):
        run_eval(RetrievalRecall(tasks=3), "retrieval", TASKS)
    broken = [[(name, audio * float("nan"), video) for name, audio, video in TASKS[0]]]
    with pytest.raises(AvbenchError, match="diverged"):
        run_eval(RetrievalRecall(tasks=1), "retrieval", broken)

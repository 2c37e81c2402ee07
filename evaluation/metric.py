"""Retrieval as an Avalanche metric: it listens to `eval` and emits recalls, so that any Avalanche logger shows them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from avalanche.training.plugins import EvaluationPlugin
from numpy.typing import NDArray
from torch import Tensor

from avbench.errors import DataError
from avbench.evaluation.retrieval import RetrievalResult, evaluate, similarity_matrix

STREAM = "retrieval"


def quiet_evaluator(metric: RetrievalRecall) -> EvaluationPlugin:
    """Avalanche's evaluator with one metric and no logger of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Avalanche warns that there is no logger: the journal is ours
        return EvaluationPlugin(metric, collect_all=False)


class RetrievalRecall(PluginMetric[RetrievalResult]):
    """Recall in both directions, per task, whenever the retrieval stream is evaluated.

    It expects `strategy.mb_output` to be the pair (z_audio, z_video), each (B, D), and `strategy.mbatch.clip_id` to
    name the clips. Other streams pass unnoticed. A clip seen twice in a task, as padding by a distributed sampler
    produces, counts once. `last` keeps the result until the next evaluation of the stream.

    Args:
        tasks: T, the number of tasks of the benchmark.
        recall_at: the K of R@K.
        gallery: "pool" or "task", see `avbench.evaluation.retrieval.evaluate`.
    """

    def __init__(
        self, tasks: int, recall_at: Sequence[int] = (1, 5, 10), gallery: Literal["pool", "task"] = "pool"
    ) -> None:
        super().__init__()
        self.tasks, self.recall_at, self.gallery = tasks, tuple(recall_at), gallery
        self.last: RetrievalResult | None = None
        self.clip_ids: tuple[str, ...] = ()
        self.embeddings = torch.empty(0, 0), torch.empty(0, 0)  # of the latest evaluation: audio, video, each (N, D)
        self.reset()

    def __str__(self) -> str:
        return "RetrievalRecall"

    def reset(self) -> None:
        """Forget what was collected; `last` stays."""
        self._audio: list[Tensor] = []
        self._video: list[Tensor] = []
        self._task_of_clip: dict[str, int] = {}

    def result(self) -> RetrievalResult | None:
        """The latest result, None before the first evaluation."""
        return self.last

    def before_eval(self, strategy: Any) -> None:
        """Start afresh."""
        self.reset()

    def after_eval_iteration(self, strategy: Any) -> None:
        """Keep the embeddings of one batch, on the CPU.

        Raises:
            DataError: a clip belongs to two tasks.
        """
        super().after_eval_iteration(strategy)
        if strategy.experience.origin_stream.name != STREAM:
            return
        z_audio, z_video = strategy.mb_output
        new = self._new_rows(strategy.mbatch.clip_id, int(strategy.experience.current_experience))
        self._audio.append(z_audio[new].detach().float().cpu())
        self._video.append(z_video[new].detach().float().cpu())

    def after_eval(self, strategy: Any) -> list[MetricValue] | None:
        """Compute and emit, if the retrieval stream was evaluated.

        Raises:
            AvbenchError: the model has diverged.
            ValueError: a task was left out.
        """
        if not self._audio:
            return None
        self.embeddings = torch.cat(self._audio), torch.cat(self._video)
        self.clip_ids, task_of = tuple(self._task_of_clip), list(self._task_of_clip.values())
        self.reset()
        self.last = evaluate(*self.embeddings, task_of, self.gallery, self.recall_at, self.tasks)
        return self._values(self.last, strategy.clock.train_iterations)

    def similarity(self) -> NDArray[np.float32]:
        """Cosine similarities of the latest evaluation, (N, N), rows audio and columns video, ordered as `clip_ids`."""
        return similarity_matrix(*self.embeddings).numpy()

    def _new_rows(self, clip_ids: Sequence[str], task: int) -> Tensor:
        new = []
        for row, clip_id in enumerate(clip_ids):
            if clip_id not in self._task_of_clip:
                self._task_of_clip[clip_id] = task
                new.append(row)
            elif (known := self._task_of_clip[clip_id]) != task:
                raise DataError(f"clip {clip_id!r} is in the retrieval lists of two tasks ({known} and {task})")
        return torch.tensor(new, dtype=torch.long)

    def _values(self, result: RetrievalResult, step: int) -> list[MetricValue]:
        return [
            MetricValue(self, f"RetrievalRecall/{way}/{name}/task{task:03d}", value, step)
            for way, recalls in result.recalls().items()
            for name, per_task in recalls.items()
            for task, value in enumerate(per_task)
        ]

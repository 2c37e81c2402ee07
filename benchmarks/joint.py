"""The whole training stream as one experience: what `multitask` trains on, an upper bound for continual methods."""

from __future__ import annotations

from dataclasses import replace

from avbench.benchmarks.streams import EVALUATION, RETRIEVAL, TRAIN, AudioVideoBenchmark, clip_dataset, rows_of


def join_experiences(benchmark: AudioVideoBenchmark) -> AudioVideoBenchmark:
    """`benchmark` with all training clips in one experience, in stream order; tasks and evaluation stay as they are.

    STELLA, section 5.1 ("Multitask"): trained on all tasks at once, for as many epochs as a task has.
    """
    from avalanche.benchmarks import benchmark_from_datasets

    scenario = benchmark.scenario
    rows = [row for experience in scenario.train_stream for row in rows_of(experience)]
    streams = {
        TRAIN: [clip_dataset(benchmark.store, rows, {})],
        EVALUATION: [experience.dataset for experience in scenario.evaluation_stream],
        RETRIEVAL: [experience.dataset for experience in scenario.retrieval_stream],
    }
    return replace(benchmark, scenario=benchmark_from_datasets(**streams))

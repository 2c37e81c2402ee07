"""Run directories made up for tests of the reports: plausible numbers, no training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avbench.config import ClipShape, EvaluationConfig, RunConfig
from avbench.evaluation.examples import save_examples
from avbench.evaluation.forgetting import summarise
from avbench.evaluation.retrieval import DIRECTIONS, RetrievalResult, evaluate, similarity_matrix
from avbench.results import (
    Caution,
    DirectionResult,
    Efficiency,
    MedianRank,
    MetricSummary,
    PeakMemory,
    Provenance,
    Quarantined,
    Recall,
    Results,
    RunDirectory,
    TaskCoverage,
    TaskResult,
)
from avbench.results.directory import SHARED

TITLES = ["Sports", "Music", "Vehicle", "People", "Animals", "Home & nature", "Others, part 1", "Others, part 2"]
QUERIES = 24


def picture_of(clip_id: str) -> dict[str, Any]:
    """A wire clip: a bright disc that wanders over a gradient, and partials that sound while it does."""
    generator = np.random.default_rng(abs(hash_of(clip_id)))
    rows, columns = np.mgrid[:64, :64] / 64
    frames = []
    for time in np.linspace(0, 1, 4):
        hue = generator.uniform(0.2, 0.9, 3)
        x, y = 0.5 + 0.3 * math.cos(5 * time), 0.5 + 0.3 * math.sin(5 * time)
        disc = ((rows - y) ** 2 + (columns - x) ** 2 < 0.03)[..., None]
        back = np.stack([rows, columns, 1 - rows], -1) * 0.4
        frames.append((255 * np.where(disc, hue, back)).astype(np.uint8))
    time, band = np.mgrid[:128, :128] / 128
    tone = generator.integers(4, 14)
    log_mel = np.cos(band * 6.28 * tone) * np.abs(np.sin(time * 3.14 * tone)) + 0.3 * generator.normal(size=(128, 128))
    return {
        "audio": torch.from_numpy(log_mel[None]).half(),
        "video": torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2),
        "clip_id": clip_id,
    }


def hash_of(text: str) -> int:
    """The same on every run, unlike `hash`."""
    return int.from_bytes(text.encode()[-6:], "little")


def evaluation(tasks: int, trained: int) -> tuple[RetrievalResult, np.ndarray, list[str]]:
    """Retrieval of a pretend model that knows the latest task best and has half forgotten the others."""
    generator = torch.Generator().manual_seed(100 + trained)
    task_of = np.repeat(np.arange(tasks), QUERIES)
    shared = torch.randn(len(task_of), 24, generator=torch.Generator().manual_seed(1))
    age = trained - 1 - task_of
    noise = np.where(age < 0, 3.4, 1.15 + 0.9 * (1 - 0.75 ** np.maximum(age, 0)))
    spread = torch.from_numpy(noise)[:, None].float()
    audio = shared + spread * torch.randn(shared.shape, generator=generator)
    video = shared + spread * torch.randn(shared.shape, generator=generator)
    names = [f"evaluation_t{task}_c{i % 4}_{i:04d}" for i, task in enumerate(task_of)]
    return evaluate(audio, video, task_of, tasks=tasks), similarity_matrix(audio, video).numpy(), names


def fabricate(
    path: Path,
    tasks: int = 8,
    finished: int | None = None,
    steps_per_task: int = 40,
    titles: list[str] | None = None,
    fetch: Callable[[str], dict[str, Any]] = picture_of,
    rename: Callable[[str], str] = str,
    label_of: Callable[[str], str] | None = None,
    options: dict[str, Any] | None = None,
    recall_at: tuple[int, ...] = (1, 5, 10),
    **changes: Any,
) -> RunDirectory:
    """A run of `tasks` tasks of which `finished` are evaluated; `changes` replace fields of its results."""
    titles, finished = titles or TITLES[:tasks], tasks if finished is None else finished
    options = {"temperature": 0.4, "sampling": 0.5, "chunk": 4, "memory": 512} if options is None else options
    told: dict[str, Any] = {"strategy": "stella", "bench": "continual-synth"}
    told |= {name: changes[name] for name in SHARED if name in changes}
    config = RunConfig(**told, options=options)
    evaluated = EvaluationConfig(recall_at=recall_at)
    config = config.model_copy(update={"clip": ClipShape(image_size=64, audio_frames=128), "evaluation": evaluated})
    directory = RunDirectory.create(path, config)
    evaluations = [evaluation(tasks, trained)[0] for trained in range(finished + 1)]
    results = _results(titles, evaluations, recall_at, steps_per_task).model_copy(update=changes)
    directory.write_results(Results.model_validate(results.model_dump()))
    _journal(directory, titles, finished, steps_per_task)
    result, similarity, names = evaluation(tasks, finished)
    save_examples(
        directory.examples, result, similarity, [rename(name) for name in names], fetch, titles, label_of=label_of
    )
    directory.release()
    return directory


def _results(titles: list[str], evaluations: list[RetrievalResult], recall_at: tuple[int, ...], steps: int) -> Results:
    tasks, finished = len(titles), len(evaluations) - 1
    directions = {
        way: DirectionResult(
            recall={
                f"R@{k}": Recall(
                    before=evaluations[0].recall(way, k), after=[e.recall(way, k) for e in evaluations[1:]]
                )
                for k in recall_at
            },
            median_rank=MedianRank(
                before=evaluations[0].median_rank(way), after=[e.median_rank(way) for e in evaluations[1:]]
            ),
        )
        for way in DIRECTIONS
    }
    summary = {
        way: {
            name: MetricSummary(**row)
            for name, row in summarise({k: r.after for k, r in found.recall.items()}, tasks).items()
        }
        for way, found in directions.items()
    }
    return Results(
        status="complete" if finished == tasks else "interrupted",
        strategy="stella",
        bench="continual-synth",
        profile="quick",
        seed=0,
        order="default",
        synthetic=True,
        tasks=[TaskResult(id=t.lower(), title=t, classes=4, train_clips=256, queries=QUERIES) for t in titles],
        directions=directions,  # type: ignore[arg-type]
        summary=summary,  # type: ignore[arg-type]
        efficiency=Efficiency(
            clips_per_second=61.3,
            seconds={"data": 14.2, "forward": 61.0, "backward": 48.9, "strategy": 39.5, "evaluation": 22.4},
            peak_memory_bytes=PeakMemory(process=1_430_000_000),
            memory_clips=160,
            memory_bytes=14_900_000,
            parameters=463_104,
            steps=steps * finished,
        ),
        coverage={
            "train": [TaskCoverage(listed=256, usable=256) for _ in titles],
            "retrieval": [
                TaskCoverage(listed=QUERIES + (i == 0), usable=QUERIES, unreadable=i == 0) for i in range(tasks)
            ],
        },
        quarantined={"evaluation_t0_c1_9999": Quarantined(reason="no-audio", message="the file has no audio stream")},
        warnings=[Caution(code="threads", message="One thread was chosen: two were slower on this machine.")],
        provenance=Provenance(
            command="avbench run --strategy stella --bench continual-synth --profile quick --seed 0",
            started="2026-11-20T09:12:44.120Z",
            finished="2026-11-20T09:15:58.391Z",
            versions={"avbench": "0.1.0", "python": "3.11.2", "torch": "2.14.1", "avalanche-lib": "0.6.0"},
            git_commit="3f1d9a6c2b7e4450a1c8f0d2e9b7c6a5d4e3f2a1",
            git_dirty=False,
            platform="Linux-6.1-x86_64",
            processor="x86-64 processor",
            device="cpu",
            threads=1,
            config_hash="6f2c9be1",
            clip_list_hash="a91be0c3",
            benchmark_version="world 1",
        ),
        comparability_key="c0ffee5eed15dead",
    )


def _journal(directory: RunDirectory, titles: list[str], finished: int, steps: int) -> None:
    noise = np.random.default_rng(0)
    total = steps * len(titles)
    directory.journal.append({"event": "run_started", "total_steps": total, "experiences": titles})
    for step in range(1, steps * finished + 1):
        inside = (step - 1) % steps / steps
        contrastive = 1.7 + 2.2 * math.exp(-3 * inside) + 0.12 * noise.normal()
        audio = 0.72 + 0.2 * math.exp(-step / 60) + 0.02 * noise.normal()
        video = 0.55 + 0.3 * math.exp(-step / 80) + 0.02 * noise.normal()
        terms = {
            "reconstruction_audio": audio,
            "reconstruction_video": video,
            "contrastive": contrastive,
            "matching": 0.45 + 0.2 * math.exp(-2 * inside) + 0.03 * noise.normal(),
            "penalty": 0.0 if step < 2 else 0.12 + 0.06 * inside + 0.01 * noise.normal(),
        }
        directory.journal.append(
            {"event": "step", "step": step, "total_steps": total, "experience": (step - 1) // steps, "epoch": 0}
            | {
                "loss": sum(terms.values()),
                "terms": terms,
                "clips_per_second": 61.0,
                "memory_clips": min(step * 8, 160),
            }
        )

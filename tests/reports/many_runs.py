"""Runs made up for tests of leaderboards and comparisons: embeddings of a pretend model, scored as real ones are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avbench.config import RunConfig
from avbench.evaluation import similarity
from avbench.evaluation.forgetting import summarise
from avbench.evaluation.retrieval import DIRECTIONS, RetrievalResult, evaluate
from avbench.results import (
    DirectionResult,
    Efficiency,
    MetricSummary,
    PeakMemory,
    Provenance,
    Recall,
    Results,
    RunDirectory,
    TaskResult,
    comparability_key,
    exam,
    stable_hash,
)
from avbench.results.schema import ModelScores, Track

TASKS, PER_TASK, WIDTH = 3, 20, 16
CLIPS = [f"clip-{task}-{number:02d}" for task in range(TASKS) for number in range(PER_TASK)]


def embeddings(noise: float, draw: int, after: int, clips: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Audio and video of each clip: what they share, and noise that grows for tasks that are not the latest."""
    places = [CLIPS.index(clip) for clip in clips]
    generator = torch.Generator().manual_seed(1000 * draw + after)
    shared = torch.randn(len(CLIPS), WIDTH, generator=torch.Generator().manual_seed(7))
    task = torch.arange(len(CLIPS)) // PER_TASK
    spread = noise * (1 + 0.4 * (after - 1 - task).abs().clamp(max=3)).unsqueeze(1)
    audio, video = (shared + spread * torch.randn(shared.shape, generator=generator) for _ in range(2))
    return audio[places], video[places]


def tasks_of(clips: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray([int(clip.split("-")[1]) for clip in clips])


def make_run(
    path: Path,
    strategy: str = "er",
    seed: int = 0,
    noise: float = 0.6,
    draw: int | None = None,
    clips: Sequence[str] = CLIPS,
    options: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    memory: str | None = "12 clips",
    networks: dict[str, float] | None = None,
    with_embeddings: bool = True,
    finished: int = TASKS,
    **changes: Any,
) -> RunDirectory:
    """A run of three tasks of which `finished` are evaluated.

    Args:
        noise: of the embeddings, so less is better; `networks` names others of the method with their own.
        draw: of the noise; by default the seed.
        settings: of the configuration; `changes` replace fields of the results.
    """
    settings = {"bench": "continual-synth", "profile": "quick"} | (settings or {})
    config = RunConfig(strategy=strategy, seed=seed, options=options or {}, **settings)
    directory = RunDirectory.create(path, config)
    steps = 1 if changes.get("joint_stream") else finished
    draw = seed if draw is None else draw
    scored = {
        name: _evaluated(directory, "" if name == "working" else f"-{name}", level, draw, clips, steps, with_embeddings)
        for name, level in {"working": noise, **(networks or {})}.items()
    }
    clip_list = stable_hash(list(clips))
    asked = exam(config, "1", clip_list, None)
    own, others = scored.pop("working"), scored
    track = Track(memory=memory, budget=None if config.training.budget is None else str(config.training.budget))
    results = Results(
        status="complete" if steps == (1 if changes.get("joint_stream") else TASKS) else "interrupted",
        strategy=strategy,
        bench=config.bench,
        profile=config.profile,
        seed=seed,
        order=config.order,
        synthetic=config.bench == "continual-synth",
        limit=config.limit,
        track=track,
        tasks=[
            TaskResult(
                id=f"t{t}", title=f"Task {t}", classes=1, train_clips=9, queries=int((tasks_of(clips) == t).sum())
            )
            for t in range(TASKS)
        ],
        directions=own.directions,
        summary=own.summary,
        other_models=others,
        efficiency=Efficiency(
            clips_per_second=100.0 + seed,
            seconds={"data": 1.0, "forward": 3.0, "backward": 5.0, "strategy": 1.0, "evaluation": 2.0},
            peak_memory_bytes=PeakMemory(process=10**9 + len(strategy) * 10**7),
            memory_bytes=0 if memory is None else 10**6,
            parameters=1000,
            compute_units=3000.0 * (1 + seed / 100),
            steps=60,
        ),
        provenance=Provenance(
            started="2026-11-20T09:00:00Z",
            finished="2026-11-20T10:00:00Z",
            processor="processor",
            threads=1,
            clip_list_hash=clip_list,
            benchmark_version="1",
        ),
        exam=asked,
        comparability_key=comparability_key(asked),
    )
    directory.write_results(Results.model_validate(results.model_copy(update=changes).model_dump()))
    directory.release()
    return directory


def edit_results(directory: RunDirectory, **changes: Any) -> None:
    """Replace top-level entries of `results.json` without checking them."""
    content = json.loads(directory.results.read_text())
    directory.results.write_text(json.dumps(content | changes))


def _evaluated(
    directory: RunDirectory, suffix: str, noise: float, draw: int, clips: Sequence[str], steps: int, keep: bool
) -> ModelScores:
    task_of = tasks_of(clips)
    found: list[RetrievalResult] = []
    for after in range(1, steps + 1):
        audio, video = embeddings(noise, draw, after, clips)
        gallery, recall_at = directory.config.evaluation.gallery, directory.config.evaluation.recall_at
        found.append(evaluate(audio, video, task_of, gallery, recall_at, TASKS))
        kept = {"audio": audio, "video": video} if keep else None
        similarity.save(directory.similarity / f"after-{after:02d}{suffix}.npz", found[-1], clips, None, kept)
    directions = {
        way: DirectionResult(
            recall={
                f"R@{k}": Recall(after=[one.recall(way, k) for one in found])
                for k in directory.config.evaluation.recall_at
            }
        )
        for way in DIRECTIONS
    }
    summary = {
        way: {
            name: MetricSummary.model_validate(row)
            for name, row in summarise(
                {k: r.after for k, r in one.recall.items()}, TASKS, max(steps, 1) if steps == 1 else None
            ).items()
        }
        for way, one in directions.items()
    }
    return ModelScores(directions=directions, summary=summary)

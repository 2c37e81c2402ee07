"""What a comparability key is made of, for people: why two runs are not ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avbench.reports.leaderboard.runs import FoundRun, flat
from avbench.results.comparability import BOOKKEEPING, PLACES


def exam(run: FoundRun) -> dict[str, str]:
    """Everything that two runs must share to be ranked together, dotted names and values as text."""
    config, provenance = run.config, run.results.provenance
    base = config.training.base_weights
    content: dict[str, Any] = {
        "bench": run.results.bench,
        "benchmark version": provenance.benchmark_version,
        "clip list": provenance.clip_list_hash,
        "profile": config.profile,
        "order": config.order,
        "limit": config.limit,
        "memory": run.memory,
        "evaluation": {"gallery": config.evaluation.gallery, "recall_at": config.evaluation.recall_at},
        "clip": config.clip.model_dump(),
        "model": config.model.model_dump(),
        "training": config.training.model_dump(mode="json", exclude=set(BOOKKEEPING)),
        "base weights": None if base is None else Path(base).name,
        "data": {key: value for key, value in config.data.items() if key not in PLACES},
    }
    return flat(content)


def differences(exams: Sequence[Mapping[str, str]]) -> list[str]:
    """The names whose values are not the same in all, in the order they first appear."""
    names = dict.fromkeys(name for one in exams for name in one)
    return [name for name in names if len({one.get(name) for one in exams}) > 1]

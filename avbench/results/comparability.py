"""Which results may stand in one table: those that sat the same exam, and so have the same comparability key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from avbench.config import RunConfig
from avbench.results.schema import Results

FORMAT = 1

# Of the training section: what a run writes, not what it learns. `base_weights` is a path; its content is hashed.
BOOKKEEPING = frozenset({"base_weights", "log_every", "checkpoint_minutes", "keep_checkpoints"})


def exam(
    config: RunConfig,
    benchmark_version: str,
    clip_list_hash: str,
    base_weights_hash: str | None,
    places: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Everything that must agree before two results may be ranked against each other.

    In it, and why:
        benchmark, its version and the clip list: other clips are another exam;
        task order: forgetting depends on it;
        gallery and K: recall among the whole pool and among one task are different quantities;
        clip shape, model and the hash of its base weights: another learner, or another starting point;
        training section (schedule, budget, objective, optimizer): a longer schedule is not a better method;
        limit and profile: a limited or small run never stands beside a full one;
        the benchmark's data section, such as the dials of the embedded world.

    Not in it:
        strategy and its options: they are what is compared;
        seed: repetitions are averaged;
        the rehearsal memory's budget, which some methods have none of: `comparable` asks for it beside the key;
        device, precision, threads, workers: they change the last digits and the speed, not the question;
        places of files, logging and checkpoint intervals, evaluation batch size, saved examples: no effect on numbers;
        the pre-training section: its outcome is in the hash of the base weights.

    Args:
        base_weights_hash: of the content of the base weights, None when training starts from scratch.
        places: keys of the data section that don't say what the data is.
    """
    return {
        "format": FORMAT,
        "bench": config.bench,
        "benchmark_version": benchmark_version,
        "order": config.order,
        "clip_list": clip_list_hash,
        "protocol": {"gallery": config.evaluation.gallery, "recall_at": sorted(config.evaluation.recall_at)},
        "clip": config.clip.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json", exclude=set(BOOKKEEPING)),
        "base_weights": base_weights_hash,
        "data": {key: value for key, value in config.data.items() if key not in places},
        "limit": config.limit,
        "profile": config.profile,
    }


def comparability_key(content: Mapping[str, Any]) -> str:
    """A hash of an `exam`."""
    return stable_hash(content)


def comparable(first: Results, second: Results) -> bool:
    """Whether two results may be ranked against each other.

    Their keys must agree, and their rehearsal memories must have been given as much; a method without a memory is
    comparable with any.
    """
    memories = {results.track.memory for results in (first, second)} - {None}
    return first.comparability_key == second.comparability_key and len(memories) < 2


def config_hash(config: RunConfig | Mapping[str, Any]) -> str:
    """A hash of the whole resolved configuration but its trackers: runs with the same hash were told the same.

    Of a mapping, such as a run's `config.yaml` as it was written, it needs no key that has come since.
    """
    values = config.model_dump(mode="json") if isinstance(config, RunConfig) else config
    return stable_hash({key: value for key, value in values.items() if key != "trackers"})


def stable_hash(content: Any) -> str:
    """16 hexadecimal digits that depend only on the JSON value `content`, not on the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

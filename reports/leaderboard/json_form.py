"""The leaderboard for machines. A change that breaks readers raises `schema_version`.

::

    {"schema_version": 2, "avbench": VERSION, "tracks": [TRACK], "skipped": [{"name", "reason"}]}

    TRACK  {"comparability_key": hash, or null where runs were scored again on common clips,
            "bench", "order", "profile", "gallery": "pool" | "task", "memory", "budget", "limit", "synthetic",
            "tasks", "queries": counts, "chance": A of random ranking in percent, "columns": ["R@1", ..., "Avg"],
            "apart": {name: value}, what sets it apart from other tracks of the benchmark, "notes": [sentence],
            "rows": [ROW], "published": [{"source", "conditions", "rows": [{"name", "strategy", "numbers"}]}],
            "no_published_rows_because": sentence or null}
    ROW    {"strategy", "options": {dotted name: text}, "state": "ranked" | "alone" | "unranked" | "upper bound",
            "unranked_because": sentence or null, "tier", "forgetting_tier": 1, 2, ... or null,
            "boundary_aware", "joint_stream", "scored_on_common_clips": true or false,
            "evaluated_model": name, "seeds": [int], "numbers": NUMBERS,
            "networks": [{"name", "numbers": NUMBERS}], of the method, beside the evaluated one,
            "runs": [{"name", "seed", "counts": in the means, "status", "accuracy", "comparability_key", "finished",
                      "machine", "git_commit"}]}
    NUMBERS {key: {"mean", "low", "high"}}; low and high bound the 95 % interval, null where there is none. Keys:
            accuracy, forgetting_paper, forgetting_official, learned, backward_transfer, forward_transfer: mean of both
            directions and of all R@K (transfers as in avbench.evaluation.transfer);
            DIRECTION.COLUMN.accuracy, DIRECTION.COLUMN.forgetting_official: such as audio2video.R@1.accuracy;
            units_per_clip, clips_per_second, training_seconds, peak_memory_bytes, memory_bytes, parameters, steps.
            Percent and percentage points where no unit is in the name. A number that is not known has no key.

Rows of a track may be ranked against each other, rows of different tracks may not, and published rows never.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import avbench
from avbench.reports.leaderboard.columns import Column, columns_of
from avbench.reports.leaderboard.ranking import Placed
from avbench.reports.leaderboard.rows import machine
from avbench.reports.leaderboard.tracks import Board, Track

SCHEMA_VERSION = 2


def as_json(board: Board) -> str:
    """The board as JSON text; the same runs always give the same text."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "avbench": avbench.__version__,
        "tracks": [_track(track) for track in board.tracks],
        "skipped": [{"name": one.name, "reason": one.reason} for one in board.skipped],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def state(one: Placed) -> str:
    """Whether a row is ranked, could be but is alone, can't be, or is an upper bound."""
    if one.row.results.joint_stream:
        return "upper bound"
    return "unranked" if one.unranked else "alone" if one.tier is None else "ranked"


def _track(track: Track) -> dict[str, Any]:
    columns = columns_of(track)
    return {
        "comparability_key": track.key or None,
        "bench": track.bench,
        "order": track.order,
        "profile": track.profile,
        "gallery": track.gallery,
        "memory": track.memory,
        "budget": track.budget,
        "limit": track.limit,
        "synthetic": track.synthetic,
        "tasks": track.tasks,
        "queries": track.queries,
        "chance": track.chance,
        "columns": list(track.columns),
        "apart": dict(track.apart),
        "notes": list(track.notes),
        "rows": [_row(one, columns) for one in track.rows],
        "published": [
            {
                "source": table.source,
                "conditions": table.conditions,
                "rows": [
                    {"name": row.name, "strategy": row.strategy, "numbers": _numbers(columns, "published", row)}
                    for row in table.rows
                ],
            }
            for table in track.published
        ],
        "no_published_rows_because": track.missing or None,
    }


def _row(one: Placed, columns: Sequence[Column]) -> dict[str, Any]:
    row = one.row
    return {
        "strategy": row.strategy,
        "options": dict(row.options),
        "state": state(one),
        "unranked_because": one.unranked or None,
        "tier": one.tier,
        "forgetting_tier": one.forgetting_tier,
        "boundary_aware": row.results.boundary_aware,
        "joint_stream": row.results.joint_stream,
        "scored_on_common_clips": one.rescored,
        "evaluated_model": row.results.evaluated_model,
        "seeds": list(row.seeds),
        "numbers": _numbers(columns, "ours", one),
        "networks": [
            {"name": network.name, "numbers": _numbers(columns, "network", network)} for network in one.networks
        ],
        "runs": _runs(one),
    }


def _runs(one: Placed) -> list[dict[str, Any]]:
    accuracies = dict(zip(one.row.seeds, one.row.scores.per_seed("accuracy"), strict=False))
    return [
        {
            "name": run.name,
            "seed": run.results.seed,
            "counts": run in one.row.runs,
            "status": run.results.status,
            "accuracy": accuracies.get(run.results.seed) if run in one.row.runs else None,
            "comparability_key": run.results.comparability_key,
            "finished": run.results.provenance.finished,
            "machine": machine(run.results),
            "git_commit": run.results.provenance.git_commit,
        }
        for run in one.row.every
    ]


def _numbers(columns: Sequence[Column], kind: str, item: object) -> dict[str, Any]:
    found = {column.key: getattr(column, kind)(item) for column in columns}
    return {key: {"mean": one.value, "low": one.low, "high": one.high} for key, one in found.items() if one is not None}

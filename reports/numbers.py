"""The numbers behind a run's figures as plain dictionaries and lists."""

from __future__ import annotations

from typing import Any, get_args

from avbench.errors import RunDirectoryError
from avbench.evaluation.forgetting import forgetting_per_task
from avbench.evaluation.modality_gap import Decline, decline
from avbench.evaluation.transfer import backward_per_task, forward_per_task
from avbench.reports.sections import step_events
from avbench.results import RunDirectory
from avbench.results.schema import Recall, Results


def numbers(directory: RunDirectory) -> dict[str, Any]:
    """What a report draws, for plots of one's own.

    Returns:
        `tasks`: titles, in training order; every list "per task" follows it.
        `summary`: per direction and R@K (and "Avg") accuracy, forgetting and the mean of the diagonal.
        `recall`: per direction and R@K `before` (per task) and `after` (a row per experience), in percent.
        `learning`: likewise `forgetting`, `backward` and `forward`, the terms of F, BWT and FWT; complete runs only.
        `modality_gap`: `before`, `after`, `accumulated`, and `decline` by variant.
        `rehearsal`: `occupancy` (a row per experience), `distinct`, `visits`, `accepted`.
        `training`: columns over logged steps: `step`, `experience`, `loss`, and the terms of the loss.
        `efficiency`: as in results.json.

    Raises:
        RunDirectoryError: there are no results, or they are damaged. A damaged journal leaves `training` empty.
    """
    results = directory.read_results()
    gap = results.modality_gap
    return {
        "tasks": [task.title for task in results.tasks],
        "summary": {way: {k: row.model_dump() for k, row in rows.items()} for way, rows in results.summary.items()},
        "recall": {
            way: {k: one.model_dump() for k, one in found.recall.items()} for way, found in results.directions.items()
        },
        "learning": _learning(results),
        "modality_gap": gap.model_dump() | {"decline": _declines(results)},
        "rehearsal": results.rehearsal.model_dump(),
        "training": _training(directory),
        "efficiency": results.efficiency.model_dump(),
    }


def _learning(results: Results) -> dict[str, Any]:
    return {
        way: {k: _terms(one) for k, one in found.recall.items() if len(one.after) == len(results.tasks) > 1}
        for way, found in results.directions.items()
    }


def _terms(recall: Recall) -> dict[str, list[float]]:
    return {
        "forgetting": forgetting_per_task(recall.after)[:-1],
        "backward": backward_per_task(recall.after),
        "forward": forward_per_task(recall.before, recall.after) if recall.before else [],
    }


def _declines(results: Results) -> dict[str, float | None]:
    after = results.modality_gap.after
    variants: tuple[Decline, ...] = get_args(Decline)
    whole = len(after) == len(results.tasks)
    return {variant: decline(after, variant) if whole else None for variant in variants}


def _training(directory: RunDirectory) -> dict[str, list[Any]]:
    try:
        steps = step_events(directory.journal.salvage()[0])
    except RunDirectoryError:
        return {}
    terms = dict.fromkeys(name for event in steps for name in event.get("terms", {}))
    columns = {name: [event.get(name) for event in steps] for name in ("step", "experience", "loss")}
    return columns | {name: [event.get("terms", {}).get(name) for event in steps] for name in terms}

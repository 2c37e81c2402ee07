"""Runs whose clips differ, because each machine had others: the exam they share, and the clips all of them have."""

from __future__ import annotations

from collections.abc import Sequence

from avbench.errors import AvbenchError
from avbench.reports.leaderboard.runs import FoundRun
from avbench.results import comparability_key


def shared_exam(run: FoundRun) -> str | None:
    """The run's comparability key as it would be if the list of clips were not in it; None where that isn't known."""
    asked = run.results.exam
    if not asked or comparability_key(asked) != run.results.comparability_key:
        return None
    return comparability_key({**asked, "clip_list": ""})


def clips_of_all(runs: Sequence[FoundRun]) -> tuple[list[str], list[FoundRun]]:
    """The clips that every run was asked, and the runs whose clips can't be read, which don't count."""
    from avbench.evaluation.run_hits import common_clips

    readable, broken = [], []
    for run in runs:
        try:
            common_clips([run.directory])
            readable.append(run)
        except AvbenchError:
            broken.append(run)
    return common_clips([run.directory for run in readable]), broken

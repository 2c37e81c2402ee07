"""What a comparability key is made of, for people: why two runs are not ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avbench.reports.leaderboard.runs import FoundRun, flat


def exam(run: FoundRun) -> dict[str, str]:
    """Everything that two runs must share to be ranked together, dotted names and values as text."""
    return flat({**run.results.exam, "bench": run.results.bench, "memory": run.memory})


def differences(exams: Sequence[Mapping[str, str]]) -> list[str]:
    """The names whose values are not the same in all, in the order they first appear."""
    names = dict.fromkeys(name for one in exams for name in one)
    return [name for name in names if len({one.get(name) for one in exams}) > 1]

"""Which settings differ between the methods of a comparison, and which between the seeds of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avbench.reports.leaderboard.exam import differences
from avbench.reports.leaderboard.rows import Row, machine
from avbench.reports.leaderboard.runs import FoundRun, flat

_OWN = ("strategy", "seed")  # what rows and seeds are


@dataclass(frozen=True)
class Setting:
    """A dotted name and its value for each row, as text; several values where the seeds of a row differ."""

    name: str
    values: list[str]


def differing(rows: Sequence[Row]) -> list[Setting]:
    """The settings and circumstances that are not the same in all runs."""
    settings = [[_settings(run) for run in row.every] for row in rows]
    names = differences([one for of_row in settings for one in of_row])
    return [Setting(name, [_value(name, of_row) for of_row in settings]) for name in names]


def _value(name: str, runs: Sequence[dict[str, str]]) -> str:
    return " / ".join(dict.fromkeys(run.get(name, "–") for run in runs))


def _settings(run: FoundRun) -> dict[str, str]:
    provenance = run.results.provenance
    circumstances: dict[str, Any] = {
        "machine": machine(run.results),
        "commit": (provenance.git_commit or "no checkout")[:9] + " with changes" * bool(provenance.git_dirty),
        "comparability key": run.results.comparability_key or "none",
        "clip list": provenance.clip_list_hash or "unknown",
        "versions": provenance.versions,
    }
    config = run.config.model_dump(mode="json", exclude=set(_OWN))
    return flat(config) | flat(circumstances)

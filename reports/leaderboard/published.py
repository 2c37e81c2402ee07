"""Published numbers: tables of papers as data, shown beside ours and never ranked with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import mean
from typing import Any

import yaml

from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.rows import AVERAGE, BOTH
from avbench.results import Results


@dataclass(frozen=True)
class PublishedRow:
    """One method of a published table.

    Attributes:
        name: as printed.
        strategy: our name of the method, None where there is none.
        scores: per direction and column (A, F), in percent and points; None where the paper prints no number.
        bound: trained on all tasks at once.
    """

    name: str
    strategy: str | None
    scores: Mapping[str, Mapping[str, tuple[float | None, float | None]]]
    bound: bool = False

    def accuracy(self, direction: str = BOTH, column: str = AVERAGE) -> float | None:
        """A as printed, or the mean of both directions as printed."""
        return self._value(0, direction, column)

    def forgetting(self, direction: str = BOTH, column: str = AVERAGE) -> float | None:
        """F as printed, or the mean of both directions as printed."""
        return self._value(1, direction, column)

    def _value(self, place: int, direction: str, column: str) -> float | None:
        wanted = TITLES if direction == BOTH else [direction]
        values = [self.scores.get(way, {}).get(column, (None, None))[place] for way in wanted]
        known = [value for value in values if value is not None]
        return mean(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class PublishedTable:
    """The rows of one table for one benchmark and order.

    Attributes:
        source: paper and table.
        conditions: under which they were measured, for people.
    """

    source: str
    conditions: str
    rows: tuple[PublishedRow, ...]


def published_for(results: Results, gallery: str) -> tuple[list[PublishedTable], str]:
    """The tables for the benchmark and order of a run, or none and the reason."""
    if results.synthetic:
        return [], (
            "No published rows: these clips are rendered by a program, and the papers measured recordings. Numbers "
            "from the two say nothing about one another."
        )
    tables = [_table(name, found, results) for name, found in _sections(results)]
    if not tables:
        return [], f"No published rows: the papers print none for {results.bench} in the {results.order} order."
    if gallery != "pool":
        return [], "No published rows: the papers rank among all clips of the benchmark, these runs among one task’s."
    if results.limit is not None or results.track.budget is not None:
        return [], "No published rows: the papers trained on all clips and for the whole schedule; these runs did not."
    return tables, ""


def _sections(results: Results) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [
        (content, section)
        for content in _contents()
        if content.get("kind") == "continual retrieval"
        for section in content["benchmarks"]
        if (section["bench"], section["order"]) == (results.bench, results.order)
    ]


@cache
def _contents() -> list[dict[str, Any]]:
    folder = resources.files("avbench.reports") / "published"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]


def _table(content: dict[str, Any], section: dict[str, Any], results: Results) -> PublishedTable:
    columns = [(way, column, place) for way in TITLES for column in content["columns"] for place in (0, 1)]
    rows = []
    for name, strategy, *values in section["rows"]:
        scores: dict[str, dict[str, tuple[float | None, float | None]]] = {way: {} for way in TITLES}
        for (way, column, place), value in zip(columns, values, strict=True):
            pair = scores[way].get(column, (None, None))
            scores[way][column] = (value, None) if place == 0 else (pair[0], value)
        rows.append(PublishedRow(name, strategy, scores, name in content.get("upper_bounds", [])))
    caution = "" if results.profile == "paper" else f" These runs have profile {results.profile}, the papers’ is paper."
    return PublishedTable(content["source"], f"{section['conditions']}{caution}", tuple(rows))

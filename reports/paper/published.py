"""Published numbers of a table or figure, from `reports/published`: shown beside ours, never ranked with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from avbench.reports.headline import TITLES

FOLLOWS = {"continual-synth": "continual-vs"}  # whose protocol a benchmark follows on other clips


@dataclass(frozen=True)
class Published:
    """The rows of one table for one benchmark.

    Attributes:
        source: paper and number.
        bench: measured on this benchmark, of recordings.
        conditions: for people.
        task: the task it is about, empty where it is about all.
        rows: by printed name, the value of each column; None where none is printed.
    """

    source: str
    bench: str
    conditions: str
    task: str
    rows: Mapping[str, Mapping[str, float | None]]

    @property
    def label(self) -> str:
        """Where the numbers come from, for a heading."""
        return f"Published, {self.bench} (recordings)"


def read_published(file: str, bench: str) -> list[Published]:
    """The sections of `reports/published/FILE.yaml` for a benchmark, or for the one whose protocol it follows."""
    path = resources.files("avbench.reports") / "published" / f"{file}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    columns = _columns(content)
    return [
        Published(
            content["source"],
            section["bench"],
            section["conditions"],
            section.get("task", ""),
            {name: dict(zip(columns, values, strict=True)) for name, _, *values in section["rows"]},
        )
        for section in content["benchmarks"]
        if section["bench"] == FOLLOWS.get(bench, bench)
    ]


def _columns(content: Mapping[str, Any]) -> list[str]:
    if content["kind"] != "continual retrieval":
        return list(content["columns"])
    # A and F of each column, audio to video first; see those files.
    kinds = ("accuracy", "forgetting")
    return [f"{way}.{column}.{kind}" for way in TITLES for column in content["columns"] for kind in kinds]

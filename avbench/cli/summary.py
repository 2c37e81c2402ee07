"""The headline numbers of a finished run, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from avbench.cli import console

COLUMNS = {"accuracy": "A", "forgetting_paper": "F", "forgetting_official": "F official", "learned": "learned"}
Parts = Sequence[str | tuple[str, str]]
LEGEND = """\
A: recall in % at the end, mean over tasks. Learned: the same, but each task
just after it was trained. F: points lost since each task's best, as the
paper prints the formula; F official: as the authors' tool computes it."""


def show_summary(out: Console, title: Parts, summary: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print A, F and recall just after learning, per direction and K.

    Args:
        summary: {direction: {"R@1", ..., "Avg": {"accuracy", "forgetting_paper", ...}}}; None where undefined.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("retrieval")
    table.add_column("")
    for name in COLUMNS.values():
        table.add_column(name, justify="right")
    for direction, rows in summary.items():
        for place, (name, row) in enumerate(rows.items()):
            style = "bold" if name == "Avg" else ""
            first = console.clean(direction).replace("2", " to ") if place == 0 else ""
            table.add_row(first, Text(console.clean(name), style), *(_number(row.get(key), style) for key in COLUMNS))
    out.print()
    console.line(out, *title)
    out.print(table)
    console.line(out, (LEGEND, "dim"))
    out.print()


def show_other_models(out: Console, evaluated: str, models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Print the "Avg" rows of a method's other networks, such as teachers.

    Args:
        evaluated: the network the table above is about.
        models: {name: {direction: {"accuracy", ...}}}.
    """
    console.line(out, f"Above: the {console.clean(evaluated)} model. The method's other models, Avg:")
    for name, directions in models.items():
        parts = [
            f"{console.clean(direction).replace('2', ' to ')} A {_plain(row.get('accuracy'))}"
            f" F {_plain(row.get('forgetting_paper'))}"
            for direction, row in directions.items()
        ]
        console.line(out, f"  {console.clean(name)}: {', '.join(parts)}")
    out.print()


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: float | None, style: str) -> Text:
    return Text(_plain(value), style)

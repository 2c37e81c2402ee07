"""The numbers behind a figure, as a link that carries them: nothing is fetched."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A file inside the page."""

    name: str
    uri: str


def csv_download(name: str, header: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> Download:
    """A table as CSV; missing numbers are empty cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([[csv_cell(cell) for cell in row] for row in [header, *rows]])
    content = base64.b64encode(buffer.getvalue().encode()).decode()
    return Download(f"{name}.csv", f"data:text/csv;charset=utf-8;base64,{content}")


def csv_cell(value: str | float | None) -> str:
    """The text of a cell; one that a spreadsheet would take for a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, str):
        # A spreadsheet would run a text that begins so as a formula.
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
    return f"{value:.6g}"

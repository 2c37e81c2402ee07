"""A document as one HTML file that loads nothing and runs nothing, and the other forms beside it."""

from __future__ import annotations

from pathlib import Path

from avbench.reports import formats
from avbench.reports.downloads import Download, csv_download
from avbench.reports.paper.document import Document, Table
from avbench.reports.paper.text import as_csv, as_latex, as_markdown
from avbench.results import write_atomically


def write(document: Document, folder: Path) -> Path:
    """Write `NAME.html`, `.md`, `.tex` and `.csv` into `folder` and return the page.

    Raises:
        RunDirectoryError: a file can't be written.
    """
    page = folder / f"{document.name}.html"
    write_atomically(page, as_html(document))
    for suffix, text in ((".md", as_markdown), (".tex", as_latex), (".csv", as_csv)):
        write_atomically(page.with_suffix(suffix), text(document))
    return page


def as_html(document: Document) -> str:
    """The page; the same document always gives the same text."""
    environment = formats.environment()
    downloads = [_download(document, table, number) for number, table in enumerate(document.tables, 1) if table.heads]
    return environment.get_template("paper.html").render(
        document=document,
        downloads=downloads,
        kind_of=lambda block: type(block).__name__,
    )


def _download(document: Document, table: Table, number: int) -> Download:
    heads = [f"{head.group} {head.title}".strip() for head in table.heads]
    header = ["row", "kind", *(title for head in heads for title in (head, f"{head}, half of the interval"))]
    cells = [[value for cell in line.cells for value in (cell.value, cell.half)] for line in table.lines]
    rows = [[line.name, line.kind, *values] for line, values in zip(table.lines, cells, strict=True)]
    return csv_download(f"{document.name}-{number}", header, rows)

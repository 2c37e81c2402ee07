"""A document as Markdown, LaTeX and CSV: its tables, those behind drawings included."""

from __future__ import annotations

import csv
import io

from avbench.reports.downloads import csv_cell
from avbench.reports.leaderboard.text import latex, markdown
from avbench.reports.paper.document import Document, Line, Number, Table

_KINDS = {"ours": "", "bound": "", "published": " [published]"}


def as_markdown(document: Document) -> str:
    """Every table with its note; names are escaped."""
    parts = [f"# {markdown(document.source)}: {markdown(document.title)}\n"]
    if document.badges:
        parts.append(f"**{markdown(', '.join(badge.text.upper() for badge in document.badges))}**\n")
    parts.append("".join(f"- {markdown(name)}: {markdown(value)}\n" for name, value in document.facts))
    qualified = [*document.warnings, *([document.unknown] if document.unknown else [])]
    parts += [f"> {markdown(text)}\n" for text in qualified]
    for table in document.tables:
        parts.append(f"## {markdown(table.title)}\n")
        if table.heads:
            rows = [["", *_titles(table)], ["---"] * (len(table.heads) + 1)]
            rows += [[_name(line), *map(_both, line.cells)] for line in table.lines]
            escaped = [[markdown(cell) for cell in row] if at != 1 else row for at, row in enumerate(rows)]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in escaped) + "\n")
        parts.append(f"{markdown(table.note)}\n")
    return "\n".join(parts).rstrip() + "\n"


def as_latex(document: Document) -> str:
    """Every table; needs booktabs."""
    marked = ", ".join(badge.text.upper() for badge in document.badges)
    parts = [r"% needs \usepackage{booktabs}"]
    for table in (table for table in document.tables if table.heads):
        caption = latex(
            f"{document.source}: {document.title}. {table.title}. {marked + '. ' if marked else ''}{table.note}"
        )
        parts += [r"\begin{table*}", r"\centering\small", rf"\caption{{{caption}}}"]
        parts += [rf"\begin{{tabular}}{{l{'r' * len(table.heads)}}}", r"\toprule"]
        if any(title for title, _ in table.groups):
            spans = [rf"\multicolumn{{{span}}}{{c}}{{{latex(title)}}}" for title, span in table.groups]
            parts.append(" & ".join(["", *spans]) + r" \\")
        parts.append(" & ".join(["", *(latex(head.title) for head in table.heads)]) + r" \\")
        kind = None
        for line in table.lines:
            if (line.kind == "published") != kind:
                kind = line.kind == "published"
                parts.append(r"\midrule")
            parts.append(" & ".join(map(latex, [_name(line), *map(_both, line.cells)])) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""]
    return "\n".join(parts)


def as_csv(document: Document) -> str:
    """One line per number, so that tables of any shape fit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    synthetic = "yes" if any(badge.kind == "synthetic" for badge in document.badges) else "no"
    writer.writerow(["item", "synthetic", "table", "row", "source", "group", "column", "value", "half_interval"])
    for table in document.tables:
        for line in table.lines:
            for head, cell in zip(table.heads, line.cells, strict=True):
                published = head.published or line.kind == "published"
                row = [document.name, "no" if published else synthetic, table.title, line.name]
                row += ["published" if published else "ours", head.group, head.title]
                writer.writerow([*map(csv_cell, row), csv_cell(cell.value), csv_cell(cell.half)])
    return buffer.getvalue()


def _titles(table: Table) -> list[str]:
    return [f"{head.group} {head.title}".strip() for head in table.heads]


def _name(line: Line) -> str:
    mark = f" ({line.mark})" if line.mark else ""
    return f"{line.name}{_KINDS[line.kind]}{mark}"


def _both(number: Number) -> str:
    return f"{number.text} {number.margin}".rstrip()

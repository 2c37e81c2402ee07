"""`avbench leaderboard` and `avbench compare`: many runs on one page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avbench.cli import console

if TYPE_CHECKING:
    from avbench.reports.leaderboard.tracks import Board


class Format(StrEnum):
    """What to write."""

    html = "html"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"
    json = "json"


Runs = Annotated[list[Path], typer.Argument(metavar="RUNS...", help="Run directories, or folders that hold some.")]
CommonClips = Annotated[
    bool,
    typer.Option("--common-clips", help="Score runs that differ only in the clips they had again, on those all have."),
]


def leaderboard(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="board.html, or the screen for other formats.")
    ] = None,
    kind: Annotated[Format, typer.Option("--format", help="A page (with JSON beside it), or a table.")] = Format.html,
    common_clips: CommonClips = False,
) -> None:
    """Rank runs that may be ranked together, with intervals, tiers, costs and the papers' published rows."""
    from avbench.reports.leaderboard.tracks import build_board
    from avbench.reports.leaderboard.writing import as_text, write_leaderboard

    screen = console.output()
    with console.waiting(console.errors(), "comparing runs"):
        if out is None and kind is not Format.html:
            board = build_board(runs, common_clips)
            text = as_text(board, kind.value)
        else:
            board, files = write_leaderboard(runs, out or Path("board.html"), kind.value, common_clips)
    _tell_skipped(board)
    if out is None and kind is not Format.html:
        typer.echo(text, nl=False)
        return
    for label, path in zip(("Board", "Data"), files, strict=False):
        console.where(screen, label, path)


def compare(
    runs: Runs,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write.")] = Path(
        "comparison.html"
    ),
    common_clips: CommonClips = False,
) -> None:
    """Put runs beside each other: what differs in their settings, how they went, and which differences are real."""
    from avbench.reports.comparison.page import write_comparison

    with console.waiting(console.errors(), "comparing runs"):
        board = write_comparison(runs, out, common_clips)
    _tell_skipped(board)
    console.where(console.output(), "Page", out)


def _tell_skipped(board: Board) -> None:
    for one in board.skipped:
        console.message(console.errors(), "left out", "bold yellow", f"{one.name}: {one.reason}")

"""`avbench leaderboard`: runs on disk to one page, table or file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from avbench.errors import UsageError
from avbench.reports.leaderboard.json_form import as_json
from avbench.reports.leaderboard.page import render
from avbench.reports.leaderboard.text import as_csv, as_latex, as_markdown
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.results import write_atomically
from avbench.results.atomic import check_target

_TEXTS: dict[str, Callable[[Board], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
}


def write_leaderboard(
    runs: Sequence[Path], out: Path, kind: str = "html", common_clips: bool = False
) -> tuple[Board, list[Path]]:
    """Write a leaderboard of `runs` and return it with the files that were written.

    A page is accompanied by the same content as JSON, beside it. Runs that can't be read are named in the board.

    Args:
        runs: folders of runs, or folders of such folders.
        out: the file; replaced only when the new one is complete.
        kind: html, markdown, latex, csv or json.
        common_clips: see `build_board`.

    Raises:
        UsageError: there is no readable run, or `out` is not where a file can be.
        RunDirectoryError: a file can't be written.
    """
    check_out(out)
    if kind == "html" and out.suffix == ".json":
        raise UsageError(f"{out} is where the JSON beside the page would go; give -o another ending, such as .html")
    board = build_board(runs, common_clips)
    if kind != "html":
        write_text(out, as_text(board, kind))
        return board, [out]
    data, beside = as_json(board), out.with_suffix(".json")
    write_text(beside, data)
    write_text(out, render(board, data))
    return board, [out, beside]


def as_text(board: Board, kind: str) -> str:
    """The board in one of the formats that are plain text.

    Raises:
        UsageError: it is none of them.
    """
    if kind not in _TEXTS:
        raise UsageError(f"{kind!r} is no text format of the leaderboard; choose one of {', '.join(_TEXTS)}")
    return _TEXTS[kind](board)


def check_out(out: Path) -> None:
    """Find out before the work whether `out` can become a file.

    Raises:
        UsageError: nothing can have that name, it is a folder, or there is no folder for it.
        RunDirectoryError: it is a device or a pipe.
    """
    check_target(out, "-o")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file for -o, such as {out / 'board.html'}")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} for {out.name}; make it, or choose another -o")


def write_text(out: Path, text: str) -> None:
    """Write `text`, in which names of files need not be text, as UTF-8."""
    write_atomically(out, text.encode("utf-8", "backslashreplace"))

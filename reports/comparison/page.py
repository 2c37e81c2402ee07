"""`avbench compare`: chosen runs beside each other, as one HTML file without any script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avbench.reports.comparison.config import differing
from avbench.reports.comparison.figures import COLOURS
from avbench.reports.comparison.sides import side
from avbench.reports.leaderboard.page import page_environment, titled
from avbench.reports.leaderboard.tracks import Board, build_board
from avbench.reports.leaderboard.writing import check_out, write_text


def write_comparison(runs: Sequence[Path], out: Path, common_clips: bool = False) -> Board:
    """Write a comparison of `runs` to `out` and return what it shows.

    Args:
        runs: folders of runs, or folders of such folders.
        out: the file; replaced only when the new one is complete.
        common_clips: see `build_board`.

    Raises:
        UsageError: there is no readable run, or `out` is not where a file can be.
        RunDirectoryError: the file can't be written.
    """
    check_out(out)
    board = build_board(runs, common_clips)
    write_text(out, render(board))
    return board


def render(board: Board) -> str:
    """The page; the same runs always give the same text."""
    rows = list({id(one.row.every[0]): one.row for track in board.tracks for one in track.rows}.values())
    sides = [side(track, title, number) for number, (track, title) in enumerate(titled(board.tracks), start=1)]
    template = page_environment().get_template("comparison.html")
    return template.render(
        board=board,
        sides=sides,
        rows=rows,
        settings=differing(rows),
        colours=COLOURS,
        newest=max(run.made for run in board.runs),
    )

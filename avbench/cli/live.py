"""What every view of work under way has in common: it is entered and left, and may move on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


class View:
    """Lines that stay; for use in a `with` block."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def keep_moving(self) -> None:
        """Draw `moving` below the lines that stay, again and again while the view is entered."""
        self._live = Live(get_renderable=self.moving, console=self.out, refresh_per_second=4, transient=True)

    def moving(self) -> RenderableType:
        """What stands below the lines just now."""
        return Text()


def is_live(out: Console) -> bool:
    """Whether things can move on `out`."""
    return out.is_terminal and not out.is_dumb_terminal


def bar(label: str, done: int, total: int) -> Table:
    """A bar over the whole width between its label and its numbers."""
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=24, no_wrap=True, overflow="ellipsis")
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(
        Text(label),
        ProgressBar(total=max(total, 1), completed=done, complete_style="cyan", finished_style="cyan"),
        Text(f"{done:,}/{total:,}", "dim"),
    )
    return grid

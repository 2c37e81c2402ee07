"""A count of clips on its way: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from avbench.cli import console

PLAIN_SECONDS = 10.0  # between two lines


@contextmanager
def counting(out: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with the number done and the number of all."""
    if not out.is_terminal:
        yield plain_counter(out, what)
        return
    columns = (TextColumn(what, markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def plain_counter(out: Console, what: str, clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Print `what: done of total` every ten seconds and at the end, but nothing when all was done from the start."""
    shown_at: float | None = None

    def count(done: int, total: int) -> None:
        nonlocal shown_at
        now = clock()
        if shown_at is None:
            shown_at = now
        elif done == total or now - shown_at >= PLAIN_SECONDS:
            console.line(out, f"{what}: {done:,} of {total:,}")
            shown_at = now

    return count

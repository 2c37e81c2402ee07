"""Watching a run from its first event to its report; `run` and `resume` share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avbench.cli import console
from avbench.cli.failures import Invocation
from avbench.cli.progress import progress
from avbench.results import Event

if TYPE_CHECKING:
    from avbench.runner import Run

Listener = Callable[[Event], None]


def execute(invocation: Invocation, work: Callable[[Sequence[Listener]], Run], history: Sequence[Event] = ()) -> None:
    """Do `work` with its progress shown, then write the report and say where everything is."""

    def remember(event: Event) -> None:
        if "directory" in event:
            invocation.directory = Path(event["directory"])
        elif event["event"] == "preparing":
            invocation.kept = "the clips prepared so far stay; continue with `avbench resume` and the run's new folder"

    out = console.output()
    with progress(out, history) as shown:
        finished = work([remember, shown])
    if not shown.finished:
        console.line(out, "This run was complete already.")
    console.where(out, "Report", finished.report())
    console.where(out, "Results", finished.directory / "results.json")

"""`avbench resume`: go on with a run that was stopped or killed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def resume(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The run directory.")],
) -> None:
    """Continue an interrupted or killed run from its newest checkpoint."""
    from avbench.cli import console
    from avbench.cli.execution import execute
    from avbench.results import RunDirectory

    opened = RunDirectory.open(directory)
    ctx.obj.directory = opened.path
    history, damaged = opened.journal.salvage() if opened.journal.path.exists() else ([], [])
    if damaged:
        lines = f"line {damaged[0]}" if len(damaged) == 1 else f"{len(damaged)} lines from line {damaged[0]} on"
        what = f"left out what can't be read of the journal {opened.journal.path} ({lines}); no result depends on it"
        console.message(console.errors(), "note", "yellow", what)
    from avbench import runner

    execute(ctx.obj, lambda listeners: runner.resume(directory, listeners), history)

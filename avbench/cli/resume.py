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
    from avbench.cli.execution import execute
    from avbench.results import RunDirectory

    opened = RunDirectory.open(directory)
    ctx.obj.directory = opened.path
    history = opened.journal.read() if opened.journal.path.exists() else []
    from avbench import runner

    execute(ctx.obj, lambda listeners: runner.resume(directory, listeners), history)

"""`avbench report`: draw the report of finished or unfinished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avbench.cli import console
from avbench.cli.failures import explain
from avbench.errors import AvbenchError


def report(
    ctx: typer.Context,
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run directories.")],
) -> None:
    """Write report.html into each run directory, from what the run has recorded there."""
    from avbench.reports.run_report import write_report

    status = 0
    for directory in directories:
        try:
            console.where(console.output(), "Report", write_report(directory))
        except AvbenchError as error:
            status = explain(error, ctx.obj)
    raise typer.Exit(status)

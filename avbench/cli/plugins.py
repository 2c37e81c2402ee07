"""`avbench plugins`: who brought which strategy, benchmark or task; whether it works; how to begin one."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from avbench import registry
from avbench.cli import console
from avbench.errors import AvbenchError
from avbench.plugins.plugin import OURS, SINGULAR

app = typer.Typer()


@app.callback(invoke_without_command=True)
def plugins(
    ctx: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Import avbench's own too, and fail when anything is broken.")
    ] = False,
) -> None:
    """Show every registered strategy, benchmark and downstream task: who brought it, and whether it works.

    Those of third parties are imported to find out.
    """
    if ctx.invoked_subcommand is not None:
        return
    out, broken = console.output(), list[str]()
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("name", "kind", "distribution", "version", "status"):
        table.add_column(column)
    with console.waiting(out, "importing"):
        for plugin in chain.from_iterable(registry.plugins(kind).values() for kind in SINGULAR):
            problem = None if plugin.distribution == OURS and not check else _problem(plugin)
            broken += [problem] if problem else []
            cells = (SINGULAR[plugin.kind], plugin.distribution, plugin.version or "?")
            table.add_row(
                Text(console.clean(plugin.name), "bold"),
                *(Text(console.clean(cell)) for cell in cells),
                _status(problem),
            )
    out.print(table)
    for problem in broken:
        console.message(out, "broken", "bold red", problem)
    if broken and check:
        raise typer.Exit(1)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the method, such as my-method.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to make; NAME here if not given.")
    ] = None,
) -> None:
    """Write a small package with a working strategy and its test, to be changed into a method of one's own."""
    from avbench.plugins.scaffold import write_package

    folder = write_package(name, out or Path(name))
    screen = console.output()
    console.where(screen, "Package", folder)
    console.line(screen, f"Install it:  pip install --editable {console.clean(folder)}")
    console.line(screen, f"Test it:     pytest {console.clean(folder)}")
    console.line(screen, f"Run it:      avbench run --strategy {name} --bench continual-synth")


def _problem(plugin: registry.Plugin) -> str:
    """What is wrong with a plugin; empty if nothing is."""
    try:
        with redirect_stdout(sys.stderr):  # a module that prints when it is imported does not spoil the table
            plugin.check()
    except AvbenchError as error:
        return str(error)
    return ""


def _status(problem: str | None) -> Text:
    if problem is None:
        return Text("part of avbench", "dim")
    return Text("broken", "red") if problem else Text("ok", "green")

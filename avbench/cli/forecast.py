"""`avbench run --dry-run`: what a run would do and need."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from avbench.cli import console
from avbench.config import dump
from avbench.planning import Plan


def show_plan(plan: Plan) -> None:
    """Print configuration, data, model, memory and time."""
    out, config = console.output(), plan.config
    console.line(out, (f"{config.strategy} on {config.bench}, {config.profile}, seed {config.seed}", "bold"))
    console.line(out, ("A forecast: nothing was trained and no folder was made.", "dim"))
    _heading(out, "Configuration")
    out.print(dump(config).rstrip(), soft_wrap=True)
    _heading(out, "Training clips")
    out.print(_data(plan))
    _heading(out, "Model")
    out.print(_amounts({name: f"{count:,} parameters" for name, count in plan.parameters.items()}))
    _heading(out, "Memory")
    parts = {name: console.size(count) for name, count in plan.memory_parts.items()}
    out.print(_amounts({**parts, "together": console.size(plan.memory_bytes)}))
    _heading(out, "Time")
    seconds = "unknown" if plan.seconds is None else f"about {console.duration(plan.seconds)}"
    limited = f", by the budget, in place of {plan.unlimited_steps:,}" * (plan.steps < plan.unlimited_steps)
    out.print(_amounts({"steps": f"{plan.steps:,}{limited}", "training, without evaluations": seconds}))
    console.line(out, ("Clips that are not in the cache yet take time beside this.", "dim"))
    for note in plan.notes:
        console.line(out, ("note  ", "yellow"), console.clean(note))


def _heading(out: Console, text: str) -> None:
    out.print()
    console.line(out, (text, "bold"))


def _data(plan: Plan) -> Table:
    table = _grid("task", "listed", "found")
    for title, listed, found in plan.data:
        table.add_row(console.clean(title), f"{listed:,}", f"{found:,}")
    listed, found = sum(row[1] for row in plan.data), sum(row[2] for row in plan.data)
    table.add_row("together", f"{listed:,}", f"{found:,}", style="bold")
    return table


def _amounts(amounts: Mapping[str, str]) -> Table:
    table = _grid("", "", header=False)
    for name, amount in amounts.items():
        table.add_row(console.clean(name), amount)
    return table


def _grid(first: str, *numbers: str, header: bool = True) -> Table:
    table = Table(box=None, show_header=header, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table

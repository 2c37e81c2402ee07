"""`avbench doctor`: show what fits and what does not."""

from __future__ import annotations

import typer

MARKS = {"ok": ("ok      ", "green"), "warning": ("warning ", "yellow"), "failed": ("failed  ", "bold red")}


def doctor() -> None:
    """Check versions, CUDA builds, imports, memory, disk, GPU and plugins; fails when something essential does."""
    from avbench.cli import console
    from avbench.doctor import examine

    out, failed = console.output(), 0
    for check in examine():
        console.line(out, MARKS[check.status], (f"{console.clean(check.name)}  ", "bold"), console.clean(check.detail))
        if check.status != "ok" and check.remedy:
            console.line(out, " " * 8, (console.clean(check.remedy), "italic"))
        failed += check.status == "failed"
    if failed:
        console.line(out, (f"{failed} failed: runs will not work until they are mended.", "bold red"))
        raise typer.Exit(1)
    console.line(out, "Everything that a run needs is here.")

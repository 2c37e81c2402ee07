"""`avbench pretrain`: make the base weights that continual pre-training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avbench.cli.failures import CLIPS_STAY
from avbench.cli.options import Bench, Choices, ConfigFile, Device, Profile, Sets, Threads, Workers, checked_out
from avbench.errors import UsageError
from avbench.results.journal import Event


def pretrain(
    ctx: typer.Context,
    bench: Bench,
    profile: Profile = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="Root of all randomness; 0 if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to write; base-BENCH-PROFILE.safetensors if not given."),
    ] = None,
    sets: Sets = None,
    config: ConfigFile = None,
    device: Device = None,
    workers: Workers = None,
    threads: Threads = None,
) -> None:
    """Pre-train backbone and matching module on a benchmark's base clips, which belong to none of its tasks."""
    values = {"seed": seed, "device": device, "workers": workers, "threads": threads}
    resolved = Choices(bench, None, profile, config, None, sets or (), values).for_data()
    target = out or Path(f"base-{resolved.bench}-{resolved.profile}.safetensors")
    if checked_out(target).exists():
        raise UsageError(f"{target} exists already; choose another --out, or delete it first")
    from avbench import runner
    from avbench.cli import console
    from avbench.cli.progress import progress

    def remember(event: Event) -> None:
        if event["event"] == "preparing":
            ctx.obj.kept = CLIPS_STAY

    screen = console.output()
    with progress(screen) as shown:
        path = runner.pretrain(resolved, target, [remember, shown])
    console.where(screen, "Weights", path)
    console.line(screen, f"Start from them with: --set training.base_weights={console.clean(path)}")

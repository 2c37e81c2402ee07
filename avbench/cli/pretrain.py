"""`avbench pretrain`: make the base weights that continual pre-training starts from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avbench.cli.failures import CLIPS_STAY
from avbench.cli.options import (
    Bench,
    Choices,
    ConfigFile,
    DataRoot,
    Device,
    Profile,
    Sets,
    Threads,
    Workers,
    checked_out,
)
from avbench.errors import UsageError
from avbench.results.journal import Event


class Stage(StrEnum):
    """What is trained."""

    both = "both"
    backbone = "backbone"
    matching = "matching"


def pretrain(
    ctx: typer.Context,
    bench: Bench,
    profile: Profile = None,
    stage: Annotated[
        Stage | None,
        typer.Option("--stage", help="What is trained; `matching` on given, frozen training.base_weights."),
    ] = None,
    data_root: DataRoot = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, metavar="N", help="Root of all randomness; 0 if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="New file; base-BENCH-PROFILE[-STAGE].safetensors if not given."),
    ] = None,
    sets: Sets = None,
    config: ConfigFile = None,
    device: Device = None,
    workers: Workers = None,
    threads: Threads = None,
) -> None:
    """Pre-train backbone and matching module on a benchmark's base clips, which belong to none of its tasks.

    Start from other weights with --set training.base_weights=FILE. After Ctrl-C or a kill the same command goes on.
    """
    stages = {"stages": stage.value} if stage else None
    values = {"seed": seed, "device": device, "workers": workers, "threads": threads, "pretraining": stages}
    resolved = Choices(bench, None, profile, config, data_root, sets or (), values).for_data()
    trained = resolved.pretraining.stages
    part = "" if trained == "both" else f"-{trained}"
    target = out or Path(f"base-{resolved.bench}-{resolved.profile}{part}.safetensors")
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
    if trained == Stage.backbone:
        console.line(screen, "They hold no matching module; the same with --stage matching trains one on them.")

"""`avbench data`: make synthetic media, prepare clips, check what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from avbench import registry
from avbench.cli.failures import Invocation
from avbench.cli.options import Bench, Choices, ConfigFile, DataRoot, Limit, Profile, Sets
from avbench.cli.rendering import Labels, Split, render

app = typer.Typer(no_args_is_help=True, help="Make, prepare and check clips.")

Jobs = Annotated[int | None, typer.Option("--jobs", min=0, metavar="N", help="Processes; 0 takes all cores.")]
Retry = Annotated[
    bool, typer.Option("--retry", help="Try every unreadable clip again, not only those whose files have changed.")
]


def _prepare(invocation: Invocation, plugin: Any, retry: bool) -> None:
    """Decode every clip of a benchmark once, ahead of its runs. Can be stopped and started again."""
    from avbench.cli import audit, console

    out = console.output()
    report = audit.prepare(out, plugin, retry, invocation)
    built = f"{report.built:,} of them prepared now"
    console.line(out, f"{len(report.ready):,} clips ready, {built}; {len(report.quarantined):,} can't be read")
    audit.show_reasons(out, report.quarantined)


def _verify(invocation: Invocation, plugin: Any, retry: bool) -> None:
    """Check every clip of a benchmark: listed, found, readable, per stream and task, with the reasons for each loss."""
    from avbench.cli import audit, console
    from avbench.errors import DataError

    out = console.output()
    plugin.survey()  # no data at all: say only that
    try:
        audit.prepare(out, plugin, retry, invocation)
    except DataError:
        audit.show_coverage(out, plugin)
        raise
    audit.show_coverage(out, plugin)
    plugin.inspect()  # fails when nothing usable is left of a task


def _add(name: str, work: Callable[[Invocation, Any, bool], None]) -> None:
    """A verb that does `work` with the clips its options name."""

    @app.command(name, help=work.__doc__)
    def verb(
        ctx: typer.Context,
        bench: Bench,
        data_root: DataRoot = None,
        profile: Profile = None,
        jobs: Jobs = None,
        limit: Limit = None,
        sets: Sets = None,
        config: ConfigFile = None,
        retry: Retry = False,
    ) -> None:
        resolved = Choices(bench, None, profile, config, data_root, _with_jobs(sets, jobs), {"limit": limit}).for_data()
        work(ctx.obj, registry.find("benchmarks", resolved.bench).load()(resolved), retry)


_add("prepare", _prepare)
_add("verify", _verify)


@app.command()
def synth(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or an export to continue.")],
    profile: Profile = None,
    splits: Annotated[
        list[Split] | None, typer.Option("--splits", help="Repeatable; train, retrieval and evaluation if not given.")
    ] = None,
    clips: Annotated[int | None, typer.Option("--clips", min=1, metavar="N", help="Per class and split.")] = None,
    fps: Annotated[int, typer.Option("--fps", min=1, max=120, metavar="N", help="Frames a second.")] = 25,
    labels: Annotated[
        Labels, typer.Option("--labels", help="`vggsound`: names of VGGSound classes, so that continual-vs runs on it.")
    ] = Labels.world,
    truth: Annotated[bool, typer.Option("--truth", help="Also masks and event times beside each clip.")] = False,
    jobs: Jobs = None,
    sets: Sets = None,
    config: ConfigFile = None,
) -> None:
    """Render the synthetic world to real media files, with a csv in the form of VGGSound's."""
    resolved = Choices("continual-synth", None, profile, config, None, _with_jobs(sets, jobs)).for_data()
    render(resolved, out, splits or [Split.train, Split.retrieval, Split.evaluation], clips, fps, labels, truth)


def _with_jobs(sets: list[str] | None, jobs: int | None) -> list[str]:
    return [*([] if jobs is None else [f"data.jobs={jobs}"]), *(sets or [])]

"""`avbench data`: make synthetic media, prepare clips, check what is on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from avbench.cli.options import Bench, Choices, ConfigFile, DataRoot, Limit, Profile, Sets
from avbench.cli.rendering import Labels, Split, render

app = typer.Typer(no_args_is_help=True, help="Make, prepare and check clips.")

Jobs = Annotated[int | None, typer.Option("--jobs", min=0, metavar="N", help="Processes; 0 takes all cores.")]
Retry = Annotated[bool, typer.Option("--retry", help="Try clips again that could not be read before.")]


@app.command()
def prepare(
    bench: Bench,
    data_root: DataRoot = None,
    profile: Profile = None,
    jobs: Jobs = None,
    limit: Limit = None,
    sets: Sets = None,
    config: ConfigFile = None,
    retry: Retry = False,
) -> None:
    """Decode every clip of a benchmark once, ahead of its runs. Can be stopped and started again."""
    plugin = _plugin(Choices(bench, None, profile, config, data_root, _with_jobs(sets, jobs), {"limit": limit}))
    from avbench.cli import audit, console

    out = console.output()
    report = audit.prepare(out, plugin, retry)
    built = f"{report.built:,} of them prepared now"
    console.line(out, f"{len(report.ready):,} clips ready, {built}; {len(report.quarantined):,} can't be read")
    audit.show_reasons(out, report.quarantined)


@app.command()
def verify(
    bench: Bench,
    data_root: DataRoot = None,
    profile: Profile = None,
    jobs: Jobs = None,
    limit: Limit = None,
    sets: Sets = None,
    config: ConfigFile = None,
    retry: Retry = False,
) -> None:
    """Check every clip of a benchmark: listed, found, readable, per stream and task, with the reasons for each loss."""
    plugin = _plugin(Choices(bench, None, profile, config, data_root, _with_jobs(sets, jobs), {"limit": limit}))
    from avbench.cli import audit, console
    from avbench.errors import DataError

    out = console.output()
    plugin.survey()  # no data at all: say only that
    try:
        audit.prepare(out, plugin, retry)
    except DataError:
        audit.show_coverage(out, plugin)
        raise
    audit.show_coverage(out, plugin)
    plugin.inspect()  # fails when nothing usable is left of a task


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


def _plugin(choices: Choices) -> Any:
    from avbench import registry

    resolved = choices.for_data()
    return registry.find("benchmarks", resolved.bench).load()(resolved)

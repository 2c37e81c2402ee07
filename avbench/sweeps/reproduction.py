"""The papers' tables and figures, made here: which runs they need, and from those to a page. `avbench reproduce`.

from avbench.sweeps.reproduction import Request, reproduce

reproduce(["table1", "figure6"], Request("continual-synth", "quick", seeds=3), out, jobs=2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from avbench import registry
from avbench.config import RunConfig, merge, parse_override, resolve
from avbench.errors import AvbenchError, UsageError
from avbench.reports.paper.catalogue import find_items
from avbench.reports.paper.declaration import Item, Variant
from avbench.results import Event, Results, RunDirectory
from avbench.sweeps.run import SweepRun, claimed
from avbench.sweeps.sweep import Outcome, sweep_claimed
from avbench.wording import shortened

_CHOSEN = {"strategy": "--strategies", "bench": "--bench", "profile": "--profile", "seed": "--seeds"}
MOST_SEEDS = 1000  # beyond it, listing the runs alone takes minutes
THREADS = 1  # of a run, so that its folder does not depend on what else the machine does; `--set threads=N` changes it


@dataclass(frozen=True)
class Request:
    """What the items are made on.

    Attributes:
        seeds: how many repetitions, 0 to seeds - 1.
        sets: settings for every run, as after `--set`.
        strategies: rows of these methods only; all of them if empty.
        roots: folders of recordings by the downstream task that needs them.
    """

    bench: str
    profile: str = "quick"
    seeds: int = 3
    sets: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    roots: Mapping[str, Path] = field(default_factory=dict)


@dataclass
class Reproduction:
    """What came of it: the pages by item, and how the sweep went."""

    pages: dict[str, Path] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Outcome)


Rows = dict[str, list[SweepRun]]  # by label, one run for each seed
Listener = Callable[[Event], None]


def reproduce(
    names: Sequence[str], request: Request, out: Path, jobs: int = 1, listen: Listener = lambda event: None
) -> Reproduction:
    """Make what is missing of the named items in `out`, and write a page of each there.

    Complete runs are reused, also between items; interrupted ones are continued; a page is written of what there is
    even where runs have failed. Where the sweep was asked to stop, nothing is written: the same call goes on.

    Args:
        names: such as "table1"; `all` stands for every item.
        jobs: runs at a time.
        listen: called with the events of `avbench.sweeps.sweep.sweep`, and `measuring` and `rendering`.

    Raises:
        UsageError: an unknown or impossible item, setting or number.
        RunDirectoryError: `out` is no folder for this, or can't be written.
    """
    items = find_items(names)
    check_roots(items, request.roots)
    rows = {item.name: runs_of(item, request) for item in items}
    every = [run for found in rows.values() for runs in found.values() for run in runs]
    with claimed(out):
        outcome = sweep_claimed(every, out, jobs, listen)
        done = Reproduction(outcome=outcome)
        for item in items if not outcome.stopped else ():
            listen({"event": "rendering", "name": item.name})
            done.pages[item.name] = _render(item, rows[item.name], request, out, outcome, listen)
    return done


def check_roots(items: Sequence[Item], roots: Mapping[str, Path]) -> None:
    """Find out before the runs whether somebody reads the folders of recordings.

    Raises:
        UsageError: no item is judged by that task, or there is no such folder.
    """
    wanted = {judged.task for item in items for judged in item.judged}
    for task, folder in roots.items():
        if task not in wanted:
            raise UsageError(f"--task-root {task}=...: no item that was asked for is judged by {task}; leave it away")
        if not folder.is_dir():
            raise UsageError(f"--task-root {task}=...: there is no folder {shortened(str(folder))}")


def runs_of(item: Item, request: Request) -> Rows:
    """The runs of an item, by the label of their row.

    Raises:
        UsageError: a setting that is unknown, or that the item varies itself; a strategy that it has no row of.
    """
    if not 1 <= request.seeds <= MOST_SEEDS:
        raise UsageError(f"--seeds {request.seeds}: at least one repetition, and at most {MOST_SEEDS:,}")
    _refuse_varied(item, request.sets)
    known = dict.fromkeys(variant.strategy for variant in item.variants)
    for name in request.strategies:
        registry.find("strategies", name)
        if name not in known:
            raise UsageError(f"{item.name} has no row of {shortened(name)}; it has {', '.join(known)}")
    chosen = [v for v in item.variants if not request.strategies or v.strategy in request.strategies]
    return {v.label: [_run(v, request, seed) for seed in range(request.seeds)] for v in chosen}


def _run(variant: Variant, request: Request, seed: int) -> SweepRun:
    arguments = ["--strategy", variant.strategy, "--bench", request.bench, "--profile", request.profile]
    arguments += ["--seed", str(seed), *(["--order", variant.order] if variant.order != "default" else [])]
    arguments += ["--threads", str(THREADS)]
    layers: list[dict[str, Any]] = [{"seed": seed, "order": variant.order, "threads": THREADS}]
    layers += [parse_override(text) for text in request.sets]
    config = _resolved(variant, request, layers)
    sets = list(request.sets)
    for change in variant.changes:
        value = change.over(config.model_dump(mode="json"))
        sets.append(f"{change.key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}")
    if len(sets) > len(request.sets):
        config = _resolved(variant, request, [*layers, *map(parse_override, sets[len(request.sets) :])])
    return SweepRun(config, (*arguments, *(word for text in sets for word in ("--set", text))))


def _resolved(variant: Variant, request: Request, layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    try:
        return resolve(variant.strategy, request.bench, request.profile, overrides=layers)
    except UsageError as error:
        if not request.sets:
            raise
        raise UsageError(f"{variant.label} ({variant.strategy}): {error}; --strategies leaves rows out") from error


def _refuse_varied(item: Item, sets: Sequence[str]) -> None:
    """Settings that the rows of an item differ in, or that are chosen otherwise, can't be set for all of them."""
    given: dict[str, Any] = {}
    for text in sets:
        given = merge(given, parse_override(text))
    for name, option in _CHOSEN.items():
        if name in given:
            raise UsageError(f"--set {name}=...: it is chosen with {option}, not with --set")
    if "order" in given:
        raise UsageError(f"--set order=...: {item.name} says itself in which order its tasks come")
    for key in dict.fromkeys(change.key for variant in item.variants for change in variant.changes):
        section, _, name = key.rpartition(".")
        if name in given.get(section, {}):
            raise UsageError(f"{item.name} varies {key} itself; leave --set {key}=... away")


def _render(item: Item, rows: Rows, request: Request, out: Path, outcome: Outcome, listen: Listener) -> Path:
    from avbench.reports.paper.material import Material, read_entry
    from avbench.reports.paper.page import write
    from avbench.reports.paper.renderers import render
    from avbench.step_cost import measure_apart
    from avbench.sweeps.judging import judge

    variants = [variant for variant in item.variants if variant.label in rows]
    steps, problems = {}, []
    for label in rows if item.steps else ():
        try:
            tell = partial(listen, {"event": "measuring", "name": label})
            steps[label] = measure_apart(rows[label][0].config, out, tell)
        except AvbenchError as error:
            problems.append(str(error))
    judged, trouble = judge(item, list(_complete(rows, out)) if item.judged else [], request.roots, listen)
    entries = [read_entry(v, [run.folder(out) for run in rows[v.label]], outcome.failed) for v in variants]
    material = Material(
        item=item,
        bench=request.bench,
        profile=request.profile,
        seeds=request.seeds,
        entries=tuple(entries),
        restricted=len(variants) < len(item.variants),
        sets=request.sets,
        steps=steps,
        problems=(*problems, *trouble),
        judged=judged,
    )
    return write(render(material), out)


def _complete(rows: Rows, out: Path) -> Iterator[tuple[RunDirectory, Results]]:
    for run in {run.name: run for runs in rows.values() for run in runs}.values():
        try:
            directory = RunDirectory.open(run.folder(out))
            results = directory.read_results()
        except AvbenchError:
            continue  # told where the row is read
        if results.status == "complete":
            yield directory, results

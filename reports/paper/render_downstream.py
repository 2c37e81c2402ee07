"""Tables of downstream tasks: what the backbones of the runs are good for, beside the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper.declaration import Column, Judged
from avbench.reports.paper.document import Block, Head, Line, Number, Table
from avbench.reports.paper.material import Entry, Material
from avbench.results.downstream import DownstreamResult, read_downstream, result_name
from avbench.results.schema import Results

Found = Mapping[Path, DownstreamResult | None]  # by run directory


def downstream(material: Material) -> list[Block]:
    """One table for each task."""
    return [_table(material, judged) for judged in material.item.judged]


def result_of(folder: Path, results: Results, judged: Judged) -> DownstreamResult | None:
    """What a run was judged, if it was; a stream of one experience has one network only."""
    every = judged.checkpoint == "all" and results.experiences > 1
    wanted = result_name(judged.task, judged.variant, every=every)
    return next((result for result in read_downstream(folder)[0] if result.name == wanted), None)


def _table(material: Material, judged: Judged) -> Table:
    found = {run.directory.path: result_of(run.directory.path, run.results, judged) for run in material.runs}
    heads: list[Head] = []
    for column in judged.columns:
        heads.append(Head(column.title, column.group))
        if _is_published(material, column):
            heads.append(Head("published", column.group, published=True))
    lines = []
    for entry in material.entries:
        cells: list[Number] = []
        for column in judged.columns:
            cells.append(entry.per_run(_reader(found, judged, column)))
            if _is_published(material, column):
                cells.append(_published(material, entry, column))
        bound = any(run.results.joint_stream for run in entry.runs)
        mark = "" if entry.runs else "no complete run"
        lines.append(Line(entry.variant.label, tuple(cells), "bound" if bound else "ours", mark))
    return Table(judged.title, tuple(heads), tuple(lines), _note(found))


def _reader(found: Found, judged: Judged, column: Column) -> Callable[[FoundRun], float | None]:
    def read(run: FoundRun) -> float | None:
        result = found[run.directory.path]
        metric = None if result is None else next((m for m in column.metrics if m in result.metrics), None)
        if result is None or metric is None:
            return None
        if judged.checkpoint == "last":
            return result.final.scores[metric].value
        if metric in result.summary:
            return getattr(result.summary[metric], column.summary)  # type: ignore[no-any-return]
        values = [value for value in result.final.per_task.get(metric, []) if value is not None]
        return sum(values) / len(values) if column.summary == "accuracy" and values else None

    return read


def _note(found: Found) -> str:
    """Data set, sizes and chance, as the runs were judged."""
    known = [result for result in found.values() if result is not None]
    if not known:
        return "No run was judged by this task."
    told = dict.fromkeys(
        f"{one.dataset}{' (synthetic)' if one.synthetic else ''}, {len(one.examples):,} test examples, chance "
        + ", ".join(f"{name} {score.chance:.2f}" for name, score in one.final.scores.items())
        for one in known
    )
    notes = dict.fromkeys(warning.message for one in known for warning in one.warnings)
    return "; ".join([*told, *notes]) + ". ± is half of Student’s 95 % interval over seeds."


def _is_published(material: Material, column: Column) -> bool:
    return any(values.get(column.published) is not None for rows in _rows(material) for values in rows.values())


def _published(material: Material, entry: Entry, column: Column) -> Number:
    found = [rows.get(entry.variant.label, {}).get(column.published) for rows in _rows(material)]
    return Number(next((value for value in found if value is not None), None))


def _rows(material: Material) -> list[Mapping[str, Mapping[str, float | None]]]:
    return [section.rows for section in material.published]

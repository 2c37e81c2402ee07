"""Tables of downstream tasks: what the backbones of the runs are good for, beside the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper.declaration import Column, Judged
from avbench.reports.paper.document import Block, Head, Line, Number, Table
from avbench.reports.paper.material import Entry, Material
from avbench.results.downstream import DownstreamResult

Found = Mapping[Path, DownstreamResult]  # by run directory


def downstream(material: Material) -> list[Block]:
    """One table for each task."""
    return [_table(material, judged) for judged in material.item.judged]


def _table(material: Material, judged: Judged) -> Table:
    found = material.judged.get(judged, {})
    heads = [head for column in judged.columns for head in _heads(material, column)]
    lines = []
    for entry in material.entries:
        cells = [cell for column in judged.columns for cell in _cells(material, entry, judged, column, found)]
        bound = any(run.results.joint_stream for run in entry.runs)
        mark = "" if entry.runs else "no complete run"
        lines.append(Line(entry.variant.label, tuple(cells), "bound" if bound else "ours", mark))
    return Table(judged.title, tuple(heads), tuple(lines), _note(found, _has_deviation(material, judged)))


def _heads(material: Material, column: Column) -> list[Head]:
    """Ours, and what was published of it."""
    printed = [title for name, title in _published(column) if material.is_printed(name)]
    return [Head(column.title, column.group), *(Head(title, column.group, published=True) for title in printed)]


def _cells(material: Material, entry: Entry, judged: Judged, column: Column, found: Found) -> list[Number]:
    printed = [name for name, _ in _published(column) if material.is_printed(name)]
    ours = entry.per_run(_reader(found, judged, column))
    return [ours, *(material.printed(entry.variant.label, name) for name in printed)]


def _published(column: Column) -> list[tuple[str, str]]:
    """Columns of the published file that belong to one of ours, each with its heading."""
    return [(column.published, "published"), (column.deviation, "± SD (published)")]


def _has_deviation(material: Material, judged: Judged) -> bool:
    return any(material.is_printed(column.deviation) for column in judged.columns)


def _reader(found: Found, judged: Judged, column: Column) -> Callable[[FoundRun], float | None]:
    def read(run: FoundRun) -> float | None:
        result = found.get(run.directory.path)
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


def _note(found: Found, with_deviation: bool) -> str:
    """Data set, sizes and chance, as the runs were judged."""
    known = list(found.values())
    if not known:
        return "No run was judged by this task."
    told = dict.fromkeys(
        f"{one.dataset}{' (synthetic)' if one.synthetic else ''}, {len(one.examples):,} test examples, chance "
        + ", ".join(f"{name} {score.chance:.2f}" for name, score in one.final.scores.items())
        for one in known
    )
    notes = dict.fromkeys(warning.message for one in known for warning in one.warnings)
    spread = "± is half of Student’s 95 % interval over seeds"
    if with_deviation:
        spread += "; ± SD (published) is the printed standard deviation over runs, no interval"
    return f"{'; '.join([*told, *notes])}. {spread}."

"""Tables of accuracy, forgetting and cost, ours beside the published ones, and which of our differences are real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.ranking import Placed, Score, place
from avbench.reports.leaderboard.rows import Metric, rows_of
from avbench.reports.paper.document import Block, Head, Kind, Line, Number, Table
from avbench.reports.paper.material import Entry, Material
from avbench.results.comparability import comparable
from avbench.results.step_cost import StepCost

_GIBIBYTE = 2**30
_METRICS: tuple[tuple[str, Metric, str], ...] = (  # heading, ours, published
    ("A", "accuracy", "accuracy"),
    ("F", "forgetting_paper", ""),
    ("F official", "forgetting_official", "forgetting"),
)
_AVERAGES = (
    "Recall in %, mean of R@1, R@5 and R@10, and points forgotten: F as the paper prints its formula, F official as "
    "the released tool computes it, from which the published F probably come. ± is half of Student’s 95 % interval "
    "over seeds."
)
_EVERY = "F official is computed as the released tool does, from which the published F below probably come."


def retrieval(material: Material) -> list[Block]:
    """The layout of Tables 1 and 7: averages beside the published ones, tiers, every column."""
    return [averages(material), differences(material), every_column(material)]


def ablation(material: Material) -> list[Block]:
    """The averages, and which differences are real."""
    return [averages(material), differences(material)]


def efficiency(material: Material) -> list[Block]:
    """The averages, and what a step costs."""
    return [averages(material), differences(material), costs(material)]


def averages(material: Material) -> Table:
    """A and F of the average column, both directions, ours beside the published ones."""
    heads, keys = [], []
    for way, title in TITLES.items():
        for name, metric, printed in _METRICS:
            heads.append(Head(name, title))
            keys.append((way, metric, ""))
            column = f"{way}.Avg.{printed}"
            if printed and material.is_printed(column):
                heads.append(Head("published", title, published=True))
                keys.append((way, metric, column))
    lines = []
    for entry in material.entries:
        label = entry.variant.label
        cells = [material.printed(label, key) if key else entry.number(metric, way) for way, metric, key in keys]
        lines.append(Line(label, tuple(cells), _kind(entry), _mark(material, entry)))
    return Table("Averages", tuple(heads), tuple(lines), _AVERAGES)


def every_column(material: Material) -> Table:
    """Every recall column of both directions, our rows and below them the published ones."""
    assert material.first is not None
    columns = [*(f"R@{k}" for k in material.first.config.evaluation.recall_at), "Avg"]
    kinds: tuple[tuple[str, Metric, str], ...] = (
        ("A", "accuracy", "accuracy"),
        ("F official", "forgetting_official", "forgetting"),
    )
    places = [(way, column, kind) for way in TITLES for column in columns for kind in kinds]
    heads = tuple(Head(f"{column} {kind[0]}", TITLES[way]) for way, column, kind in places)
    lines = [
        Line(
            entry.variant.label,
            tuple(entry.number(kind[1], way, column) for way, column, kind in places),
            _kind(entry),
            _mark(material, entry),
        )
        for entry in material.entries
    ]
    for section in material.published:
        for name, values in section.rows.items():
            cells = tuple(Number(values.get(f"{way}.{column}.{kind[2]}")) for way, column, kind in places)
            lines.append(Line(name, cells, "published"))
    return Table("Every column", heads, tuple(lines), _EVERY)


def differences(material: Material) -> Table:
    """A and F of both directions with intervals over seeds and queries, and tiers among rows of one exam."""
    heads = (
        *(Head(title, "Accuracy") for title in ("A", "tier")),
        *(Head(title, "Forgetting") for title in ("F", "tier")),
        *(Head(title, "") for title in ("just learned", "seeds")),
    )
    lines = []
    for number, cluster in enumerate(clusters(material.known), start=1):
        rows = {entry.variant.label: rows_of(entry.runs)[0] for entry in cluster}
        placed = {id(one.row): one for one in place(list(rows.values()))}
        for entry in cluster:
            one = placed[id(rows[entry.variant.label])]
            mark = f"exam {number}" if number > 1 else ""
            lines.append(Line(entry.variant.label, _place_cells(entry, one), _kind(entry), mark))
    note = (
        "Mean of both directions and all recall columns. ± is half of the 95 % interval over other seeds and other "
        "queries, paired bootstrap. A tier is one more than the number of rows that are significantly better, Holm’s "
        "correction over all pairs; equal tiers can’t be told apart by these runs. Rows of a single seed have "
        "intervals over queries alone and no tier. Published rows are never ranked."
    )
    if any(line.mark for line in lines):
        note += " Rows of another exam (schedule, loss or rehearsal memory) have tiers of their own."
    return Table("Which differences are real", heads, tuple(lines), note)


def clusters(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Rows that may be ranked together, in the order in which they first appear."""
    found: list[list[Entry]] = []
    for entry in entries:
        fitting = (c for c in found if all(comparable(o.runs[0].results, entry.runs[0].results) for o in c))
        cluster = next(fitting, None)
        if cluster is None:
            found.append([entry])
        else:
            cluster.append(entry)
    return found


def costs(material: Material) -> Table:
    """What a step costs, measured the same way for every method, beside what the paper printed of one V100."""
    on_gpu = any(step.on_gpu for step in material.steps.values())
    columns: list[tuple[Head, Callable[[StepCost], Number] | str]] = [  # ours, or the name of a published column
        (Head("clips/s", "Throughput"), lambda step: Number(step.clips_per_second, digits=1)),
        (Head("published", "Throughput", published=True), "clips_per_second"),
        (Head("peak GiB", "Memory"), lambda step: Number(step.peak_bytes / _GIBIBYTE)),
        *([(Head("reserved GiB", "Memory"), _reserved)] if on_gpu else []),
        (Head("published GB", "Memory", published=True), "gpu_gigabytes"),
        (Head("batch", "Batch"), lambda step: Number(step.batch, digits=0)),
        (Head("published", "Batch", published=True), "batch"),
        (Head("units/clip"), lambda step: Number(step.units_per_clip, digits=1)),
    ]
    shown = [(head, cell) for head, cell in columns if not isinstance(cell, str) or material.is_printed(cell)]
    lines = []
    for entry in material.entries:
        step = material.steps.get(entry.variant.label)
        cells = []
        for _, cell in shown:
            if isinstance(cell, str):
                number = material.printed(entry.variant.label, cell)
                cells.append(replace(number, digits=0) if cell == "batch" else number)
            else:
                cells.append(cell(step) if step else Number())
        lines.append(Line(entry.variant.label, tuple(cells), _kind(entry)))
    return Table("What a step costs", tuple(head for head, _ in shown), tuple(lines), _cost_note(material))


def _reserved(step: StepCost) -> Number:
    return Number(step.reserved_bytes / _GIBIBYTE if step.on_gpu else None)


def _cost_note(material: Material) -> str:
    steps = material.steps.values()
    machines = ", ".join(dict.fromkeys(step.machine for step in steps)) or "nothing"
    counts = " or ".join(dict.fromkeys(str(step.steps) for step in steps)) or "no"
    kind = "resident in the process, on the CPU"
    if any(step.on_gpu for step in steps):
        kind = "allocated on the GPU, reserved what PyTorch held of it; which of both was published is not said"
    note = (
        f"Measured on {machines}, each method alone, on noise in the shape of the clips, with a warm rehearsal memory; "
        f"median of {counts} steps. Memory is what was {kind}. Clips per second count the stream, not replay; units "
        "count forward passes of one clip, a backward pass two. Ratios within a column are what to compare."
    )
    if other := [entry.variant.label for entry in material.entries if _has_another_batch(material, entry)]:
        note += f" Not at the published batch: {', '.join(other)}; there the published figures are no measure for ours."
    return " ".join([note, *(f"Published: {section.conditions}" for section in material.published)])


def _has_another_batch(material: Material, entry: Entry) -> bool:
    label = entry.variant.label
    step, printed = material.steps.get(label), material.printed(label, "batch").value
    return step is not None and printed is not None and step.batch != printed


def _place_cells(entry: Entry, one: Placed) -> tuple[Number, ...]:
    return (
        _number(one.accuracy),
        Number(one.tier, digits=0),
        _number(one.forgetting),
        Number(one.forgetting_tier, digits=0),
        Number(entry.scores.mean("learned")),
        Number(len(entry.runs), digits=0),
    )


def _number(score: Score | None) -> Number:
    return Number() if score is None else Number(score.value, score.half)


def _kind(entry: Entry) -> Kind:
    return "bound" if entry.runs and entry.runs[0].results.joint_stream else "ours"


def _mark(material: Material, entry: Entry) -> str:
    if not entry.runs:
        return "no complete run"
    return "" if material.is_comparable(entry) else "another exam"

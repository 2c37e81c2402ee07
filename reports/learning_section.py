"""Forgetting, backward and forward transfer task by task, and what was learned against what was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbench.evaluation.forgetting import average_forgetting, forgetting_per_task
from avbench.evaluation.transfer import backward_per_task, backward_transfer, forward_per_task, forward_transfer
from avbench.reports.downloads import Download, csv_download
from avbench.reports.drawn import Drawn
from avbench.reports.headline import TITLES
from avbench.reports.learning_figures import bars_of_tasks, plasticity_and_stability
from avbench.reports.svg import inline
from avbench.results.schema import Recall

Terms = list[float | None]  # one for each task; None where it is not defined


@dataclass(frozen=True)
class TransferRow:
    """The means of one direction, in points; None where it is not defined."""

    title: str
    key: str
    forgetting: float | None
    backward: float | None
    forward: float | None


@dataclass(frozen=True)
class LearningView:
    """What happened to each task, for one R@K of a complete run."""

    bars: list[Drawn]
    plane: Drawn
    rows: list[TransferRow]
    download: Download


def learning_view(
    name: str, slug: str, recalls: Mapping[str, Recall], titles: Sequence[str], chance: float
) -> LearningView | None:
    """The view; None before the last of at least two tasks has been evaluated.

    Args:
        name, slug: such as "R@5" and "r5".
        recalls: per direction.
        chance: of a task's score, in percent.
    """
    tasks = len(titles)
    if tasks < 2 or any(len(recall.after) != tasks for recall in recalls.values()):
        return None
    forgotten: dict[str, Terms] = {way: [*forgetting_per_task(one.after)[:-1], None] for way, one in recalls.items()}
    backward: dict[str, Terms] = {way: [*backward_per_task(one.after), None] for way, one in recalls.items()}
    forward = {way: _forward(recall) for way, recall in recalls.items()}
    drawn = {"Forgetting F": forgotten, "Backward transfer": backward}
    if all(recall.before for recall in recalls.values()):
        drawn["Forward transfer"] = forward
    every = [abs(value) for found in drawn.values() for row in found.values() for value in row if value is not None]
    largest = 1.08 * max(every) or 1.0
    bars = [
        Drawn(
            inline(bars_of_tasks(found, titles, largest), f"bars-{slug}-{place}", f"{title} of {name} for each task."),
            title,
        )
        for place, (title, found) in enumerate(drawn.items())
    ]
    learned = {way: [recall.after[task][task] for task in range(tasks)] for way, recall in recalls.items()}
    kept = {way: recall.after[-1] for way, recall in recalls.items()}
    figure = plasticity_and_stability(learned, kept, chance)
    described = f"{name} of each task just after learning against {name} at the end, both directions."
    rows = [
        TransferRow(
            TITLES[way],
            way,
            average_forgetting(recall.after),
            backward_transfer(recall.after),
            forward_transfer(recall.before, recall.after) if recall.before else None,
        )
        for way, recall in recalls.items()
    ]
    columns = (learned, kept, forgotten, backward, forward)
    table = [
        (TITLES[way], title, *(column[way][task] for column in columns))
        for way in recalls
        for task, title in enumerate(titles)
    ]
    header = ["direction", "task", "just after learning", "at the end", "F", "backward transfer", "forward transfer"]
    download = csv_download(f"learning-{slug.upper()}", header, table)
    return LearningView(bars, Drawn(inline(figure, f"plasticity-{slug}", described)), rows, download)


def _forward(recall: Recall) -> Terms:
    tasks = len(recall.after)
    return [None, *forward_per_task(recall.before, recall.after)] if recall.before else [None] * tasks

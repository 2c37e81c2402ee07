"""The drawn sections of a run report: figures with their captions and the numbers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

from avbench.config import RunConfig
from avbench.evaluation.chance import chance_recall
from avbench.evaluation.forgetting import along_the_stream
from avbench.reports import figures
from avbench.reports.downloads import Download, csv_download
from avbench.reports.drawn import Drawn
from avbench.reports.headline import TITLES, gallery_sizes, mean_chance
from avbench.reports.learning_section import LearningView, learning_view
from avbench.reports.svg import drawing, inline
from avbench.results.schema import DirectionResult, Recall, Results

_FAINTEST = 10.0  # percent; lower scores never get the fullest colour
_POINTS = 320  # of a loss curve; more steps are averaged in bins


@dataclass(frozen=True)
class RecallView:
    """Everything drawn for one R@K."""

    name: str
    chance: float
    matrices: list[Drawn]
    tasks: list[Drawn]
    kept: list[Drawn]
    stream: list[Drawn]
    learning: LearningView | None
    downloads: list[Download]
    stream_table: Download


@dataclass(frozen=True)
class LossView:
    """The loss terms over steps."""

    figures: list[Drawn] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)


def recall_views(results: Results, config: RunConfig) -> list[RecallView]:
    """One view for each K that has been evaluated after at least one experience, or before training."""
    with drawing():
        return [
            _recall_view(f"R@{k}", k, results, config)
            for k in config.evaluation.recall_at
            if any(_has_scores(recall) for recall in _recalls(results, f"R@{k}").values())
        ]


def step_events(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The journal's steps in order; steps repeated after a resume count once, the last time."""
    steps = {event["step"]: event for event in events if _is_step(event)}
    return [steps[number] for number in sorted(steps)]


def borders_of(ordered: Sequence[dict[str, Any]]) -> list[int]:
    """The first logged step of every experience but the first."""
    return [later["step"] for earlier, later in pairwise(ordered) if later["experience"] != earlier["experience"]]


def loss_view(ordered: Sequence[dict[str, Any]]) -> LossView:
    """Curves of the loss and its terms, from `step_events`."""
    if len(ordered) < 2:
        return LossView()
    borders = borders_of(ordered)
    names = ["loss", *dict.fromkeys(name for event in ordered for name in event.get("terms", {}))]
    with drawing():
        drawn = [_loss_figure(index, name, ordered, borders) for index, name in enumerate(names)]
    rows = [(event["step"], event["experience"], *(_term(event, name) for name in names)) for event in ordered]
    table = csv_download("training-loss", ["step", "experience", *names], rows)
    return LossView([figure for figure in drawn if figure is not None], [table])


def _recall_view(name: str, k: int, results: Results, config: RunConfig) -> RecallView:
    titles = [task.title for task in results.tasks]
    rows = ["all tasks"] if results.joint_stream else titles
    galleries = gallery_sizes(results, config)
    recalls = _recalls(results, name)
    largest = max([_FAINTEST, *(value for recall in recalls.values() for row in _rows(recall) for value in row)])
    chance, slug = mean_chance(k, galleries), f"r{k}"
    chances = [chance_recall(k, gallery) if gallery else 0.0 for gallery in galleries]
    return RecallView(
        name=name,
        chance=chance,
        matrices=[_matrix(way, name, slug, recall, titles, rows, largest) for way, recall in recalls.items()],
        tasks=[] if results.joint_stream else _tasks(name, slug, recalls, titles, chances, largest),
        kept=[
            _kept(way, name, slug, recall, titles, chance)
            for way, recall in recalls.items()
            if len(recall.after) == len(titles) > 1
        ],
        stream=[] if results.joint_stream else _stream(name, slug, recalls, len(titles)),
        learning=None if results.joint_stream else learning_view(name, slug, recalls, titles, chance),
        downloads=[_matrix_table(way, name, recall, titles, rows) for way, recall in recalls.items()],
        stream_table=_stream_table(slug, recalls),
    )


def _matrix(
    way: str, name: str, slug: str, recall: Recall, titles: list[str], rows: list[str], largest: float
) -> Drawn:
    figure = figures.accuracy_matrix(recall.before, recall.after, titles, rows, figures.COLOURS[way], largest)
    described = f"Heatmap of {name} in percent, {TITLES[way]}: one row after each task, one column per task."
    return Drawn(inline(figure, f"matrix-{slug}-{way}", described), TITLES[way], way)


def _tasks(
    name: str, slug: str, recalls: dict[str, Recall], titles: list[str], chances: Sequence[float], largest: float
) -> list[Drawn]:
    first = 0 if all(recall.before for recall in recalls.values()) else 1
    moments = max(len(_rows(recall)) for recall in recalls.values())
    if moments < 2:
        return []
    scores = [
        figures.TaskScores(
            title, {way: [row[task] for row in _rows(recall)] for way, recall in recalls.items()}, task + 1, chance
        )
        for task, (title, chance) in enumerate(zip(titles, chances, strict=True))
    ]
    drawn = figures.task_curves(scores, first, first + moments - 1, largest)
    described = f"{name} of task {{}}, {{}}, after each task, in both directions."
    return [
        Drawn(inline(figure, f"task-{slug}-{task}", described.format(task + 1, title)), title)
        for task, (title, figure) in enumerate(zip(titles, drawn, strict=True))
    ]


def _kept(way: str, name: str, slug: str, recall: Recall, titles: list[str], chance: float) -> Drawn:
    learned = [recall.after[task][task] for task in range(len(titles))]
    figure = figures.learned_and_kept(learned, recall.after[-1], titles, figures.COLOURS[way], chance)
    described = f"{name} of each task just after it was trained and at the end, {TITLES[way]}."
    return Drawn(inline(figure, f"kept-{slug}-{way}", described), TITLES[way], way)


def _stream(name: str, slug: str, recalls: dict[str, Recall], tasks: int) -> list[Drawn]:
    points = {way: along_the_stream(recall.after) for way, recall in recalls.items() if recall.after}
    if max(map(len, points.values()), default=0) < 2:
        return []
    accuracy = {way: [(t, a) for t, (a, _) in enumerate(found, 1)] for way, found in points.items()}
    forgotten = {way: [(t, f) for t, (_, f) in enumerate(found, 1) if f is not None] for way, found in points.items()}
    drawn = []
    for kind, values, title in (
        ("accuracy", accuracy, f"{name} in %, mean over tasks trained so far"),
        ("forgetting", forgotten, f"Forgetting of {name} so far, in points"),
    ):
        figure = figures.stream_average(values, tasks)
        drawn.append(Drawn(inline(figure, f"stream-{slug}-{kind}", f"{title}, against the number of tasks."), title))
    return drawn


def _loss_figure(index: int, name: str, events: Sequence[dict[str, Any]], borders: list[int]) -> Drawn | None:
    points = [(event["step"], value) for event in events if (value := _term(event, name)) is not None]
    if len(points) < 2:
        return None
    steps, values = zip(*_binned(points), strict=True)
    figure = figures.loss_curve(steps, values, borders, "total loss" if name == "loss" else name.replace("_", " "))
    return Drawn(inline(figure, f"loss-{index}", f"{name} over training steps."), name)


def _stream_table(slug: str, recalls: dict[str, Recall]) -> Download:
    columns = [along_the_stream(recall.after) for recall in recalls.values()]
    header = ["tasks trained", *(f"{what}, {TITLES[way]}" for way in recalls for what in ("accuracy", "forgetting"))]
    rows = [
        (str(count), *(value for pair in moment for value in pair or (None, None)))
        for count, moment in enumerate(zip_longest(*columns), start=1)
    ]
    return csv_download(f"stream-{slug.upper()}", header, rows)


def _matrix_table(way: str, name: str, recall: Recall, titles: list[str], after: list[str]) -> Download:
    rows: list[Sequence[str | float]] = [("before training", *recall.before)] if recall.before else []
    rows += [(f"after {title}", *row) for title, row in zip(after, recall.after, strict=False)]
    return csv_download(f"accuracy-{way}-{name.replace('@', '')}", ["", *titles], rows)


def _recalls(results: Results, name: str) -> dict[str, Recall]:
    empty = DirectionResult()
    return {way: results.directions.get(way, empty).recall.get(name, Recall()) for way in TITLES}  # type: ignore[call-overload]


def _rows(recall: Recall) -> list[list[float]]:
    return [*([recall.before] if recall.before else []), *recall.after]


def _has_scores(recall: Recall) -> bool:
    return bool(_rows(recall))


def _is_step(event: dict[str, Any]) -> bool:
    return event.get("event") == "step" and isinstance(event.get("step"), int) and "experience" in event


def _term(event: dict[str, Any], name: str) -> float | None:
    value = event.get("loss") if name == "loss" else event.get("terms", {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def _binned(points: list[tuple[int, float]]) -> list[tuple[float, float]]:
    size = -(-len(points) // _POINTS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(s for s, _ in part) / len(part), sum(v for _, v in part) / len(part)) for part in bins]

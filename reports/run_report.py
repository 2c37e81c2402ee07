"""The report of one run: a static HTML file that needs no network, no script and nothing outside itself."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from avbench.config import dump
from avbench.errors import RunDirectoryError
from avbench.evaluation.examples import Example, ExampleClip, load_examples
from avbench.reports import headline, pictures, sections
from avbench.reports.attention_figures import attention_view
from avbench.reports.downstream_section import downstream_views
from avbench.reports.localisation_figures import localisation_views
from avbench.results import Results, RunDirectory, write_atomically
from avbench.results.schema import Warning

_LISTED_CLIPS = 200  # quarantined clips named in the page; results.json names all


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into the folder of a run, from what is in that folder, and return its path.

    An unfinished run gets a report of what exists, marked as incomplete. Damage in the journal or the examples is told
    in the report; without readable results there is none.

    Raises:
        RunDirectoryError: there is no run, it has no results yet, they are damaged, or the report can't be written.
    """
    directory = RunDirectory.open(Path(run_dir))
    html = render(directory)
    write_atomically(directory.report, html)
    return directory.report


def render(directory: RunDirectory) -> str:
    """The report as text; the same run directory always gives the same text.

    Raises:
        RunDirectoryError: as `write_report`.
    """
    results, config = directory.read_results(), directory.config
    notes: list[Warning] = []
    events = _events(directory, notes)
    shown = _examples(directory, notes)
    views = sections.recall_views(results, config)
    attention = attention_view(directory, results, notes)
    downstream = downstream_views(directory, results, notes)
    template = _environment().get_template("run.html")
    return template.render(
        run=results,
        config=config,
        name=directory.path.resolve().name,
        badges=headline.badges(results),
        warnings=[*headline.all_warnings(results), *notes],
        cards=headline.cards(results, config),
        models=headline.models(results),
        attention=attention,
        downstream=downstream,
        localisation=localisation_views(results.localisation),
        titles=headline.TITLES,
        views=views,
        preferred=len(views) // 2,
        losses=sections.loss_view(events),
        steps_planned=_steps_planned(events),
        examples=shown,
        reasons=Counter(clip.reason for clip in results.quarantined.values()).most_common(),
        listed_clips=_LISTED_CLIPS,
        configuration=dump(config),
        resume=shlex.join(["avbench", "resume", directory.path.resolve().name]),
        cost=_seconds(results),
    )


@dataclass(frozen=True)
class Picture:
    """A clip with its pictures; an address is None when the file is missing or damaged."""

    clip: ExampleClip
    frames: str | None
    spectrogram: str | None


@dataclass(frozen=True)
class ShownExample:
    """A retrieval example, ready for the page."""

    example: Example
    query: Picture
    neighbours: list[Picture]


def _events(directory: RunDirectory, notes: list[Warning]) -> list[dict[str, Any]]:
    if not directory.journal.path.is_file():
        notes.append(Warning(code="journal", message="The journal is missing; the training curves can't be drawn."))
        return []
    try:
        events, damaged = directory.journal.salvage()
    except RunDirectoryError:
        message = "The journal can't be read; the training curves can't be drawn. The results are not affected."
        notes.append(Warning(code="journal", message=message))
        return []
    if damaged:
        message = f"The journal is damaged in {len(damaged)} lines, which the training curves leave out. "
        message += "The results are not affected."
        notes.append(Warning(code="journal", message=message))
    return events


def _examples(directory: RunDirectory, notes: list[Warning]) -> list[ShownExample]:
    try:
        examples = load_examples(directory.examples).examples
    except RunDirectoryError:
        notes.append(Warning(code="examples", message="The retrieval examples are damaged and left out."))
        return []
    shown = [
        ShownExample(
            example,
            _picture(directory.examples, example.query),
            [_picture(directory.examples, neighbour.clip) for neighbour in example.neighbours],
        )
        for example in examples
    ]
    if any(None in (p.frames, p.spectrogram) for item in shown for p in (item.query, *item.neighbours)):
        notes.append(Warning(code="examples", message="Some pictures of the retrieval examples are missing."))
    return shown


def _picture(folder: Path, clip: ExampleClip) -> Picture:
    return Picture(clip, pictures.frames_uri(folder / clip.frames), pictures.spectrogram_uri(folder / clip.spectrogram))


def _steps_planned(events: Sequence[dict[str, Any]]) -> int | None:
    planned = [event["total_steps"] for event in events if isinstance(event.get("total_steps"), int)]
    return planned[-1] if planned else None


def _seconds(results: Results) -> list[tuple[str, float, float]]:
    """(bucket, seconds, share in percent), largest first; the buckets of a stopwatch exclude one another."""
    seconds = {name: value for name, value in results.efficiency.seconds.items() if value > 0}
    total = sum(seconds.values())
    return [(name, value, 100 * value / total) for name, value in sorted(seconds.items(), key=lambda item: -item[1])]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("avbench.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"bytes": _bytes, "date": _date, "duration": _duration, "points": _points, "count": _count}
    return environment


def _count(value: int) -> str:
    return f"{value:,}"


def _points(value: float | None, digits: int = 2) -> str:
    """A percentage or a difference of two; a dash where it is not defined."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _date(text: str | None) -> str:
    """An ISO 8601 moment for people; as it is when it is none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return text or "–"
    if moment.tzinfo is None:
        return f"{moment:%d %B %Y, %H:%M}"
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M} UTC"

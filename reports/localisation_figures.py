"""Localisation scores ready for the page: figures, tables, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from avbench.config import RunConfig
from avbench.reports.downloads import Download, csv_download
from avbench.reports.drawn import Drawn
from avbench.reports.svg import AUDIO, INK, MUTED, PAPER, VIDEO, drawing, inline
from avbench.results.localisation import Control, Domain, Gain, Kind, Localisation, MapScore, Measure

MEASURES: dict[Measure, str] = {
    "pointing": "Pointing",
    "iou": "IoU",
    "auc": "Area under success",
    "pixel_auc": "Pixel AUC",
    "preference": "Source over silent",
}
IN_TIME: dict[Measure, str] = {"pixel_auc": "Column AUC"}
CONTROLS: dict[Control, str] = {"chance": "Random map", "centre": "Centre", "saliency": "Conspicuous"}
KINDS: dict[Kind, str] = {"matching": "Matching module", "cosine": "Cosine"}
DOMAINS = {"picture": "Where in the picture", "time": "When in the clip"}
MOMENTS = {"before": "before training", "after": "at the end"}
_COLOURS = {"picture": VIDEO, "time": AUDIO}
_MARKERS: dict[Control, str] = {"chance": "|", "centre": "x", "saliency": "+"}
_DRAWN: tuple[Measure, ...] = ("pointing", "iou", "pixel_auc", "preference")  # `auc` is nearly the IoU

Cell = float | Gain | None
Controls = Mapping[Control, Mapping[Measure, float]]


@dataclass(frozen=True)
class Row:
    """A line of a table: percent, or differences with their margins."""

    name: str
    cells: list[Cell]
    gain: bool = False
    first: bool = False  # of a group


@dataclass(frozen=True)
class DomainView:
    """Localisation in the picture or in time."""

    key: str
    title: str
    clips: int
    figures: list[Drawn]
    measures: list[str]
    rows: list[Row]
    findings: list[str]
    download: Download


def localisation_views(found: Localisation | None) -> list[DomainView]:
    """One view for each domain that was scored."""
    domains = {} if found is None else {"picture": found.picture, "time": found.time}
    with drawing():
        return [_view(key, domain) for key, domain in domains.items() if domain is not None]


def caveat(config: RunConfig) -> str:
    """What a rendered world gives away without listening; empty where it is a fair test, or no rendered world."""
    world = config.data.get("world")
    dials = (world.get("salience"), world.get("distractor_activity")) if isinstance(world, dict) else ()
    known = [float(dial) for dial in dials if isinstance(dial, int | float)]
    if len(known) < 2 or known == [0, 1]:
        return ""
    lit, busy = known
    hints = []
    if lit > 0:
        hints.append("what sounds is also what is lit, so that looking for the brightest object finds it")
    if busy < 1:
        hints.append("silent objects often rest while what sounds moves, so that looking for motion finds it")
    return (
        f"Not a fair test of listening: this world has salience {lit:g} and distractor_activity {busy:g}. "
        f"{_sentence('; '.join(hints))}. A fair test has salience 0 and distractor_activity 1."
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _view(key: str, domain: Domain) -> DomainView:
    measures = [name for name in MEASURES if name in domain.controls["chance"]]
    rows = _rows(domain, measures)
    latest = domain.after or domain.before
    moment = MOMENTS["after" if domain.after else "before"]
    return DomainView(
        key=key,
        title=DOMAINS[key],
        clips=domain.clips,
        figures=[_figure(key, kind, score, domain.controls, moment) for kind, score in latest.items()],
        measures=[_label(key, name) for name in measures],
        rows=rows,
        findings=[_finding(key, kind, score, domain.controls, moment) for kind, score in latest.items()],
        download=_table(key, measures, rows),
    )


def _label(key: str, measure: Measure) -> str:
    return IN_TIME.get(measure, MEASURES[measure]) if key == "time" else MEASURES[measure]


def _rows(domain: Domain, measures: list[Measure]) -> list[Row]:
    rows = [Row(title, _cells(domain.controls[name], measures)) for name, title in CONTROLS.items()]
    for moment, scores in (("before", domain.before), ("after", domain.after)):
        for kind, score in scores.items():
            rows += [
                Row(f"{KINDS[kind]}, {MOMENTS[moment]}", _cells(score.own, measures), first=True),
                Row("asked with another class’s clip", _cells(score.exchanged, measures)),
                Row("gained by listening", [score.gain.get(name) for name in measures], gain=True),
            ]
    return rows


def _cells(scores: Mapping[Measure, float], measures: list[Measure]) -> list[Cell]:
    return [scores.get(name) for name in measures]


def _finding(key: str, kind: Kind, score: MapScore, controls: Controls, moment: str) -> str:
    """What the pixel AUC says, in words: it needs no threshold and has the same chance level everywhere."""
    own, gain = score.own.get("pixel_auc"), score.gain.get("pixel_auc")
    if own is None or gain is None:
        return f"{KINDS[kind]} {moment}: too few clips to tell."
    rivals = {name: scores.get("pixel_auc", 0.0) for name, scores in controls.items() if name != "chance"}
    best = max(rivals, key=lambda name: rivals[name])
    beside = "above" if own > rivals[best] else "below"
    listens = (
        "no measurable difference whose other half it is asked with"
        if abs(gain.points) <= gain.margin
        else f"being asked with its own other half {'raises' if gain.points > 0 else 'lowers'} it"
    )
    return (
        f"{KINDS[kind]} {moment}: {_label(key, 'pixel_auc')} {own:.1f}, {beside} the best map that has not listened "
        f"({CONTROLS[best].lower()}, {rivals[best]:.1f}); {listens} ({_signed(gain)} points)."
    )


def _signed(gain: Gain) -> str:
    return f"{gain.points:+.1f} ± {gain.margin:.1f}".replace("-", "−")


def _figure(key: str, kind: Kind, score: MapScore, controls: Controls, moment: str) -> Drawn:
    """The measures of one kind of map, asked with its own (filled) and another clip's other half (open)."""
    scored = score.own, score.exchanged, *controls.values()
    names = [name for name in _DRAWN if all(name in scores for scores in scored)]
    own, other = ([scores[name] for name in names] for scores in (score.own, score.exchanged))
    rows, colour = np.arange(len(names)), _COLOURS[key]
    width, height = 4.9, 0.5 + 0.34 * len(names)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((1.35 / width, 0.3 / height, (width - 1.45) / width, (height - 0.35) / height))
    for control, marker in _MARKERS.items():
        values = [controls[control][name] for name in names]
        axes.plot(values, rows, linestyle="", marker=marker, color=MUTED, markersize=7.5, markeredgewidth=1.4)
    axes.hlines(rows, own, other, color=colour, linewidth=3, alpha=0.35)
    dot: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 6.5, "clip_on": False, "zorder": 3}
    axes.plot(other, rows, markerfacecolor=PAPER, markeredgecolor=colour, markeredgewidth=1.5, **dot)
    axes.plot(own, rows, color=colour, **dot)
    axes.set_yticks(rows, [_label(key, name) for name in names], color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_locator(MultipleLocator(25))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=9)
    title = f"{KINDS[kind]}, {moment}"
    described = "; ".join(
        f"{_label(key, name)} {one:.1f} %, with another clip {two:.1f} %"
        for name, one, two in zip(names, own, other, strict=True)
    )
    return Drawn(inline(figure, f"localisation-{key}-{kind}", f"{DOMAINS[key]}, {title}. {described}."), title, key)


def _table(key: str, measures: list[Measure], rows: list[Row]) -> Download:
    header = ["map", *(column for name in measures for column in (name, f"{name} margin"))]
    lines = [(row.name, *(number for cell in row.cells for number in _numbers(cell))) for row in rows]
    return csv_download(f"localisation-{key}", header, lines)


def _numbers(cell: Cell) -> tuple[float | None, float | None]:
    return (cell.points, cell.margin) if isinstance(cell, Gain) else (cell, None)

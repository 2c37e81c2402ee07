"""Attention maps of one clip by several methods: after each task, at the end, and asked by a partner from the past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from avbench.errors import AvbenchError
from avbench.evaluation.attention import KINDS, Kind, Maps
from avbench.evaluation.attention_examples import ExampleClips, SavedMaps
from avbench.evaluation.attention_files import FOLDER, load_clips, load_maps
from avbench.reports.attention_pictures import frames_strip, spectrogram_strip
from avbench.reports.leaderboard.runs import FoundRun
from avbench.reports.paper.document import Block, Gallery, Head, Line, Number, Strip, Table
from avbench.reports.paper.material import Entry, Material, over_seeds
from avbench.results.localisation import Domain, Localisation, Measure

_KINDS: dict[Kind, str] = {
    "matching": "attention of the matching module (STELLA’s patch importance)",
    "cosine": "cosine between a patch and the mean of the other modality",
}
_MEASURES: dict[Measure, str] = {"pointing": "Pointing", "iou": "IoU"}
_PARTS = {"own": "own sound", "exchanged": "other sound", "gain": "gain"}
_NONE = "None of these runs kept attention maps; move them away, so that they are made again, and repeat the command."


@dataclass(frozen=True)
class Looked:
    """A method's first run with its example clips and their maps by number of experiences."""

    label: str
    run: FoundRun
    clips: ExampleClips
    maps: dict[int, SavedMaps]

    @property
    def kind(self) -> Kind:
        """The kind of map that is drawn: the matching module's where there is one."""
        return next(kind for kind in KINDS if kind in self.maps[max(self.maps)].own)


def maps(material: Material) -> list[Block]:
    """Each clip after each task, a column for each method."""
    looked = list(_looked(material.known))
    if not looked:
        return [_empty(_NONE)]
    blocks: list[Block] = []
    for row in range(min(material.item.clips, len(looked[0].clips.clip_ids))):
        moments = sorted(set.intersection(*(set(one.maps) for one in looked)))
        strips = [Strip("the clip", tuple(_picture(material, one, row, None) for one in looked))]
        strips += [
            Strip(_moment(looked[0], number), tuple(_drawn(material, one, row, number) for one in looked))
            for number in moments
        ]
        heads = tuple(one.label for one in looked)
        blocks.append(Gallery(_title(looked[0], row), heads, tuple(strips), _note(material, looked)))
    return blocks


def localisation(material: Material) -> list[Block]:
    """Every example clip at the end of the stream, a column for each method; and the scores, where truth is known."""
    looked = list(_looked(material.known))
    if not looked:
        return [_empty(_NONE), *_scores(material)]
    strips = [
        Strip(
            _title(looked[0], row),
            (
                _picture(material, looked[0], row, None),
                *(_drawn(material, one, row, max(one.maps)) for one in looked),
            ),
        )
        for row in range(min(material.item.clips, len(looked[0].clips.clip_ids)))
    ]
    heads = ("the clip", *(one.label for one in looked))
    gallery = Gallery("What the sound points to, after the last task", heads, tuple(strips), _note(material, looked))
    return [gallery, *_scores(material)]


def partner(material: Material) -> list[Block]:
    """Clips asked by their own other half and by that of a clip of an earlier task, at the end of the stream."""
    looked = list(_looked(material.known))
    if not looked:
        return [_empty(_NONE)]
    clips = looked[0].clips
    asked = [row for row in range(len(clips.clip_ids)) if clips.partner[row] >= 0][: material.item.clips]
    strips = []
    for row in asked:
        pictures = []
        for one in looked:
            saved = one.maps[max(one.maps)]
            pictures += [_picture(material, one, row, source[one.kind]) for source in (saved.own, saved.past)]
        past = clips.labels[clips.partner[row]] or clips.clip_ids[clips.partner[row]]
        strips.append(Strip(f"{_title(looked[0], row)}; past partner: {past}", tuple(pictures)))
    heads = tuple(f"{one.label}, {who} partner" for one in looked for who in ("own", "past"))
    if not strips:
        return [_empty("No example clip of these runs has one of an earlier task.")]
    return [
        Gallery(
            "Asked by its own and by a past partner, after the last task", heads, tuple(strips), _note(material, looked)
        )
    ]


def _looked(entries: list[Entry]) -> Iterator[Looked]:
    for entry in entries:
        for run in entry.runs:
            folder = run.directory.path / FOLDER
            try:
                clips = load_clips(folder)
                found = None if clips is None else load_maps(folder, clips)
            except AvbenchError:
                continue
            if clips is not None and found:
                yield Looked(entry.variant.label, run, clips, dict(found))
                break


def _drawn(material: Material, one: Looked, row: int, number: int) -> str | None:
    return _picture(material, one, row, one.maps[number].own.get(one.kind))


def _picture(material: Material, one: Looked, row: int, found: Maps | None) -> str:
    clips = one.clips
    if material.item.modality == "audio":
        sounding = None if clips.active is None else clips.active[row]
        return spectrogram_strip(clips.audio[row], None if found is None else found.audio[row], sounding)
    sources = None if clips.sources is None else clips.sources[row]
    return frames_strip(clips.video[row], None if found is None else found.video[row], sources)


def _moment(one: Looked, number: int) -> str:
    if number == 0:
        return "before training"
    titles = [task.title for task in one.run.results.tasks]
    return f"after {number}. {titles[number - 1]}" if one.run.results.experiences == len(titles) else "after training"


def _title(one: Looked, row: int) -> str:
    clips = one.clips
    task = one.run.results.tasks[int(clips.task_of[row])].title
    return ", ".join(filter(None, (task, clips.labels[row] or clips.clip_ids[row])))


def _note(material: Material, looked: list[Looked]) -> str:
    kinds: dict[Kind, list[str]] = {}
    for one in looked:
        kinds.setdefault(one.kind, []).append(f"{one.label} (seed {one.run.results.seed})")
    told = ["; ".join(f"{', '.join(names)}: {_KINDS[kind]}" for kind, names in kinds.items())]
    shown = {one.label for one in looked}
    silent = [entry.variant.label for entry in material.known if entry.variant.label not in shown]
    told += [f"No maps were kept of {', '.join(silent)}"] if silent else []
    told += (
        ["Outlined: what sounds"] if looked[0].clips.sources is not None and material.item.modality == "video" else []
    )
    told.append("A map tells where in a clip, not how much; one that points well has not proved that it listens.")
    return ". ".join(told)


def _scores(material: Material) -> list[Block]:
    """Pointing and IoU in the picture, beside maps that have not listened."""
    places = [(measure, part) for measure in _MEASURES for part in _PARTS]
    heads = tuple(Head(_PARTS[part], _MEASURES[measure]) for measure, part in places)
    lines, controls = [], {}
    for entry in material.known:
        domains = [domain for run in entry.runs if (domain := _domain(run)) is not None]
        kind = next((kind for kind in KINDS if domains and all(kind in domain.after for domain in domains)), None)
        if kind is not None:
            cells = [
                over_seeds([v for d in domains if (v := _score(d, kind, *place)) is not None], 1) for place in places
            ]
            lines.append(Line(entry.variant.label, tuple(cells), mark=kind))
            controls = domains[0].controls
    for name, scores in controls.items():
        cells = [Number(scores.get(measure) if part == "own" else None, digits=1) for measure, part in places]
        lines.append(Line(name, tuple(cells), "bound", "control"))
    if not lines:
        return []
    note = (
        "Percent, after the last task, mean over seeds. Only the gain of the own sound over another clip’s, with an "
        "interval that leaves out zero, shows that a network listens. Controls are maps that have not listened: "
        "chance, the centre, and the conspicuous parts of the picture."
    )
    return [Table("Localisation in the picture", heads, tuple(lines), note)]


def _domain(run: FoundRun) -> Domain | None:
    found: Localisation | None = getattr(run.results, "localisation", None)  # runs of earlier versions have none
    return None if found is None else found.picture


def _score(domain: Domain, kind: Kind, measure: Measure, part: str) -> float | None:
    scores = domain.after[kind]
    if part == "gain":
        return scores.gain[measure].points if measure in scores.gain else None
    return (scores.own if part == "own" else scores.exchanged).get(measure)


def _empty(text: str) -> Table:
    return Table("Attention maps", (), (), text)

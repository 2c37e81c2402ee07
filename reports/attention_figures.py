"""Attention maps of a run's example clips, ready for the page: after each task, and asked by a clip of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbench.errors import RunDirectoryError
from avbench.evaluation.attention_files import FOLDER, ExampleClips, SavedMaps, load_clips, load_maps
from avbench.evaluation.maps import KINDS, Kind, Maps, agreement
from avbench.reports.attention_pictures import frames_strip, spectrogram_strip
from avbench.results.directory import RunDirectory
from avbench.results.schema import Caution, Results

STORIES = 3  # clips followed along the stream
MOMENTS = 9  # shown of each, at most
PAIRS = 3  # clips asked by one of the past
KIND_TITLES: dict[Kind, str] = {"matching": "attention of the matching module", "cosine": "cosine similarity"}


@dataclass(frozen=True)
class Shot:
    """A clip's frames and spectrogram under their maps, at one moment.

    `agreement` compares the maps of frames and spectrogram with those of another shot: correlations from -1 to 1.
    """

    title: str
    frames: str
    spectrogram: str
    alt: str
    learned: bool = False  # the clip's task has just been trained
    agreement: tuple[float, float] | None = None


@dataclass(frozen=True)
class Story:
    """The same clip before training and after each task; `plain` is without a map."""

    clip_id: str
    label: str
    task: str
    plain: Shot
    shots: list[Shot]


@dataclass(frozen=True)
class Pair:
    """The same clip asked by its own other half and by a clip of an earlier task, at some moments."""

    clip_id: str
    label: str
    task: str
    partner_label: str
    partner_task: str
    plain: Shot
    partner: Shot
    moments: list[tuple[Shot, Shot]]  # own, past


@dataclass(frozen=True)
class AttentionView:
    """Everything drawn of one kind of map."""

    kind: Kind
    title: str
    truth: bool  # sources are outlined
    stories: list[Story]
    pairs: list[Pair]


def attention_view(directory: RunDirectory, results: Results, notes: list[Caution]) -> AttentionView | None:
    """The maps of a run, of the matching module where the method has one; None where there is nothing to draw.

    Args:
        notes: told when files are damaged.
    """
    try:
        clips = load_clips(directory.path / FOLDER)
        moments = load_maps(directory.path / FOLDER, clips) if clips is not None else {}
    except RunDirectoryError:
        notes.append(Caution(code="attention", message="The attention maps are damaged and left out."))
        return None
    known = {number: maps for number, maps in moments.items() if number <= results.finished_experiences}
    if clips is None or not known or int(clips.task_of.max()) >= len(results.tasks):
        return None
    kind = next(kind for kind in KINDS if all(kind in maps.own for maps in known.values()))
    drawer = _Drawer(clips, known, kind, results)
    rows = range(len(clips.clip_ids))
    stories = [drawer.story(row) for row in rows if len(known) > 1][:STORIES]
    pairs = [drawer.pair(row) for row in rows if clips.partner[row] >= 0 and drawer.learned_at(row) in known]
    return AttentionView(kind, KIND_TITLES[kind], clips.sources is not None, stories, pairs[-PAIRS:])


class _Drawer:
    def __init__(self, clips: ExampleClips, moments: Mapping[int, SavedMaps], kind: Kind, results: Results) -> None:
        self.clips, self.moments, self.kind = clips, moments, kind
        self.titles = [task.title for task in results.tasks]
        trained = ["all tasks"] if results.joint_stream else self.titles
        self.names = ["before training", *(f"after {title}" for title in trained)]
        self.joint = results.joint_stream

    def story(self, row: int) -> Story:
        """Every moment, or as many as fit, the clip's own and the last among them."""
        learned, known = self.learned_at(row), list(self.moments)
        reference = self.moments[learned].own[self.kind] if learned in self.moments else None
        shots = []
        for number in _spread(known, MOMENTS, learned):
            maps = self.moments[number].own[self.kind]
            kept = None if reference is None or number == learned else _agreement(maps, reference, row)
            shots.append(self._shot(row, maps, self.names[number], number == learned, kept))
        return Story(*self._names(row), self._plain(row), shots)

    def pair(self, row: int) -> Pair:
        """Just after the clip's task was trained, and at the latest moment."""
        partner = int(self.clips.partner[row])
        moments = []
        for number in dict.fromkeys([self.learned_at(row), max(self.moments)]):
            own, past = (kinds[self.kind] for kinds in (self.moments[number].own, self.moments[number].past))
            title = self.names[number]
            shot = self._shot(row, past, f"{title}, asked by the past", False, _agreement(past, own, row))
            moments.append((self._shot(row, own, title), shot))
        _, label, task = self._names(partner)
        plain, other = self._plain(row), self._plain(partner, "the clip of the past")
        return Pair(*self._names(row), label, task, plain, other, moments)

    def learned_at(self, row: int) -> int:
        """After how many experiences the clip's task has been trained."""
        return 1 if self.joint else int(self.clips.task_of[row]) + 1

    def _names(self, row: int) -> tuple[str, str, str]:
        return self.clips.clip_ids[row], self.clips.labels[row], self.titles[int(self.clips.task_of[row])]

    def _plain(self, row: int, title: str = "the clip") -> Shot:
        return Shot(
            title=title,
            frames=frames_strip(self.clips.video[row]),
            spectrogram=spectrogram_strip(self.clips.audio[row]),
            alt=f"of {self.clips.clip_ids[row]}",
        )

    def _shot(
        self, row: int, maps: Maps, title: str, learned: bool = False, kept: tuple[float, float] | None = None
    ) -> Shot:
        clips = self.clips
        return Shot(
            title=title,
            frames=frames_strip(
                clips.video[row], maps.video[row], None if clips.sources is None else clips.sources[row]
            ),
            spectrogram=spectrogram_strip(
                clips.audio[row], maps.audio[row], None if clips.active is None else clips.active[row]
            ),
            alt=f"of {clips.clip_ids[row]} under the {KIND_TITLES[self.kind]} {title}",
            learned=learned,
            agreement=kept,
        )


def _agreement(maps: Maps, reference: Maps, row: int) -> tuple[float, float]:
    pairs = ((maps.video, reference.video), (maps.audio, reference.audio))
    video, audio = (float(agreement(one[row : row + 1], other[row : row + 1])[0]) for one, other in pairs)
    return video, audio


def _spread(numbers: Sequence[int], most: int, needed: int) -> list[int]:
    """At most `most` of the sorted `numbers`, evenly spread, with the first, the last, and `needed` if it is there."""
    if len(numbers) <= most:
        return list(numbers)
    chosen = {numbers[round(place * (len(numbers) - 1) / (most - 1))] for place in range(most)}
    if needed in numbers and needed not in chosen:
        chosen.remove(min(chosen - {numbers[0], numbers[-1]}, key=lambda number: abs(number - needed)))
        chosen.add(needed)
    return sorted(chosen)

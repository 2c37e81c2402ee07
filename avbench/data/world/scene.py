"""What happens in one clip, drawn before anything is rendered: who is there, where, when and how.

Lengths are in units of the picture's side, x to the right and y down; times are in seconds. Nothing here depends on
the resolution, the number of frames or the sample rate.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avbench.data.world.classes import Identity, base_classes, task_classes
from avbench.data.world.config import VERSION, WorldConfig
from avbench.data.world.keys import ClipKey
from avbench.seeding import derive_seed

Floats = NDArray[np.float64]
Kind = Literal["source", "active", "moving", "still"]

REFERENCE_RADIUS = (0.32, 0.085)  # of a body of size 1, at sparsity 0 and 1
EVENT_FADE = 0.2  # seconds in which the visible activity of an event dies away
GATE_EDGE = 0.015  # seconds in which a sound is faded in and out at the ends of its gate

_FOUR_TO_TWELVE = np.stack([np.interp(np.linspace(0, 3, 12), range(4), row) for row in np.eye(4)], axis=1)


@dataclass(frozen=True)
class Factors:
    """What varies inside a class; each factor is seen and heard.

    `size` (0.71..1.41, times the reference radius) and `pitch` (times the pitch of the class) fall and rise together,
    `lightness` (0..1, of the colour) and `tilt` (octaves of amplitude lost per octave of frequency) likewise;
    `rate` (Hz) is that of events and swings in both; `amplitude` (0.35..1) scales motion and is the loudness.
    """

    size: float
    pitch: float
    lightness: float
    tilt: float
    rate: float
    amplitude: float


@dataclass(frozen=True)
class Actor:
    """One object: its class, its part in the scene and its course."""

    number: int  # in the order of drawing lots; 0 is the source that gives the clip its class
    identity: Identity
    kind: Kind
    factors: Factors
    radius: float
    x: float
    y: float
    angle: float  # of the body, radians
    tool_angle: float  # where the tool sits, radians
    drift: tuple[float, float, float, float]  # reach in x and y, phase in x and y
    drift_period: float
    phase: float  # of swings, radians
    gates: Floats  # (intervals, 2): from and to, when it is active
    events: Floats  # onsets, sorted, each inside a gate; of a steady sound the beginnings of the gates
    strengths: Floats  # of the events, 0..1

    @property
    def sounds(self) -> bool:
        """Whether it is heard."""
        return self.kind == "source"

    def gate(self, times: Floats) -> Floats:
        """1 inside a gate, 0 outside, linear over `GATE_EDGE` inside its ends."""
        inside = np.minimum(times[:, None] - self.gates[:, 0], self.gates[:, 1] - times[:, None])
        level: Floats = np.clip(inside / GATE_EDGE, 0.0, 1.0).max(axis=1, initial=0.0)
        return level

    def gate_time(self, times: Floats) -> Floats:
        """Seconds for which the object has been active so far."""
        lengths = self.gates[:, 1] - self.gates[:, 0]
        seconds: Floats = np.clip(times[:, None] - self.gates[:, 0], 0.0, lengths).sum(axis=1)
        return seconds

    def activity(self, times: Floats) -> Floats:
        """0..1: what light and motion follow. Dies away after events; swings at `rate` while a steady sound lasts."""
        if self.identity.family.steady:
            return self.gate(times) * (0.65 + 0.35 * np.cos(self.swing(times)))
        since = times[:, None] - self.events
        decays = np.where(since >= 0, np.exp(-np.maximum(since, 0) / EVENT_FADE) * self.strengths, 0.0)
        strongest: Floats = decays.max(axis=1, initial=0.0)
        return self.gate(times) * strongest

    def swing(self, times: Floats) -> Floats:
        """Phase (radians) of the swing in loudness, pitch and motion at `rate`."""
        return 2 * np.pi * self.factors.rate * times + self.phase


@dataclass(frozen=True)
class Scene:
    """A clip before rendering. Later actors are drawn over earlier ones."""

    actors: tuple[Actor, ...]
    background: NDArray[np.float32]  # (rows, columns, 3), 0..1: a coarse picture, blown up smoothly
    snr_db: float | None  # of the sources over background noise
    noise_tilt: float  # of the background noise: 0 white, 1 brown
    seconds: float
    seed: int  # for the noise in sound and picture


def draw_scene(config: WorldConfig, key: ClipKey) -> Scene:
    """The scene of a clip: a pure function of (VERSION, config, key).

    Sources and ambience are drawn before and apart from the silent objects, so these change nothing that is heard.
    """
    place = "base" if key.task is None else key.task
    seed = derive_seed(config.seed, "world", VERSION, key.split, place, key.class_index, key.index)
    own, others, world = _people(config, key)
    actors: list[Actor] = []
    for number in range(config.sources):
        generator = np.random.default_rng([seed, 0, number])
        identity = own if number == 0 else _choose(generator, others, actors)
        actors.append(_draw_actor(config, generator, identity, "source", actors))
    ambience = _draw_ambience(config, np.random.default_rng([seed, 1]))
    for number in range(config.distractors):
        generator = np.random.default_rng([seed, 2, number])
        identity, kind = _choose(generator, world, actors), _draw_kind(config, generator)
        actors.append(_draw_actor(config, generator, identity, kind, actors))
    order = np.random.default_rng([seed, 3]).permutation(len(actors))
    return Scene(tuple(actors[place] for place in order), *ambience, config.seconds, seed)


_People = tuple[Identity, ...]


def _people(config: WorldConfig, key: ClipKey) -> tuple[Identity, _People, _People]:
    """The class of the clip, those a second source may have, those a silent object may have (also of later tasks)."""
    if key.task is None:
        everybody = base_classes(config.seed)
        return everybody[key.class_index], everybody, everybody
    tasks = task_classes(config.seed, config.recurring_looks)
    return tasks[key.task][key.class_index], tasks[key.task], tuple(itertools.chain.from_iterable(tasks))


def _choose(generator: np.random.Generator, people: _People, actors: list[Actor]) -> Identity:
    """Somebody who is not on the scene yet."""
    present = {actor.identity.triple for actor in actors}
    while True:
        identity = people[generator.integers(len(people))]
        if identity.triple not in present:
            return identity


def _draw_kind(config: WorldConfig, generator: np.random.Generator) -> Kind:
    level, moves = generator.random(2)
    if level < config.distractor_activity:
        return "active"
    return "moving" if moves < 0.5 else "still"


def _draw_actor(
    config: WorldConfig, generator: np.random.Generator, identity: Identity, kind: Kind, others: list[Actor]
) -> Actor:
    factors = _draw_factors(generator, identity)
    radius = _between(REFERENCE_RADIUS, config.sparsity, geometric=True) * factors.size
    x, y = _draw_position(generator, identity, radius, others)
    angle, tool_angle, phase = generator.uniform((-0.35, -np.pi, -np.pi), (0.35, np.pi, np.pi))
    drift = _draw_drift(generator, kind)
    performs = kind in {"source", "active"}
    gates = _draw_gates(config, generator) if performs else np.zeros((0, 2))
    events, strengths = _draw_events(generator, identity, factors.rate, gates)
    return Actor(
        len(others),
        identity,
        kind,
        factors,
        radius,
        x,
        y,
        angle,
        tool_angle,
        drift,
        config.seconds,
        phase,
        gates,
        events,
        strengths,
    )


def _draw_factors(generator: np.random.Generator, identity: Identity) -> Factors:
    size = 2 ** generator.uniform(-0.5, 0.5)
    lightness = generator.random()
    return Factors(
        size=size,
        pitch=size**-1.2 * 2 ** generator.normal(0, 0.03),
        lightness=lightness,
        tilt=1.1 - 1.4 * lightness + generator.normal(0, 0.04),
        rate=identity.family.rate * identity.tempo * 2 ** generator.uniform(-0.6, 0.6),
        amplitude=0.35 ** generator.random(),
    )


def _draw_position(
    generator: np.random.Generator, identity: Identity, radius: float, others: list[Actor]
) -> tuple[float, float]:
    """Of twenty places the one that is freest."""
    edge = min(1.2 * radius, 0.45)
    top = min(edge + 1.4 * radius, 1 - edge) if identity.motion == "bounce" else edge
    places = generator.uniform((edge, top), (1 - edge, 1 - edge), size=(20, 2))
    if others:
        gaps = [np.hypot(places[:, 0] - actor.x, places[:, 1] - actor.y) / (radius + actor.radius) for actor in others]
        places = places[np.argmax(np.min(gaps, axis=0)) :]
    return float(places[0, 0]), float(places[0, 1])


def _draw_drift(generator: np.random.Generator, kind: Kind) -> tuple[float, float, float, float]:
    reach_x, reach_y, phase_x, phase_y, chance = generator.uniform(0, 1, 5)
    reach = {"still": 0.0, "moving": 0.14, "source": 0.05, "active": 0.05}[kind] * (kind == "moving" or chance < 0.5)
    return reach * (0.5 + reach_x), reach * (0.5 + reach_y), 2 * np.pi * phase_x, 2 * np.pi * phase_y


def _draw_gates(config: WorldConfig, generator: np.random.Generator) -> Floats:
    """One interval for every five seconds begun; together a share of the clip that shrinks with sparsity."""
    slots = 1 + int(config.seconds // 5)
    slot = config.seconds / slots
    share = np.clip(1 - 0.75 * config.sparsity + generator.uniform(-0.1, 0.1, slots), 0.15, 1.0)
    starts = slot * (np.arange(slots) + generator.random(slots) * (1 - share))
    return np.stack([starts, starts + slot * share], axis=1)


def _draw_events(
    generator: np.random.Generator, identity: Identity, rate: float, gates: Floats
) -> tuple[Floats, Floats]:
    """Onsets and strengths: nearly regular trains, or random ones, that leave each gate time to sound."""
    if identity.family.steady:
        return gates[:, 0].copy(), np.ones(len(gates))
    wobble = 0.9 if identity.family.irregular else 0.15
    trains = []
    for start, end in gates:
        steps = (1 + wobble * generator.uniform(-1, 1, int((end - start) * rate * 4) + 2)) / rate
        first = start + GATE_EDGE + 0.3 * generator.random() * min(1 / rate, end - start)
        train = first + np.concatenate([[0.0], np.cumsum(steps)])
        trains.append(train[train < end - 0.06])
    events = np.concatenate([np.zeros(0), *trains])
    weakest = 0.15 if identity.family.irregular else 0.7
    return events, generator.uniform(weakest, 1.0, len(events))


def _draw_ambience(
    config: WorldConfig, generator: np.random.Generator
) -> tuple[NDArray[np.float32], float | None, float]:
    """Background, signal-to-noise ratio and colour of the noise."""
    ratio, noise_tilt = generator.random(), generator.random()
    snr = None if config.snr_db is None else _between(config.snr_db, ratio)
    colour, light = generator.uniform(-1, 1, (4, 4, 3)), generator.uniform(-1, 1, (12, 12, 1))
    coarse = np.einsum("yr,rcp,xc->yxp", _FOUR_TO_TWELVE, colour, _FOUR_TO_TWELVE)
    shade = generator.uniform(0.08, 0.22)
    background = np.clip(shade + config.clutter * (0.12 * coarse + 0.3 * light), 0.02, 0.9).astype(np.float32)
    return background, snr, noise_tilt


def _between(ends: tuple[float, float], share: float, geometric: bool = False) -> float:
    low, high = ends
    return float(low * (high / low) ** share) if geometric else float(low + share * (high - low))

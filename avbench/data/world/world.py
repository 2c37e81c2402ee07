"""The embedded world: its classes, the list of its clips, and each clip rendered from its key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.data.world import picture, sound
from avbench.data.world.classes import Identity, base_classes, task_classes
from avbench.data.world.config import WorldConfig
from avbench.data.world.keys import TASKS, ClipKey, Split
from avbench.data.world.motion import pose
from avbench.data.world.scene import Actor, Floats, Scene, draw_scene
from avbench.data.world.truth import ObjectTruth, Truth


@dataclass(frozen=True)
class WorldTask:
    """One of the eight tasks and the names of its classes."""

    id: str
    title: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class WorldClip:
    """A rendered clip: frames uint8 (frames, H, W, 3) RGB, waveform float32 (samples,) in -1..1, and its truth."""

    frames: NDArray[np.uint8]
    waveform: NDArray[np.float32]
    truth: Truth


class World:
    """A procedural audio-video world of known truth. Everything made from it is synthetic.

    A clip is a pure function of `VERSION`, the configuration and its key: it does not depend on what was rendered
    before, on how many classes or clips the world lists, nor, but for sampling, on image size, frames and sample rate.

    >>> world = World(WorldConfig(seed=0))
    >>> clip = world.render(world.clips("train", 0)[0])
    >>> clip.frames.shape, clip.waveform.shape
    ((8, 64, 64, 3), (40960,))
    """

    def __init__(self, config: WorldConfig | None = None) -> None:
        self.config = config or WorldConfig()
        identities = task_classes(self.config.seed, self.config.recurring_looks)
        self.tasks = tuple(
            WorldTask(identifier, title, _names(classes[: self.config.classes_per_task]))
            for (identifier, title), classes in zip(TASKS, identities, strict=True)
        )
        self.base_classes = _names(base_classes(self.config.seed)[: self.config.base_classes])

    def clips(self, split: Split, task: int | None = None) -> list[ClipKey]:
        """The keys of a split, class by class; of one task (0..7) or, for None, of all. `base` has no tasks."""
        counts = {"train": self.config.train_clips, "base": self.config.base_clips}
        count = counts.get(split, self.config.test_clips)
        if split == "base":
            assert task is None, "the base split has no tasks"
            places: list[tuple[int | None, int]] = [(None, number) for number in range(self.config.base_classes)]
        else:
            tasks = range(len(TASKS)) if task is None else [task]
            places = [(each, number) for each in tasks for number in range(self.config.classes_per_task)]
        return [ClipKey(split, each, number, index) for each, number in places for index in range(count)]

    @staticmethod
    def parse(clip_id: str) -> ClipKey:
        """The key of a `clip_id`; DataError if it is not one of this world's."""
        return ClipKey.parse(clip_id)

    def identity(self, key: ClipKey) -> Identity:
        """The class of a clip: its body, tool and sound."""
        if key.task is None:
            return base_classes(self.config.seed)[key.class_index]
        return task_classes(self.config.seed, self.config.recurring_looks)[key.task][key.class_index]

    def frame_times(self) -> Floats:
        """(frames,), seconds: the middles of equal parts of the clip."""
        return (np.arange(self.config.frames) + 0.5) * self.config.seconds / self.config.frames

    def scene(self, key: ClipKey) -> Scene:
        """The clip before rendering."""
        return draw_scene(self.config, key)

    def render(self, key: ClipKey, times: Floats | None = None) -> WorldClip:
        """The clip, with frames at `times` (seconds) or else at `frame_times()`."""
        times = self.frame_times() if times is None else times
        scene = self.scene(key)
        frames, masks = picture.draw_frames(
            scene, times, self.config.image_size, self.config.salience, self.config.video_noise
        )
        things = [
            (actor.number, self._truth(actor, mask, times)) for actor, mask in zip(scene.actors, masks, strict=True)
        ]
        objects = tuple(thing for _, thing in sorted(things, key=lambda pair: pair[0]))
        truth = Truth(key.clip_id, self.identity(key).name, key.task, key.class_index, times, scene.snr_db, objects)
        return WorldClip(frames, sound.mix(scene, self.config.sample_rate), truth)

    def _truth(self, actor: Actor, mask: NDArray[np.bool_], times: Floats) -> ObjectTruth:
        place = pose(actor, times, self.config.salience)
        return ObjectTruth(
            name=actor.identity.name,
            kind=actor.kind,
            sounds=actor.sounds,
            mask=mask,
            centre=np.stack([place.x, place.y], axis=1),
            pitch_hz=sound.pitch_of(actor),
            factors=actor.factors,
            events=actor.events,
            gates=actor.gates,
            activity=actor.activity(times),
        )


def _names(classes: tuple[Identity, ...]) -> tuple[str, ...]:
    return tuple(identity.name for identity in classes)

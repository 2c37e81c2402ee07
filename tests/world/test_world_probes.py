"""What linear probes read from clips: a class is heard; a body that recurs in all tasks is seen but tells no class."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avbench.data.preprocessing import Preprocessing
from avbench.data.spectrogram import log_mel
from avbench.data.world import World, WorldConfig
from avbench.data.world.classes import TOOLS
from avbench.data.world.keys import Split
from avbench.data.world.picture import draw_frames
from avbench.data.world.scene import Scene
from avbench.data.world.sound import mix

SPECTROGRAM = Preprocessing(frame_shift_ms=20.0, audio_frames=128, mel_bins=64)
GUESSED_AMONG_EIGHT = 0.23  # of 128 clips, who guesses one of eight gets more right in less than one case of 1000


class Views(NamedTuple):
    """Clips of a split, a row each: features and labels."""

    heard: NDArray[np.floating]  # mean and deviation of each band of the spectrogram
    seen: NDArray[np.floating]  # colours of one frame
    body_seen: NDArray[np.floating]  # the same when every object carries the same tool
    task: NDArray[np.int_]
    place: NDArray[np.int_]  # of the class in its task
    body: NDArray[np.str_]

    def only(self, rows: NDArray[np.bool_]) -> "Views":
        return Views(*(column[rows] for column in self))

    @property
    def label(self) -> NDArray[np.int_]:
        """The class among those of all tasks."""
        return self.task * 4 + self.place


def views(world: World, split: Split) -> Views:
    keys = world.clips(split)
    scenes = [world.scene(key) for key in keys]
    return Views(
        np.array([_bands(scene) for scene in scenes]),
        np.array([_colours(world, scene) for scene in scenes]),
        np.array([_colours(world, _with_one_tool(scene)) for scene in scenes]),
        np.array([key.task for key in keys]),
        np.array([key.class_index for key in keys]),
        np.array([str(world.identity(key).body) for key in keys]),
    )


def _bands(scene: Scene) -> NDArray[np.floating]:
    bands = log_mel(mix(scene), SPECTROGRAM)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def _colours(world: World, scene: Scene) -> NDArray[np.floating]:
    (frame,), _ = draw_frames(scene, np.array([1.28]), 64, world.config.salience, world.config.video_noise)
    return np.sqrt(np.histogramdd(frame.reshape(-1, 3), bins=5, range=[(0, 256)] * 3)[0].ravel())


def _with_one_tool(scene: Scene) -> Scene:
    actors = (
        dataclasses.replace(actor, identity=dataclasses.replace(actor.identity, tool=TOOLS[0]))
        for actor in scene.actors
    )
    return dataclasses.replace(scene, actors=tuple(actors))


def world_of(recurring_looks: float) -> tuple[Views, Views]:
    """Clips to fit probes on and clips to test them on: 32 classes, evenly lit, nobody silent on the scene."""
    world = World(
        WorldConfig(recurring_looks=recurring_looks, distractors=0, salience=0.0, train_clips=8, test_clips=4)
    )
    return views(world, "train"), views(world, "retrieval")


@pytest.fixture(scope="module")
def shared() -> tuple[Views, Views]:
    """Every task shows the same four bodies, each with another sound and another tool."""
    return world_of(1.0)


def accuracy(feature: str, label: str, fitted: Views, tested: Views) -> float:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    probe.fit(getattr(fitted, feature), getattr(fitted, label))
    return float(probe.score(getattr(tested, feature), getattr(tested, label)))


def among_wearers(feature: str, shared: tuple[Views, Views]) -> float:
    """How often a probe tells, of the eight classes that wear one body, which it is; mean over bodies."""
    return float(
        np.mean(
            [
                accuracy(feature, "task", *(side.only(side.body == body) for side in shared))
                for body in np.unique(shared[0].body)
            ]
        )
    )


def test_the_class_is_heard(shared: tuple[Views, Views]) -> None:
    fitted, tested = shared
    assert accuracy("heard", "label", fitted, tested) > 0.45  # chance 1/32
    for task in range(8):
        assert accuracy("heard", "place", *(side.only(side.task == task) for side in shared)) > 0.7  # chance 1/4


def test_a_probe_finds_nothing_where_nothing_is(shared: tuple[Views, Views]) -> None:
    fitted, tested = shared
    order = np.random.default_rng(0).permutation(len(fitted.heard))
    assert accuracy("heard", "label", fitted._replace(heard=fitted.heard[order]), tested) < 0.12


def test_among_classes_with_one_body_sound_and_tool_tell_which_and_the_body_does_not(
    shared: tuple[Views, Views],
) -> None:
    assert among_wearers("heard", shared) > 0.7
    assert among_wearers("seen", shared) > 0.5
    assert among_wearers("body_seen", shared) < GUESSED_AMONG_EIGHT


def test_what_is_known_of_a_body_holds_in_later_tasks_but_for_its_sound(shared: tuple[Views, Views]) -> None:
    """Correlation overwriting: probes name the body, fitted on the first four tasks, tested there and on the others."""
    fitted, tested = shared
    first, later = tested.only(tested.task < 4), tested.only(tested.task >= 4)
    fitted = fitted.only(fitted.task < 4)
    assert accuracy("body_seen", "body", fitted, first) > 0.9
    assert accuracy("body_seen", "body", fitted, later) > 0.9
    assert accuracy("heard", "body", fitted, first) > 0.5
    assert accuracy("heard", "body", fitted, later) < 0.4  # chance 1/4


def test_only_bodies_that_do_not_recur_tell_the_class(shared: tuple[Views, Views]) -> None:
    """Both ends of the dial: a recurring body, even if recognised always, leaves eight classes to guess from."""
    assert accuracy("body_seen", "label", *shared) < GUESSED_AMONG_EIGHT
    assert accuracy("body_seen", "label", *world_of(0.0)) > GUESSED_AMONG_EIGHT

"""Pictures and masks: a mask is where its object is seen, and salience is what it says."""

import dataclasses

import numpy as np
import pytest
from silent_mask import silent_mask

from avbench.data.world import World, WorldConfig
from avbench.data.world.picture import draw_frames
from avbench.data.world.shapes import SHAPES

PLAIN = {"video_noise": 0.0, "distractors": 3, "distractor_activity": 0.5}


def test_masks_cover_the_pixels_of_their_object_and_no_others() -> None:
    world = World(WorldConfig(**PLAIN))
    for key in world.clips("evaluation")[::73]:
        scene, times = world.scene(key), world.frame_times()
        frames, masks = draw_frames(scene, times, 64, 1.0, 0.0)
        assert not np.logical_and.reduce(masks[:2]).any(), "visible parts overlap"
        for number, mask in enumerate(masks):
            others = scene.actors[:number] + scene.actors[number + 1 :]
            without, _ = draw_frames(dataclasses.replace(scene, actors=others), times, 64, 1.0, 0.0)
            changed = np.abs(frames.astype(int) - without).max(axis=-1)
            if mask.sum() > 100:
                outside = changed[~_grown(mask)].sum() / changed.sum()
                assert outside < 0.01, "the object is seen outside its mask, beyond tips thinner than a pixel"
                assert (changed[mask] > 2).mean() > 0.9, "the mask holds pixels that do not show the object"


def _grown(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return np.logical_or.reduce([padded[:, y : y + 64, x : x + 64] for y in range(3) for x in range(3)])


def test_truth_names_masks_by_part() -> None:
    world = World(WorldConfig(**PLAIN, sources=2))
    truth = world.render(world.clips("train")[40]).truth
    assert [thing.sounds for thing in truth.objects] == [True, True, False, False, False]
    assert truth.objects[0].name == truth.class_name == world.tasks[0].classes[0]
    assert np.array_equal(truth.source_mask, truth.objects[0].mask | truth.objects[1].mask)
    assert not (truth.source_mask & silent_mask(truth)).any()
    centre = np.array(np.nonzero(truth.objects[0].mask[0])).mean(axis=1)[::-1] / 64
    assert np.abs(centre - truth.objects[0].centre[0]).max() < 0.25


def test_without_salience_sources_are_as_bright_as_silent_objects() -> None:
    """Means over scenes differ by less than three standard errors; with salience the sources stand out."""
    assert abs(_brightness_gap(0.0)) < 3
    assert _brightness_gap(1.0) > 6


def _brightness_gap(salience: float) -> float:
    world = World(WorldConfig(salience=salience, distractor_activity=0.0, snr_db=None, frames=3))
    differences = []
    for key in world.clips("evaluation")[::5]:
        clip = world.render(key)
        masks = clip.truth.source_mask, silent_mask(clip.truth)
        if all(mask.any() for mask in masks):
            sounding, silent = (float(clip.frames[mask].mean()) for mask in masks)
            differences.append(sounding - silent)
    return float(np.mean(differences) / (np.std(differences) / np.sqrt(len(differences))))


def test_active_distractors_move_and_light_up_out_of_step() -> None:
    world = World(WorldConfig(distractors=1, distractor_activity=1.0))
    pairs = [world.render(key).truth.objects for key in world.clips("evaluation")[::16]]
    assert {other.kind for _, other in pairs} == {"active"}
    linked = [np.corrcoef(own.activity, other.activity)[0, 1] for own, other in pairs if np.ptp(other.activity) > 0.1]
    assert abs(np.mean(linked)) < 0.25
    assert np.mean([np.ptp(other.activity) for _, other in pairs]) > 0.4


def test_silent_objects_are_still_or_moving() -> None:
    world = World(WorldConfig(distractors=1, distractor_activity=0.0))
    objects = [world.render(key).truth.objects[1] for key in world.clips("evaluation")[::16]]
    assert {thing.kind for thing in objects} == {"still", "moving"}
    for thing in objects:
        assert (np.ptp(thing.centre, axis=0).max() > 0.02) == (thing.kind == "moving")
        assert not thing.activity.any()


def test_sparsity_shrinks_objects_and_gates() -> None:
    areas, shares = [], []
    for sparsity in (0.0, 0.5, 1.0):
        world = World(WorldConfig(sparsity=sparsity, frames=3))
        truths = [world.render(key).truth for key in world.clips("evaluation")[::24]]
        areas.append(np.mean([truth.objects[0].mask.mean() for truth in truths]))
        shares.append(np.mean([np.ptp(truth.objects[0].gates, axis=1).sum() for truth in truths]) / 2.56)
    assert areas[0] > 1.8 * areas[1] > 3 * areas[2]
    assert shares[0] > 0.9 and 0.5 < shares[1] < 0.75 and 0.15 < shares[2] < 0.4


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_shapes_fit_their_radius(name: str) -> None:
    axis = np.linspace(-1.5, 1.5, 151, dtype=np.float32)
    inside = SHAPES[name](axis[None, :], axis[:, None]) < 0
    radius = np.hypot(axis[None, :], axis[:, None])
    assert 0.2 < inside.mean() * 9 / np.pi < 0.9
    assert radius[inside].max() < 1.05  # the box a part is drawn in

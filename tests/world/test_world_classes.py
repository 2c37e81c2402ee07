"""Classes: 160 of the tasks and the base classes are distinct, and looks recur exactly as the dial says."""

from collections import Counter

import numpy as np
import pytest

from avbench.data.world import World, WorldConfig
from avbench.data.world.classes import Identity, base_classes, task_classes
from avbench.data.world.keys import TASKS


def everybody(share: float, seed: int = 0) -> list[Identity]:
    return [identity for task in task_classes(seed, share) for identity in task]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_identities_are_distinct(share: float, seed: int) -> None:
    classes = everybody(share, seed)
    looks = {(identity.body, identity.tool) for identity in classes}
    assert len(classes) == len(looks) == len({identity.name for identity in classes}) == 160
    base = base_classes(seed)
    assert len({identity.triple for identity in (*classes, *base)}) == 160 + len(base)
    assert not looks & {(identity.body, identity.tool) for identity in base}
    assert all(len({identity.family for identity in task}) == 20 for task in task_classes(seed, share))


def test_without_recurring_looks_every_class_has_its_own() -> None:
    assert len({identity.body for identity in everybody(0.0)}) == 160
    assert not any(identity.body_recurs for identity in everybody(0.0))


@pytest.mark.parametrize("classes", [4, 8, 20])
def test_all_looks_recur_in_all_tasks_with_other_sounds(classes: int) -> None:
    tasks = [task[:classes] for task in task_classes(0, 1.0)]
    assert len({frozenset(identity.body for identity in task) for task in tasks}) == 1
    for body in {identity.body for identity in tasks[0]}:
        wearers = [identity for task in tasks for identity in task if identity.body == body]
        assert len(wearers) == 8
        assert len({wearer.family for wearer in wearers}) == len({wearer.tool for wearer in wearers}) == 8


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_share_is_kept_in_every_task(share: float) -> None:
    for task in task_classes(0, share):
        assert sum(identity.body_recurs for identity in task[:4]) == 4 * share
        assert sum(identity.body_recurs for identity in task) == 20 * share
    wearers = Counter(identity.body for identity in everybody(share))
    assert set(wearers.values()) == {1, 8}


def test_the_dial_changes_bodies_only() -> None:
    for one, other in zip(everybody(0.0), everybody(1.0), strict=True):
        assert (one.tool, one.family, one.register) == (other.tool, other.family, other.register)
        assert (one.tempo, one.motion) == (other.tempo, other.motion)


def test_fewer_classes_are_the_first_ones() -> None:
    few, all_of_them = World(WorldConfig(classes_per_task=4)), World(WorldConfig(classes_per_task=20))
    assert [task.id for task in few.tasks] == [identifier for identifier, _ in TASKS]
    for task, whole in zip(few.tasks, all_of_them.tasks, strict=True):
        assert task.classes == whole.classes[:4]
    assert few.base_classes == all_of_them.base_classes[:26]


def test_every_class_can_be_rendered() -> None:
    world = World(WorldConfig(classes_per_task=20, train_clips=1, base_classes=64, base_clips=1, frames=2))
    for key in world.clips("train") + world.clips("base"):
        clip = world.render(key)
        source = clip.truth.objects[0]
        assert clip.truth.class_name == source.name
        assert source.sounds and source.mask.any() and len(source.events) and np.ptp(clip.waveform) > 0.02

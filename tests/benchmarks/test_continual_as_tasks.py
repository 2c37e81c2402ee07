"""The tasks of Continual-AS: the published table, and which clips belong to them, against plain loops."""

from random import Random

import pytest
from audioset_tree import LABELS, SPEECH, line

from avbench.benchmarks.audioset import Segment
from avbench.benchmarks.continual_as_tasks import assign, first_of_each_class, orders, task_classes
from avbench.config import resolve_benchmark

TASKS = task_classes()


def test_the_published_orders() -> None:
    assert tuple(TASKS) == orders()["default"] == ("human", "vehicle", "nature", "animal", "others", "home", "music")
    assert orders()["shuffled"] == ("nature", "human", "home", "vehicle", "music", "animal", "others")


def test_seven_tasks_of_171_classes() -> None:
    assert [len(classes.trained) for classes in TASKS.values()] == [35, 14, 9, 27, 34, 18, 24]
    assert [len(classes.names) - len(classes.trained) for classes in TASKS.values()] == [0, 2, 0, 1, 6, 0, 1]
    assert len({label for classes in TASKS.values() for label in classes.names}) == len(LABELS) == 171


def test_classes_that_are_trained_on_come_before_the_category() -> None:
    for classes in TASKS.values():
        assert tuple(classes.names.values())[: len(classes.trained)] == classes.task.classes
        assert set(list(classes.names)[: len(classes.trained)]) == classes.trained


@pytest.mark.parametrize(("stream", "total"), [("train", 155643), ("evaluation", 7254), ("retrieval", 802)])
def test_published_counts_add_up(stream: str, total: int) -> None:
    assert sum(classes.published[stream] for classes in TASKS.values()) == total


def test_the_paper_profile_is_the_published_schedule() -> None:
    config = resolve_benchmark("continual-as", "paper")
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.weight_decay) == (15, 36, 1e-4, 5e-7)
    assert (training.betas, training.clip_gradient, config.limit) == ((0.95, 0.999), None, None)
    assert config.evaluation.gallery == "pool"
    assert config.model == resolve_benchmark("continual-vs", "paper").model


def test_tasks_of_random_labels_are_those_of_plain_loops() -> None:
    random = Random(3)
    labels = [*LABELS.values(), *[SPEECH, "/m/04rlf"] * 40]
    segments = [
        Segment(f"{number:011d}", 0, 10000, tuple(random.sample(labels, random.randint(1, 3)))) for number in range(500)
    ]
    expected: dict[str, list[Segment]] = {task: [] for task in TASKS}
    several = 0
    for segment in segments:
        found = [task for task, classes in TASKS.items() if any(label in classes.names for label in segment.labels)]
        if len(found) == 1:
            expected[found[0]].append(segment)
        elif len(found) > 1:
            several += 1
    assigned = assign(segments)
    assert {task: list(clips) for task, clips in assigned.by_task.items()} == expected
    assert (assigned.listed, assigned.several, assigned.repeated) == (500, several, 0)
    assert several > 20 and all(expected.values())


def test_the_first_of_each_class_are_those_of_plain_loops() -> None:
    random = Random(5)
    segments = [Segment(f"{n:011d}", 0, 1, tuple(random.sample("abcdefg", random.randint(1, 3)))) for n in range(60)]
    wanted = set()
    for label in "abcde":
        wanted |= set([segment.ytid for segment in segments if label in segment.labels][:4])
    assert [segment.ytid for segment in first_of_each_class(segments, "abcde", 4)] == sorted(wanted)


def test_a_clip_is_known_under_its_first_class_of_the_table() -> None:
    for labels, name in ((("Animal", "Owl", "Bark"), "Bark"), (("Animal", "Owl"), "Owl"), (("Animal",), "Animal")):
        segment = Segment("-" * 11, 0, 10000, line(0, *labels).labels)
        assert TASKS["animal"].name(segment) == name

"""The streams: what a batch can see, and that rows survive whatever Avalanche does to a dataset."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from torch.utils.data import DataLoader

from avbench.benchmarks.streams import ORDERS, Clip, Coverage, Task, build_scenario, hash_clips, rows_of
from avbench.training.loader import epoch_batches, make_loader

TASKS = (Task("one", "One", ("a", "b")), Task("two", "Two", ("c",)))


class PlainStore:
    """Stands in for a clip store: a clip is its number."""

    def __init__(self, count: int) -> None:
        self.clip_ids = tuple(f"clip-{number}" for number in range(count))

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, key: Any) -> dict[str, Any]:
        import torch

        row = key[0] if isinstance(key, tuple) else key
        audio, video = torch.full((1, 2, 2), row).half(), torch.full((1, 3, 2, 2), row).byte()
        return {"audio": audio, "video": video, "clip_id": self.clip_ids[row]}


def clips(*numbers: int) -> list[Clip]:
    return [Clip(f"clip-{number}", "odd" if number % 2 else "even") for number in numbers]


@pytest.fixture
def store() -> PlainStore:
    return PlainStore(12)


@pytest.fixture
def scenario(store: PlainStore) -> Any:
    streams = {
        "train": [clips(5, 0, 3), clips(1, 2)],
        "evaluation": [clips(6, 7), clips(8)],
        "retrieval": [clips(9), clips(10, 11)],
    }
    return build_scenario(store, streams)  # type: ignore[arg-type]


def test_an_experience_is_its_rows_in_order(scenario: Any) -> None:
    assert [rows_of(experience) for experience in scenario.train_stream] == [[5, 0, 3], [1, 2]]
    assert [rows_of(experience) for experience in scenario.retrieval_stream] == [[9], [10, 11]]


def test_samples_are_evaluation_views_with_three_keys(scenario: Any) -> None:
    for stream in (scenario.train_stream, scenario.evaluation_stream, scenario.retrieval_stream):
        for experience in stream:
            for index, row in enumerate(rows_of(experience)):
                sample = experience.dataset[index]
                assert sorted(sample) == ["audio", "clip_id", "video"]
                assert sample["clip_id"] == f"clip-{row}" and (sample["audio"] == row).all()


def test_no_training_batch_tells_a_label_or_a_task(store: PlainStore, scenario: Any) -> None:
    import torch

    experience = scenario.train_stream[0]
    draws = epoch_batches(rows_of(experience), 2, torch.Generator().manual_seed(0))
    ours = list(make_loader(store, draws, workers=0, pin=False))  # type: ignore[arg-type]
    avalanches = list(DataLoader(experience.dataset, batch_size=2, collate_fn=experience.dataset.collate_fn))
    assert ours and avalanches
    for batch in ours + avalanches:
        assert sorted(batch) == ["audio", "clip_id", "video"]
    for attribute in ("label", "task", "targets", "targets_task_labels"):
        assert not hasattr(experience.dataset, attribute)


def test_labels_and_tasks_are_attributes_of_the_evaluation_stream_alone(scenario: Any) -> None:
    first, second = (experience.dataset for experience in scenario.evaluation_stream)
    assert list(first.label) == ["even", "odd"] and list(first.task) == [0, 0] and list(second.task) == [1]
    assert not hasattr(scenario.retrieval_stream[0].dataset, "label")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one, two: one.concat(two), [5, 0, 3, 1, 2]),
        (lambda one, two: two + one, [1, 2, 5, 0, 3]),
        (lambda one, two: one.subset([2, 0]), [3, 5]),
        (lambda one, two: one.concat(two).subset([4, 1]).concat(one.subset([1])), [2, 0, 0]),
    ],
)
def test_rows_survive_concat_and_subset(scenario: Any, change: Callable[..., Any], expected: list[int]) -> None:
    from avalanche.benchmarks import benchmark_from_datasets

    dataset = change(*(experience.dataset for experience in scenario.train_stream))
    assert rows_of(dataset) == expected
    assert [sample["clip_id"] for sample in dataset] == [f"clip-{row}" for row in expected]
    assert rows_of(benchmark_from_datasets(train=[dataset]).train_stream[0]) == expected


def test_rows_are_there_in_avalanches_training_view(scenario: Any) -> None:
    assert rows_of(scenario.train_stream[1].train()) == [1, 2]


def test_datasets_reach_loader_processes(scenario: Any) -> None:
    dataset = pickle.loads(pickle.dumps(scenario.train_stream[0].dataset))
    assert rows_of(dataset) == [5, 0, 3]


def test_an_empty_evaluation_experience_is_allowed(store: PlainStore) -> None:
    scenario = build_scenario(store, {"evaluation": [[], clips(1)]})  # type: ignore[arg-type]
    assert [rows_of(experience) for experience in scenario.evaluation_stream] == [[], [1]]


def test_the_hash_changes_exactly_when_the_list_does() -> None:
    streams = {"train": [clips(0, 1), clips(2)], "retrieval": [clips(3), clips(4)]}
    changed = [
        {**streams, "train": [clips(1, 0), clips(2)]},
        {**streams, "train": [clips(0), clips(1, 2)]},
        {**streams, "train": [clips(0, 1, 5), clips(2)]},
        {**streams, "retrieval": [clips(3), clips(5)]},
        {"train": streams["retrieval"], "retrieval": streams["train"]},
    ]
    hashes = [hash_clips(each, TASKS) for each in (streams, *changed)]
    assert len(set(hashes)) == len(hashes)
    relabelled = {name: [[Clip(clip.clip_id, "?") for clip in g] for g in groups] for name, groups in streams.items()}
    assert hash_clips(relabelled, TASKS) == hashes[0]


def test_both_orders_hold_the_same_eight_tasks() -> None:
    assert len(set(ORDERS["default"])) == len(ORDERS["default"]) == 8
    assert sorted(ORDERS["shuffled"]) == sorted(ORDERS["default"]) and ORDERS["shuffled"] != ORDERS["default"]
    assert ORDERS["shuffled"][0] == "music" and ORDERS["shuffled"][-1] == "people"


def test_coverage_adds_up() -> None:
    assert Coverage(listed=10, usable=6, unreadable=1).missing == 3

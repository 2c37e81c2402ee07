"""The rehearsal memory: reservoir over visits, sampling without replacement, exact restore."""

from typing import Any

import pytest
import torch

from avbench.training.memory import Field, OfferError, TensorStore

CPU = torch.device("cpu")


def store(capacity: int) -> TensorStore:
    return TensorStore(capacity, {"number": Field((1,), torch.int64)}, CPU)


def visit(memory: TensorStore, first: int, count: int, generator: torch.Generator) -> None:
    numbers = torch.arange(first, first + count).unsqueeze(1)
    memory.add({"number": numbers}, [str(n) for n in range(first, first + count)], generator)


def contents(memory: TensorStore) -> list[int]:
    return memory.state_dict()["number"].flatten().tolist()


def test_a_memory_larger_than_the_stream_keeps_every_visit_in_order() -> None:
    memory = store(50)
    for first in range(0, 40, 8):
        visit(memory, first, 8, torch.Generator())
    assert contents(memory) == list(range(40))
    assert memory.clip_ids == [str(n) for n in range(40)]


def test_every_visit_is_kept_with_the_same_probability() -> None:
    capacity, visits, runs = 10, 50, 1500
    counts = torch.zeros(visits)
    for seed in range(runs):
        memory, generator = store(capacity), torch.Generator().manual_seed(seed)
        for first in range(0, visits, 10):
            visit(memory, first, 10, generator)
        counts[contents(memory)] += 1
    share = counts / runs
    deviation = (0.2 * 0.8 / runs) ** 0.5
    assert (share - capacity / visits).abs().max() < 4.5 * deviation


def test_the_reservoir_equals_algorithm_r_one_visit_at_a_time() -> None:
    memory = store(5)
    visit(memory, 0, 30, torch.Generator().manual_seed(3))
    draws = torch.rand(30, generator=torch.Generator().manual_seed(3), dtype=torch.float64).tolist()
    expected: list[int] = []
    for number, draw in enumerate(draws):
        if len(expected) < 5:
            expected.append(number)
        elif (slot := int(draw * (number + 1))) < 5:
            expected[slot] = number
    assert contents(memory) == expected
    assert memory.visits == 30


def test_refused_clips_are_no_visits() -> None:
    memory = store(8)
    keep = torch.tensor([True, False, True, False])
    memory.add({"number": torch.arange(4).unsqueeze(1)}, list("abcd"), torch.Generator(), keep)
    assert contents(memory) == [0, 2]
    assert (memory.visits, memory.clip_ids) == (2, ["a", "c"])


def test_samples_are_distinct_and_uniform() -> None:
    memory, generator = store(10), torch.Generator().manual_seed(0)
    visit(memory, 0, 10, generator)
    counts = torch.zeros(10)
    for _ in range(2000):
        slots = memory.sample(3, generator)
        assert len(set(slots.tolist())) == 3
        counts[slots] += 1
    assert (counts / 2000 - 0.3).abs().max() < 0.05


def test_a_sample_is_never_larger_than_the_memory() -> None:
    memory = store(10)
    visit(memory, 0, 4, torch.Generator())
    assert sorted(memory.sample(9, torch.Generator()).tolist()) == [0, 1, 2, 3]


def test_writing_changes_only_the_named_slots() -> None:
    memory = store(4)
    visit(memory, 0, 4, torch.Generator())
    memory.write(torch.tensor([2]), {"number": torch.tensor([[99]])})
    assert contents(memory) == [0, 1, 99, 3]


def test_a_restored_memory_goes_on_bit_for_bit() -> None:
    one, generator = store(6), torch.Generator().manual_seed(1)
    visit(one, 0, 20, generator)
    two, state = store(6), generator.get_state()
    two.load_state_dict(one.state_dict(), one.clip_ids, one.visits)
    visit(one, 20, 20, generator)
    visit(two, 20, 20, torch.Generator().set_state(state))
    assert contents(one) == contents(two)
    assert one.clip_ids == two.clip_ids


def test_a_memory_of_other_fields_is_refused() -> None:
    memory = store(4)
    with pytest.raises(ValueError, match="holds"):
        memory.add({"other": torch.zeros(1, 1)}, ["a"], torch.Generator())
    with pytest.raises(ValueError, match="capacity"):
        memory.load_state_dict({"other": torch.zeros(1, 1)}, ["a"], 1)


@pytest.mark.parametrize(
    ("values", "keep", "said"),
    [
        ({"number": torch.ones(3, 1)}, None, "'number' is kept as int64, but was given a float32 Tensor"),
        ({"number": torch.ones(2, 1).long()}, None, r"\(3, 1\), for 3 clips; found an int64 Tensor \(2, 1\)"),
        ({"number": [1, 2, 3]}, None, "found an object of type list"),
        ([1, 2, 3], None, r"holds \['number'\], but was given list"),
        ({}, None, r"was given \[\]"),
        (None, torch.ones(3, dtype=torch.uint8), r"bool tensor \(3,\).*found a uint8 Tensor \(3,\)"),
        (None, torch.ones(2, dtype=torch.bool), r"found a bool Tensor \(2,\)"),
        (None, torch.ones(3, 1, dtype=torch.bool), r"found a bool Tensor \(3, 1\)"),
        (None, [True, True, False], "found an object of type list"),
    ],
)
def test_an_offer_that_does_not_fit_changes_nothing(values: Any, keep: Any, said: str) -> None:
    memory, generator = store(8), torch.Generator().manual_seed(5)
    visit(memory, 0, 4, generator)
    state, right = generator.get_state(), {"number": torch.zeros(3, 1, dtype=torch.int64)}
    with pytest.raises(OfferError, match=said):
        memory.add(right if values is None else values, list("abc"), generator, keep)
    assert (contents(memory), memory.visits, memory.accepted) == ([0, 1, 2, 3], 4, 4)
    assert torch.equal(generator.get_state(), state)

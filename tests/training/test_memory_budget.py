"""The budget of the rehearsal memory: clips or bytes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avbench.config import RunConfig, validate
from avbench.errors import UsageError
from avbench.training.memory import Field, TensorStore, capacity_of, parse_bytes
from avbench.training.session import Session
from avbench.training.strategy import ReplayConfig

Config = Callable[..., RunConfig]

# A clip of the tiny configuration: 64 by 32 spectrogram cells in 2 bytes, three frames of 32 by 32 pixels in 3.
CLIP = 64 * 32 * 2 + 3 * 32 * 32 * 3


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1B", 1),
        ("2kB", 2_000),
        ("2KB", 2_000),
        ("2KiB", 2_048),
        ("2kiB", 2_048),
        ("3MB", 3_000_000),
        ("3MiB", 3 * 1024**2),
        ("1GB", 10**9),
        ("2GiB", 2_147_483_648),
        ("5.46 GiB", int(5.46 * 2**30)),
        ("0.5KiB", 512),
        (" 7 B ", 7),
        ("999999999GiB", 999_999_999 * 2**30),
    ],
)
def test_bytes_are_read_with_their_unit(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(
    "text",
    ["", "B", "GiB", "2", "2.5", "0B", "0.4B", "-1GiB", "+1GiB", "1e3GiB", "nanGiB", "infB", "2 G", "2iB", "2TiB",
     "2 bananas", "1,5GiB", "1.GiB", ".5GiB", "1GiB1", "0x1B", "1 Gi B", "9999999999B", "2gib", "2mb"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 2000, or of bytes, such as 2GiB"):
        parse_bytes(text)
    with pytest.raises(UsageError, match=r"options\.memory"):
        validate(ReplayConfig, {"memory": text}, "options")


@pytest.mark.parametrize("value", [0, -1, 2**31, 1.5, float("nan"), None, [2000], {"clips": 2}])
def test_a_count_that_no_memory_can_have_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"options\.memory"):
        validate(ReplayConfig, {"memory": value}, "options")


@pytest.mark.parametrize("value", [1, 2000, 2**31 - 1, "2GiB"])
def test_a_budget_is_kept_as_it_was_given(value: Any) -> None:
    assert validate(ReplayConfig, {"memory": value}, "options").memory == value


def test_bytes_hold_as_many_whole_clips_as_fit() -> None:
    fields = {
        "audio": Field((10, 3), torch.float16),
        "video": Field((7,), torch.uint8),
        "edits": Field((), torch.int64),
    }
    size = 10 * 3 * 2 + 7 + 8
    assert sum(field.nbytes for field in fields.values()) == size == 75
    assert capacity_of("7500B", fields) == 100
    assert capacity_of("7499B", fields) == 99
    assert capacity_of("7.574kB", fields) == 100
    assert capacity_of("74B", fields) == 0
    assert capacity_of("1GiB", fields) == 2**30 // 75
    assert capacity_of(12, fields) == 12
    store = TensorStore(capacity_of("7.574kB", fields), fields, torch.device("cpu"))
    assert store.nbytes == 7500 <= 7574
    assert sum(value.nbytes for value in store.read(torch.arange(100)).values()) == store.nbytes


def test_what_a_method_stores_beside_its_clips_counts(tiny_config: Config) -> None:
    def capacity(strategy: str, memory: str) -> int:
        store = Session(tiny_config(strategy, options={"memory": memory})).strategy.memory
        assert store is not None
        return store.capacity

    budget = f"{100 * CLIP}B"
    assert capacity("er", budget) == 100
    assert capacity("derpp", budget) == 100 * CLIP // (CLIP + 2 * 16 * 4)  # two embeddings of width 16
    assert capacity("cls-er", budget) == capacity("esmer", budget) == 100  # teachers are no part of the memory


def test_a_budget_in_bytes_trains_as_the_same_number_of_clips(
    tiny_config: Config, train: Callable[..., Session]
) -> None:
    counted = train(tiny_config("er", options={"memory": 12}))
    weighed = train(tiny_config("er", options={"memory": f"{12 * CLIP + CLIP - 1}B"}))
    assert weighed.strategy.memory is not None and weighed.strategy.memory.capacity == 12
    for one, two in zip(counted.net.parameters(), weighed.net.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("strategy", ["er", "derpp", "cls-er", "esmer"])
def test_a_memory_that_cannot_hold_a_batch_is_refused_before_training(tiny_config: Config, strategy: str) -> None:
    with pytest.raises(UsageError, match=r"options\.memory = 5 clips is smaller than training\.batch_size = 6"):
        Session(tiny_config(strategy, options={"memory": 5}))
    text = rf"options\.memory = {5 * CLIP + 999}B holds \d clips, which is smaller than training\.batch_size = 6"
    with pytest.raises(UsageError, match=text):
        Session(tiny_config(strategy, options={"memory": f"{5 * CLIP + 999}B"}))
    assert Session(tiny_config(strategy, options={"memory": 6})).strategy.memory is not None


def test_a_memory_that_is_not_to_be_had_is_refused_with_its_size(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.memory = 900000000GiB: \d+ clips need 900,000,000\.0 GiB, which"):
        Session(tiny_config("er", options={"memory": "900000000GiB"}))


def test_a_method_without_memory_has_no_budget(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match="memory"):
        Session(tiny_config("finetune", options={"memory": 12}))

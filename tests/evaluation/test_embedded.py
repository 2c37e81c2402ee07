"""Retrieval embeddings outside of training: in the run's arithmetic, the same for any number of loader processes."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from tiny_run import TINY

from avbench.batch import Batch
from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.config import RunConfig, resolve
from avbench.data.store import ClipStore, collate
from avbench.embedding import embed_benchmark
from avbench.evaluation.embedded import embedded
from avbench.model.mae import AudioVideoMAE
from avbench.model.precision import computing_in

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    data = {"data": {"cache": str(tmp_path_factory.mktemp("cache"))}}
    return resolve("finetune", "continual-synth", overrides=[TINY, data])


@pytest.fixture(scope="module")
def net(config: RunConfig) -> AudioVideoMAE:
    return AudioVideoMAE(config.clip, config.model).eval()


@pytest.fixture(scope="module")
def store(config: RunConfig) -> ClipStore:
    benchmark = ContinualSynth(config)
    found = benchmark.clip_list.streams["retrieval"]
    return benchmark.store_of([clip.clip_id for group in found for clip in group.clips])[0]


def all_of(net: AudioVideoMAE, store: ClipStore, precision: str, workers: int = 0) -> list[torch.Tensor]:
    rows = range(len(store))
    parts = embedded(net, store, rows, CPU, batch_size=5, workers=workers, precision=precision)
    return [torch.cat(found) for found in zip(*parts, strict=True)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_they_are_those_of_the_network_in_the_precision_of_the_run(
    net: AudioVideoMAE, store: ClipStore, precision: str
) -> None:
    wire = collate([store[row] for row in range(5)])
    batch = Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        expected = net.embed(batch)
    for found, first in zip(all_of(net, store, precision), expected, strict=True):
        assert torch.equal(found[:5], first) and found.dtype == torch.float32 and not found.requires_grad


def test_loader_processes_change_no_bit(net: AudioVideoMAE, store: ClipStore) -> None:
    one, two = all_of(net, store, "fp32"), all_of(net, store, "fp32", workers=2)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True)) and len(one[0]) == len(store)


def test_the_caller_computes_in_full_precision_between_batches(net: AudioVideoMAE, store: ClipStore) -> None:
    for _ in embedded(net, store, range(6), CPU, batch_size=3, workers=0, precision="bf16"):
        assert not torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
    with computing_in("bf16", CPU):
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16 and torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_embeddings_of_a_benchmark_follow_its_run(
    config: RunConfig, net: AudioVideoMAE, store: ClipStore, precision: Literal["fp32", "bf16"]
) -> None:
    evaluation = config.evaluation.model_copy(update={"batch_size": 5})
    benchmark = ContinualSynth(config.model_copy(update={"precision": precision, "evaluation": evaluation}))
    found = embed_benchmark(net, benchmark, ["retrieval"], CPU)
    expected = all_of(net, store, precision)
    other = all_of(net, store, "bf16" if precision == "fp32" else "fp32")
    assert torch.equal(found.audio, expected[0]) and torch.equal(found.video, expected[1])
    assert not torch.equal(found.audio, other[0])

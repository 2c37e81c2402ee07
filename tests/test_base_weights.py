"""The base weights that ship with the package are what `avbench pretrain` makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from avbench import registry
from avbench.config import RunConfig, resolve_benchmark
from avbench.errors import AvbenchError
from avbench.runner import pretrain
from avbench.training.weights import locate, read_metadata, read_tensors

SHIPPED = "shipped:continual-synth-quick"


def quick() -> RunConfig:
    overrides = {"threads": 1, "device": "cpu"}
    return resolve_benchmark("continual-synth", "quick", overrides=[overrides])


def test_all_weights_that_cards_name_are_shipped() -> None:
    cards = [plugin.card() for plugin in registry.plugins("benchmarks").values()]
    named = set(re.findall(r"shipped:[\w-]+", json.dumps(cards)))
    assert SHIPPED in named
    assert all(locate(name).is_file() for name in named)


def test_shipped_weights_are_small_half_precision_and_say_where_they_come_from() -> None:
    path = locate(SHIPPED)
    assert path.stat().st_size < 2**20
    assert {tensor.dtype for tensor in read_tensors(path).values()} == {torch.float16}
    metadata = read_metadata(path)
    assert (metadata["bench"], metadata["profile"], metadata["synthetic"]) == ("continual-synth", "quick", "true")


class Enough(AvbenchError):
    """The first losses have been compared."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("cache")
def test_the_command_begins_as_the_shipped_weights_began(tmp_path: Path) -> None:
    """Same clips, initial weights and schedule give the recorded loss at step 50, to 0.02 (rounding differs by CPU)."""
    expected = json.loads(read_metadata(locate(SHIPPED))["losses"])["50"]

    def compare(event: dict[str, object]) -> None:
        if event["event"] == "step" and event["step"] == 50:
            assert event["loss"] == pytest.approx(expected, abs=0.02)
            raise Enough("seen")

    with pytest.raises(Enough):
        pretrain(quick(), tmp_path / "weights.safetensors", [compare])


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_the_command_makes_the_shipped_weights(tmp_path: Path) -> None:
    """All 832 steps: on the same machine the same weights; elsewhere rounding grows, so weights agree to 0.9 in cosine
    and the held-out recall at 10 to 6 percentage points (two standard errors of its 480 queries)."""
    made = pretrain(quick(), tmp_path / "weights.safetensors")
    shipped, new = read_tensors(locate(SHIPPED)), read_tensors(made)
    assert shipped.keys() == new.keys()
    one, two = (torch.cat([tensors[name].float().flatten() for name in sorted(tensors)]) for tensors in (shipped, new))
    assert torch.cosine_similarity(one, two, dim=0) > 0.9
    recalls = [read_metadata(path)["held_out_recall_audio2video"] for path in (locate(SHIPPED), made)]
    at_ten = [float(re.findall(r"'R@10': ([\d.]+)", recall)[0]) for recall in recalls]
    assert at_ten[0] == pytest.approx(at_ten[1], abs=6)

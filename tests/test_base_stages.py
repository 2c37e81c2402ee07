"""Base pre-training in stages: what each leaves behind, from which weights, and that a stop changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import TINY
from torch import Tensor

import avbench
from avbench.base import checkpoint as base_checkpoint
from avbench.config import RunConfig, merge, resolve_benchmark
from avbench.errors import AvbenchError, Interrupted, OccupiedError, UsageError
from avbench.runner import pretrain
from avbench.training.weights import locate, read_metadata, read_tensors, save_tensors

BASE: dict[str, Any] = {
    "training": {"checkpoint_minutes": 0.00001, "log_every": 2},
    "pretraining": {"epochs": 3, "batch_size": 6, "warmup_steps": 2, "matching_extra_epochs": 2},
    "data": {"world": {"base_classes": 2, "base_clips": 10}, "base_queries": 1},
}  # 18 clips: three steps an epoch, nine for the backbone, six for the matching module


def config(**more: Any) -> RunConfig:
    return resolve_benchmark("continual-synth", "quick", overrides=[merge(merge(TINY, BASE), more)])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def parts(tensors: Mapping[str, Tensor]) -> set[str]:
    return {name.partition(".")[0] for name in tensors}


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def backbone(path: Path) -> dict[str, Tensor]:
    return {name: value for name, value in read_tensors(path).items() if name.startswith("model.")}


class Killed(AvbenchError):
    """As if the process had died."""


def killed_at(step: int) -> Callable[[dict[str, Any]], None]:
    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == step:
            raise Killed("now")

    return listen


def test_the_matching_stage_leaves_the_backbone_as_it_was_given(tmp_path: Path) -> None:
    first = pretrain(config(pretraining={"stages": "backbone"}), tmp_path / "backbone.safetensors")
    assert parts(read_tensors(first)) == {"model"}
    given = {name: value.float() + 1e-5 for name, value in read_tensors(first).items()}  # as imports are: not half
    save_tensors(tmp_path / "given.safetensors", given, {})
    start = {"base_weights": str(tmp_path / "given.safetensors")}
    made = pretrain(config(pretraining={"stages": "matching"}, training=start), tmp_path / "whole.safetensors")
    assert parts(read_tensors(made)) == {"model", "matching"} and same(backbone(made), given)
    said = read_metadata(made)
    assert said["stages"] == "matching" and json.loads(said["starting_weights"])["file"] == "given.safetensors"
    assert (said["steps"], said["matching_steps"]) == ("0", "6")


def test_the_backbone_starts_from_given_weights(tmp_path: Path) -> None:
    first = pretrain(config(pretraining={"stages": "backbone"}), tmp_path / "one.safetensors")
    near = {"pretraining": {"stages": "backbone", "learning_rate": 1e-9}, "training": {"base_weights": str(first)}}
    second = pretrain(config(**near), tmp_path / "two.safetensors")
    for name, value in backbone(first).items():
        assert torch.allclose(value.float(), backbone(second)[name].float(), atol=1e-3), name
    assert read_metadata(first)["starting_weights"] == "none"


def test_weights_of_the_profile_itself_are_made_anew_from_random_ones(tmp_path: Path) -> None:
    told: list[str] = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "warning":
            told.append(event["message"])

    own = resolve_benchmark("continual-synth", "quick").training.base_weights
    assert own is not None and locate(own).is_file()
    made = pretrain(config(training={"base_weights": own}), tmp_path / "made.safetensors", [listen])  # of another size
    assert read_metadata(made)["starting_weights"] == "none"
    assert told == ["stage both, the backbone from random weights"]


@pytest.fixture(scope="module")
def made_at_once() -> list[Path]:
    return []


@pytest.fixture
def whole(made_at_once: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of `config()`, made without a stop, once for all tests."""
    if not made_at_once:
        made_at_once.append(pretrain(config(), tmp_path_factory.mktemp("whole") / "whole.safetensors"))
    return made_at_once[0]


@pytest.mark.parametrize("step", [4, 8, 11, 13], ids=["backbone", "its end", "matching", "its last epoch"])
def test_a_kill_changes_no_bit(tmp_path: Path, whole: Path, step: int) -> None:
    cut = tmp_path / "cut.safetensors"
    with pytest.raises(Killed):
        pretrain(config(), cut, [killed_at(step)])
    assert not cut.exists() and list(tmp_path.glob("cut.safetensors.unfinished/step-*"))
    begun: list[int] = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "run_started":
            begun.append(event["step"])

    pretrain(config(), cut, [listen])
    assert begun == [step - 2]  # the last checkpoint before the kill
    assert same(read_tensors(whole), read_tensors(cut)) and read_metadata(whole) == read_metadata(cut)
    assert not (tmp_path / "cut.safetensors.unfinished").exists()


@pytest.mark.parametrize("step", [4, 11])
def test_ctrl_c_saves_before_it_stops(tmp_path: Path, whole: Path, step: int) -> None:
    cut = tmp_path / "cut.safetensors"

    def interrupt(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == step:
            signal.raise_signal(signal.SIGINT)

    long = config(training={"checkpoint_minutes": 600.0})
    with pytest.raises(Interrupted, match=f"stopped at step {step} of 15 and saved in .*the same command"):
        pretrain(long, cut, [interrupt])
    pretrain(long, cut)
    assert same(read_tensors(whole), read_tensors(cut)) and read_metadata(whole) == read_metadata(cut)


def test_the_matching_module_apart_does_not_move_with_the_backbone(tmp_path: Path) -> None:
    apart = {"matching_beside_backbone": False}
    both = pretrain(config(pretraining=apart), tmp_path / "both.safetensors")
    alone = pretrain(config(pretraining={"stages": "backbone"}), tmp_path / "alone.safetensors")
    assert same(backbone(both), backbone(alone))


def test_another_configuration_does_not_continue(tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    with pytest.raises(Killed):
        pretrain(config(), out, [killed_at(4)])
    with pytest.raises(UsageError, match=r"weights\.safetensors\.unfinished holds .* differs in: seed"):
        pretrain(config(seed=1), out)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pretraining": {"stages": "matching"}}, "name them with --set training.base_weights=FILE"),
        ({"training": {"base_weights": "/nowhere/x.safetensors"}}, "there is no file /nowhere/x.safetensors"),
        (
            {
                "pretraining": {"stages": "matching", "matching_extra_epochs": 0},
                "training": {"base_weights": "shipped:continual-synth-quick"},
            },
            "leaves nothing to train",
        ),
        (
            {"pretraining": {"stages": "matching"}, "training": {"base_weights": "shipped:continual-synth-quick"}},
            "are of another model",
        ),
    ],
)
def test_what_cannot_begin_is_refused_before_clips_are_prepared(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    events: list[dict[str, Any]] = []
    with pytest.raises(UsageError, match=said):
        pretrain(config(**values), tmp_path / "weights.safetensors", [events.append])
    assert not events and not list(tmp_path.iterdir())


def test_the_paper_profiles_have_the_published_epochs() -> None:
    vs, audioset = (resolve_benchmark(f"continual-{name}", "paper").pretraining for name in ("vs", "as"))
    assert (vs.epochs, vs.matching_extra_epochs, vs.matching_learning_rate) == (25, 15, 1e-4)
    assert (audioset.matching_extra_epochs, audioset.batch_size) == (8, 48)


def in_another_process(out: Path) -> str:
    """What a second command that makes the same weights says, at whatever the first one is."""
    script = f"""
        from pathlib import Path
        from avbench.base.checkpoint import claimed
        from avbench.errors import OccupiedError
        try:
            with claimed(Path({str(out)!r})):
                print("claimed")
        except OccupiedError as error:
            print(error)
    """
    environment = os.environ | {"PYTHONPATH": str(Path(avbench.__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.strip()


def test_a_second_command_is_refused_while_the_first_is_at_work_and_disturbs_nothing(
    tmp_path: Path, whole: Path
) -> None:
    out, said = tmp_path / "weights.safetensors", list[str]()

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 4:
            said.append(in_another_process(out))

    pretrain(config(), out, [listen])
    assert said == [f"another process is making {out}; wait for it, or choose another --out"]
    assert same(read_tensors(whole), read_tensors(out))
    assert list(tmp_path.iterdir()) == [out] and in_another_process(out) == "claimed"


def test_weights_that_another_process_has_just_made_are_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "weights.safetensors"

    def finished_in_between(folder: Path, busy: str) -> None:
        out.write_bytes(b"made")

    monkeypatch.setattr(base_checkpoint, "lock", finished_in_between)
    with (
        pytest.raises(OccupiedError, match=r"has just made .*weights\.safetensors; use it"),
        base_checkpoint.claimed(out),
    ):
        pytest.fail("begun anew")
    assert out.read_bytes() == b"made" and list(tmp_path.iterdir()) == [out]


def test_what_fails_before_anything_is_saved_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Killed), base_checkpoint.claimed(tmp_path / "new" / "weights.safetensors"):
        raise Killed("now")
    assert not list((tmp_path / "new").iterdir())

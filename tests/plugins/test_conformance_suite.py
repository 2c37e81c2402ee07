"""The conformance suite finds each mistake it is there to find, and says how to mend it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, field_validator
from torch import Tensor

from avbench.config import Section
from avbench.strategies.derpp import DERPlusPlus
from avbench.strategies.er import ER
from avbench.strategies.finetune import Finetune
from avbench.testing import CHECKS, check_strategy
from avbench.training.memory import Field
from avbench.training.strategy import AudioVideoStrategy, Context, Replay, ReplayConfig, Step


class Lenient(AudioVideoStrategy):
    class Config(ReplayConfig, extra="ignore"):
        pass


class Drifting(AudioVideoStrategy):
    class Config(ReplayConfig):
        scale: float = 1.0

        @field_validator("scale")
        @classmethod
        def _twice(cls, scale: float) -> float:
            return 2 * scale


class EmptyMemory(AudioVideoStrategy):
    def penalty(self, step: Step) -> dict[str, Tensor]:
        replayed = step.output.z_audio[len(step.stream) :]  # none in the first step, and the mean of none is NaN
        return {"size": replayed.pow(2).mean()}


class SingleClip(AudioVideoStrategy):
    def penalty(self, step: Step) -> dict[str, Tensor]:
        return {"spread": step.output.z_audio[: len(step.stream)].std(dim=0).mean()}


class Idle(AudioVideoStrategy):
    def weigh(self, step: Step) -> Tensor:
        return torch.zeros(len(step.joint))


class InPlace(AudioVideoStrategy):
    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        step.wire["audio"].mul_(2)
        return super().remember(step)


class GlobalDraws(AudioVideoStrategy):
    def weigh(self, step: Step) -> Tensor:
        return torch.rand(len(step.joint))


class NumpyDraws(AudioVideoStrategy):
    def weigh(self, step: Step) -> Tensor:
        return torch.full((len(step.joint),), float(np.random.rand()))  # noqa: NPY002


class PythonDraws(AudioVideoStrategy):
    def weigh(self, step: Step) -> Tensor:
        return torch.full((len(step.joint),), random.random())


class UnseededModule(AudioVideoStrategy):
    def setup(self, context: Context) -> None:
        super().setup(context)
        self.head = torch.nn.Linear(context.model.width, 1)

    def modules(self) -> dict[str, torch.nn.Module]:
        return {"head": self.head}

    def penalty(self, step: Step) -> dict[str, Tensor]:
        return {"head": self.head(step.output.z_audio).pow(2).mean()}


class Deaf(AudioVideoStrategy):
    def setup(self, context: Context) -> None:
        with torch.no_grad():
            for parameter in context.net.parameters():
                parameter.fill_(0.01)
        for name in ("memory", "reservoir", "mask"):
            context.generators[name].manual_seed(0)
        super().setup(context)


class Forgetful(AudioVideoStrategy):
    """Counts steps in an attribute that no checkpoint holds."""

    steps = 0

    def weigh(self, step: Step) -> Tensor:
        self.steps += 1
        return torch.full((len(step.joint),), 1.0 / self.steps)


class Listener(AudioVideoStrategy):
    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        pass


class Peeping(AudioVideoStrategy):
    def before_forward(self, strategy: Any, **kwargs: Any) -> None:
        strategy.experience  # noqa: B018


class Hoarder(AudioVideoStrategy):
    def setup(self, context: Context) -> None:
        super().setup(context)
        self.past: dict[str, list[Tensor]] = {"clips": []}

    def compose(self, step: Step) -> Any:
        self.past["clips"].append(step.stream.audio)
        return super().compose(step)


class Overfull(AudioVideoStrategy):
    def memory_capacity(self, fields: Any) -> int:
        return 99


class Mislabelled(AudioVideoStrategy):
    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        return {"audio": step.wire["audio"], "video": step.wire["video"].flip(0)}, None


class MaskDraws(AudioVideoStrategy):
    def penalty(self, step: Step) -> dict[str, Tensor]:
        self.draw_noise(1, "mask")
        return {}


class MemoryDraws(AudioVideoStrategy):
    def select(self, step: Step) -> Replay | None:
        self.draw(2)
        return super().select(step)


class WeightedConfig(ReplayConfig):
    weight: float = 0.5


class NoSwitch(AudioVideoStrategy):
    Config = WeightedConfig

    def penalty(self, step: Step) -> dict[str, Tensor]:
        return {"size": (0.1 + self.config.weight) * step.output.z_audio.pow(2).mean()}


class NoEffect(AudioVideoStrategy):
    Config = WeightedConfig


OFF = {"weight": 0.0}
MISTAKES: list[tuple[type[AudioVideoStrategy], str, str]] = [
    (Lenient, "options", "an unknown option is accepted"),
    (Drifting, "options", "the options do not survive being saved"),
    (EmptyMemory, "batches", "size is nan in step 1"),
    (SingleClip, "batches", "spread is nan"),
    (Idle, "batches", "the loss has no gradient"),
    (InPlace, "batches", "changed in place"),
    (GlobalDraws, "determinism", "the global generator of torch"),
    (NumpyDraws, "determinism", "the global generator of numpy"),
    (PythonDraws, "determinism", "the global generator of Python"),
    (UnseededModule, "determinism", "two runs of one seed differ"),
    (Deaf, "determinism", "different seeds end with the same weights"),
    (Forgetful, "resume", "differs from an uninterrupted one"),
    (Listener, "task-free", "before_training_exp"),
    (Peeping, "task-free", "strategy.experience"),
    (Hoarder, "memory", "bytes more after"),
    (Overfull, "memory", "the memory takes"),
    (Mislabelled, "memory", "another clip's video"),
    (MaskDraws, "generators", "`mask` otherwise than ER does"),
    (MemoryDraws, "generators", "`memory` otherwise than ER does"),
    (NoSwitch, "own-term", "the method is not ER"),
    (NoEffect, "own-term", "its own term does nothing"),
]


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize(("strategy", "check", "said"), MISTAKES, ids=lambda value: getattr(value, "__name__", None))
def test_each_mistake_is_found_by_its_check(strategy: type[AudioVideoStrategy], check: str, said: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_strategy(strategy, off=OFF if check == "own-term" else None, checks=[check])
    assert f"{strategy.__name__} fails 1 of 1 checks\n- {check}: " in str(raised.value)
    assert said in str(raised.value)
    assert "mend it: " in str(raised.value)


def test_all_failing_checks_are_told_at_once() -> None:
    class Both(MaskDraws, InPlace):
        pass

    with pytest.raises(AssertionError, match=r"Both fails 2 of 2 checks\n- batches: (.*\n)*- generators: "):
        check_strategy(Both, checks=["batches", "generators"])


def test_crashes_keep_their_traceback_and_name_the_check() -> None:
    class Crash(AudioVideoStrategy):
        def weigh(self, step: Step) -> Tensor:
            raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here") as raised:
        check_strategy(Crash)
    assert "batches" in raised.value.__notes__[0] and "Crash" in raised.value.__notes__[0]


@pytest.mark.parametrize(("kind", "config"), [(dict, None), (BaseModel, None), (ER, dict), (ER, BaseModel)])
def test_what_is_no_strategy_is_refused(kind: Any, config: Any) -> None:
    bad = kind if config is None else type("Bad", (kind,), {"Config": config})
    with pytest.raises(AssertionError, match="derive"):
        check_strategy(bad)


def test_a_method_without_memory_is_held_against_finetune() -> None:
    class Config(Section):
        weight: float = 0.5

    class Smaller(Finetune):
        def penalty(self, step: Step) -> dict[str, Tensor]:
            return {"size": self.config.weight * step.output.z_audio.pow(2).mean()}

    Smaller.Config = Config
    check_strategy(Smaller, off=OFF)


def test_a_parent_can_be_named() -> None:
    class Further(DERPlusPlus):
        def memory_fields(self) -> dict[str, Field]:
            return super().memory_fields()

        def weigh(self, step: Step) -> Tensor:
            return torch.full((len(step.joint),), 1 + self.config.extra)

    class Config(DERPlusPlus.Config):  # type: ignore[misc,name-defined]
        extra: float = 0.5

    Further.Config = Config
    check_strategy(Further, off={"extra": 0.0}, parent=DERPlusPlus, checks=["own-term"])
    with pytest.raises(AssertionError, match="the method is not ER"):
        check_strategy(Further, off={"extra": 0.0}, checks=["own-term"])


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no check 'resum'; there are .*resume"):
        check_strategy(ER, checks=["resum"])


def test_the_suite_leaves_torch_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    check_strategy(ER, checks=["determinism"])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert set(CHECKS) >= {"determinism", "resume", "task-free", "memory", "own-term"}

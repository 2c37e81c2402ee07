"""The guard: in training, nothing tells a task-free strategy where the stream changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.core import BaseSGDPlugin

from avbench.config import RunConfig
from avbench.errors import TaskFreeError
from avbench.strategies.er import ER
from avbench.training.guard import BOUNDARY_EVENTS, SHOWN, STEP_EVENTS, GuardedStrategy, TaskFreeView
from avbench.training.session import Session, random_wire
from avbench.training.strategy import ReplayConfig
from avbench.training.template import AudioVideoPretraining

Config = Callable[..., RunConfig]
Train = Callable[..., Session]

# What Avalanche and our own loop know of labels, tasks, experiences and time.
TELLING = [
    "experience", "mb_x", "mb_y", "mb_task_id", "mbatch", "mb_output", "clock", "progress", "adapted_dataset",
    "dataloader", "current_eval_stream", "is_training", "is_eval", "train_epochs", "train_mb_size", "store",
    "generators", "training", "evaluator", "plugins", "plugin", "model", "terms", "stopwatch", "_eval_streams",
]  # fmt: skip


def method(body: dict[str, Any], aware: bool = False) -> ER:
    kind = type("Method", (ER,), {**body, "boundary_aware": aware})
    made: ER = kind(ReplayConfig(memory=12))
    return made


def one_step(config: RunConfig, strategy: ER) -> AudioVideoPretraining:
    template = Session(config, strategy).attach(store=[])
    template.mbatch = random_wire(config, 6, torch.Generator().manual_seed(0))
    template.run_iteration()
    return template


@pytest.mark.parametrize("name", TELLING)
def test_reading_what_tells_of_tasks_is_refused_by_name(tiny_config: Config, name: str) -> None:
    read = method({"before_forward": lambda self, strategy, **kwargs: getattr(strategy, name)})
    with pytest.raises(TaskFreeError, match=rf"Method reads `strategy\.{name}` .*boundary_aware = True"):
        one_step(tiny_config("er"), read)


def test_everything_the_template_has_is_refused_but_for_a_few(tiny_config: Config) -> None:
    template = one_step(tiny_config("er"), method({}))
    view = TaskFreeView(template, "Method")
    names = {name for name in dir(template) if not name.startswith("__")} | set(TELLING)
    assert len(names) > 80
    for name in names - set(SHOWN):
        with pytest.raises(TaskFreeError, match=rf"`strategy\.{name}`"):
            getattr(view, name)
        # A default would pass over the refusal in silence.
        with pytest.raises(TaskFreeError):
            getattr(view, name, None)
        with pytest.raises(TaskFreeError):
            hasattr(view, name)
    assert {name: getattr(view, name) for name in SHOWN} == {name: getattr(template, name) for name in SHOWN}


def test_a_step_knows_clips_and_no_tasks(tiny_config: Config) -> None:
    step = one_step(tiny_config("er"), method({})).step
    assert set(vars(step)) == {"wire", "stream", "replay", "joint", "noise", "keep", "output", "terms", "notes"}
    assert set(step.wire) == {"audio", "video", "clip_id"}
    assert set(type(step.stream).__slots__) == {"audio", "video", "clip_id"}


@pytest.mark.parametrize("name", ["step", "experience", "optimizer", "notes", "plugin", "model"])
def test_setting_anything_but_the_loss_is_refused(tiny_config: Config, name: str) -> None:
    written = method({"before_backward": lambda self, strategy, **kwargs: setattr(strategy, name, None)})
    with pytest.raises(TaskFreeError, match=rf"Method sets `strategy\.{name}`"):
        one_step(tiny_config("er"), written)


def test_the_loss_may_be_replaced(tiny_config: Config) -> None:
    def double(self: ER, strategy: Any, **kwargs: Any) -> None:
        strategy.loss = 2 * strategy.loss

    plain = one_step(tiny_config("er"), method({}))
    doubled = one_step(tiny_config("er"), method({"before_backward": double}))
    torch.testing.assert_close(doubled.loss, 2 * plain.loss)
    for one, two in zip(plain.model.parameters(), doubled.model.parameters(), strict=True):
        assert one.grad is None or two.grad is None or torch.allclose(2 * one.grad, two.grad, rtol=1e-4, atol=1e-6)


def test_every_event_of_avalanche_belongs_to_a_step_or_to_a_boundary() -> None:
    events = {name for name in dir(BaseSGDPlugin) if name.startswith(("before_", "after_"))}
    assert set(STEP_EVENTS) | set(BOUNDARY_EVENTS) == events
    assert not set(STEP_EVENTS) & set(BOUNDARY_EVENTS)
    assert {
        "before_training", "before_training_exp", "before_training_epoch", "after_training_epoch",
        "after_training_exp", "after_training", "before_eval", "before_eval_exp", "after_eval_exp",
        "before_train_dataset_adaptation", "after_train_dataset_adaptation",
    } <= set(BOUNDARY_EVENTS)  # fmt: skip


@pytest.mark.parametrize("event", BOUNDARY_EVENTS)
def test_listening_to_a_boundary_is_refused_by_name_before_training(tiny_config: Config, event: str) -> None:
    listening = method({event: lambda self, strategy, **kwargs: None})
    with pytest.raises(TaskFreeError, match=rf"Method listens to `{event}`.*boundary_aware = True"):
        Session(tiny_config("er"), listening).attach(store=[])


def test_an_inherited_listener_and_one_set_on_the_object_are_refused_too(tiny_config: Config) -> None:
    class Listener:
        def after_training_exp(self, strategy: Any, **kwargs: Any) -> None: ...

    class Mixed(Listener, ER): ...

    with pytest.raises(TaskFreeError, match="after_training_exp"):
        Session(tiny_config("er"), Mixed(ReplayConfig(memory=12))).attach(store=[])
    late = method({})
    late.before_training_exp = lambda strategy, **kwargs: None  # type: ignore[method-assign]
    with pytest.raises(TaskFreeError, match="before_training_exp"):
        Session(tiny_config("er"), late).attach(store=[])


@pytest.mark.parametrize("event", STEP_EVENTS)
def test_events_of_a_step_reach_the_strategy_with_a_view(tiny_config: Config, event: str) -> None:
    seen: list[Any] = []

    def heard(self: ER, strategy: Any, **kwargs: Any) -> None:
        seen.append(strategy)

    one_step(tiny_config("er"), method({event: heard}))
    assert [type(strategy) for strategy in seen] == [TaskFreeView]


def test_a_strategy_that_declares_it_is_told_of_boundaries_and_sees_all(
    tiny_config: Config, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int]] = []

    def before(self: ER, strategy: Any, **kwargs: Any) -> None:
        assert isinstance(strategy, AudioVideoPretraining)
        told.append(("begins", strategy.experience.current_experience))

    def after(self: ER, strategy: Any, **kwargs: Any) -> None:
        told.append(("ends", strategy.clock.train_exp_counter))

    aware = method({"before_training_exp": before, "after_training_exp": after}, aware=True)
    monkeypatch.setattr(Session, "_build_strategy", lambda self: aware)
    template = train(tiny_config("er"), clips=18, cuts=(6, 12)).template
    assert told == [("begins", 0), ("ends", 0), ("begins", 1), ("ends", 1), ("begins", 2), ("ends", 2)]
    assert aware in template.plugins
    assert not any(isinstance(plugin, GuardedStrategy) for plugin in template.plugins)

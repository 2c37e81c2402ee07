"""The cost of a step: measured with a warm memory, remembered for the machine, errors named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_run import TINY

from avbench import step_cost
from avbench.config import RunConfig, resolve
from avbench.errors import RunDirectoryError
from avbench.step_cost import StepCost, measure, measure_apart, step_config

COST = StepCost(batch=6, clips_per_second=50.0, peak_bytes=10**9, on_gpu=False, units_per_clip=6.0, machine="here")


def config(strategy: str = "er", **changes: object) -> RunConfig:
    return resolve(strategy, "continual-synth", "quick", overrides=[TINY, changes])


@pytest.mark.parametrize(("strategy", "units"), [("finetune", 3.0), ("er", 6.0)])
def test_a_step_is_measured_with_as_many_clips_replayed_as_read(strategy, units):
    found = measure(step_config(config(strategy)), warm_up=2, steps=2)
    assert found.units_per_clip == pytest.approx(units, rel=0.02)
    assert found.batch == 6 and found.clips_per_second > 0 and found.peak_bytes > 0 and not found.on_gpu


def test_only_what_a_step_costs_is_in_the_question():
    asked = step_config(config(seed=3, order="shuffled"))
    assert (asked.seed, asked.order, asked.training.base_weights) == (0, "default", None)
    assert asked.options["memory"] == 30 and "memory" not in step_config(config("finetune")).options
    assert asked == step_config(config(options={"memory": 7}))


def test_a_measurement_is_remembered(monkeypatch, tmp_path):
    made: list[str] = []

    def pretend(asked: RunConfig, path: Path) -> None:
        made.append(asked.strategy)
        path.parent.mkdir(exist_ok=True)
        path.write_text(COST.model_dump_json())

    monkeypatch.setattr(step_cost, "_measure_in_process", pretend)
    told: list[str] = []
    for seed in (0, 1):  # the seeds of a row cost the same
        assert measure_apart(config(seed=seed), tmp_path, lambda: told.append("x")) == COST
    measure_apart(config("finetune"), tmp_path)
    measure_apart(config(precision="bf16"), tmp_path)
    assert made == ["er", "finetune", "er"] and told == ["x"]
    next((tmp_path / step_cost.FOLDER).glob("*finetune*")).write_text('{"batch": 1')
    with pytest.raises(RunDirectoryError, match=r"is damaged.*delete it"):
        measure_apart(config("finetune"), tmp_path)

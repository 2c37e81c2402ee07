"""The cost of a step: measured with a full memory, remembered for the machine and the method, errors named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_run import TINY

from avbench import step_cost
from avbench.config import RunConfig, dump, resolve
from avbench.errors import RunDirectoryError
from avbench.reports.paper.catalogue import ITEMS
from avbench.reports.paper.published import read_published
from avbench.results.step_cost import StepCost
from avbench.step_cost import at_printed_batch, fill, measure, measure_apart, step_config
from avbench.sweeps.reproduction import Request, runs_of
from avbench.training.memory import Field, TensorStore

COST = StepCost(
    batch=6, steps=10, clips_per_second=50.0, peak_bytes=10**9, on_gpu=False, units_per_clip=6.0, machine="here"
)


def config(strategy: str = "er", **changes: object) -> RunConfig:
    return resolve(strategy, "continual-synth", "quick", overrides=[TINY, changes])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods whose steps were measured, which is only pretended."""
    found: list[str] = []

    def pretend(asked: RunConfig, path: Path) -> None:
        found.append(asked.strategy)
        path.parent.mkdir(exist_ok=True)
        path.write_text(COST.model_dump_json())

    monkeypatch.setattr(step_cost, "_measure_in_process", pretend)
    return found


@pytest.mark.parametrize(
    ("strategy", "options", "units"),
    [
        ("finetune", {}, 3.0),
        ("er", {"memory": 100}, 6.0),
        ("er", {"memory": "1MiB"}, 6.0),
        # 3 ahead, 2 C candidates twice over, 6 for what is trained on; more candidates than fit into five batches.
        ("mir", {"memory": 60, "candidates": 8}, 9.0 + 2 * 8),
    ],
)
def test_a_step_is_measured_with_all_that_the_method_draws(strategy, options, units):
    found = measure(step_config(config(strategy, options=options)), warm_up=2, steps=2)
    assert found.units_per_clip == pytest.approx(units, rel=0.02)
    assert found.steps == 2
    assert found.batch == 6 and found.clips_per_second > 0 and found.peak_bytes > 0 and not found.on_gpu


def test_only_what_a_step_costs_is_in_the_question():
    asked = step_config(config(seed=3, order="shuffled"))
    assert (asked.seed, asked.order, asked.training.base_weights) == (0, "default", None)
    for options in ({"memory": 400}, {"memory": 400, "candidates": 6}):
        kept = step_config(config("mir", options=options)).options
        assert {name: kept[name] for name in options} == options


@pytest.mark.parametrize(
    ("strategy", "bench", "profile", "batch"),
    [
        ("stella", "continual-vs", "paper", 9),
        ("stella-plus-plus", "continual-vs", "paper", 15),
        ("er", "continual-vs", "quick", None),  # no published figure is of that size: the batch it is trained with
        ("er", "continual-as", "paper", None),  # no published figures
    ],
)
def test_at_the_published_size_the_batch_is_that_of_the_published_figures(
    strategy, bench, profile, batch, made, monkeypatch, tmp_path
):
    asked = resolve(strategy, bench, profile)
    measured: list[RunConfig] = []
    pretend = step_cost._measure_in_process
    monkeypatch.setattr(step_cost, "_measure_in_process", lambda c, path: (measured.append(c), pretend(c, path)))
    measure_apart(asked, tmp_path)
    assert measured == [at_printed_batch(step_config(asked))]
    assert measured[0].training.batch_size == (batch or asked.training.batch_size)
    other = asked.model_copy(update={"training": asked.training.model_copy(update={"batch_size": 24})})
    assert at_printed_batch(other) == other  # a typed batch stays


def test_at_the_published_size_every_batch_is_the_printed_one():
    for file in ("stella_table2", "stella_table3"):
        rows = runs_of(ITEMS[file.removeprefix("stella_")], Request("continual-vs", "paper", seeds=1))
        (printed,) = read_published(file, "continual-vs")
        for label, runs in rows.items():
            assert at_printed_batch(runs[0].config).training.batch_size == printed.rows[label]["batch"], label


def test_a_memory_is_filled_with_what_the_method_stored():
    memory = TensorStore(10, {"value": Field((1,))}, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    fill(memory, generator)
    assert len(memory) == 0
    memory.add({"value": torch.tensor([[1.0], [2.0], [3.0]])}, ["a", "b", "c"], generator)
    fill(memory, generator)
    assert len(memory) == 10
    held = memory.read(torch.arange(10))["value"].flatten().tolist()
    assert [{"a": 1.0, "b": 2.0, "c": 3.0}[name] for name in memory.clip_ids] == held and set(held) == {1.0, 2.0, 3.0}


def test_a_measurement_is_remembered(made, tmp_path):
    told: list[str] = []
    for seed in (0, 1):  # the seeds of a row cost the same
        assert measure_apart(config(seed=seed), tmp_path, lambda: told.append("x")) == COST
    measure_apart(config("finetune"), tmp_path)
    measure_apart(config(precision="bf16"), tmp_path)
    measure_apart(config(options={"memory": 7}), tmp_path)
    assert made == ["er", "finetune", "er", "er"] and told == ["x"]
    next((tmp_path / step_cost.FOLDER).glob("*finetune*")).write_text('{"batch": 1')
    with pytest.raises(RunDirectoryError, match=r"is damaged.*delete it"):
        measure_apart(config("finetune"), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"FORMAT": step_cost.FORMAT + 1},
        {"accelerator_name": lambda device: "another GPU"},
        {"processor_name": lambda: "another CPU"},
        {"package_versions": lambda: {"torch": "another"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_measured_otherwise_is_measured_again(change, made, monkeypatch, tmp_path):
    measure_apart(config(), tmp_path)
    for name, value in change.items():
        monkeypatch.setattr(step_cost, name, value)
    measure_apart(config(), tmp_path)
    assert len(made) == 2


def test_a_measurement_that_fails_says_why(tmp_path):
    asked = config("mir", options={"memory": 400}).model_copy(update={"options": {"memory": 400, "candidates": 900}})
    with pytest.raises(RunDirectoryError, match=r"the step of mir could not be measured: options\.candidates = 900"):
        measure_apart(asked, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads processes as Linux shows them")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_measurement_ends_with_the_process_that_asked_for_it(end, tmp_path):
    asked = tmp_path / "asked.yaml"
    asked.write_text(dump(config("mir", options={"memory": 2000, "candidates": 300})))  # takes minutes
    code = (
        "import sys; from pathlib import Path; from avbench.config import *; from avbench import step_cost; "
        "config = validate(RunConfig, read_yaml(Path(sys.argv[1])), ''); "
        "step_cost._measure_in_process(config, Path(sys.argv[2]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(asked), str(tmp_path / "steps" / "cost.json")]
    with subprocess.Popen(command) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        assert wait_until(lambda: bool(children.read_text().split()))
        child = int(children.read_text().split()[0])
        assert wait_until(lambda: "libtorch" in Path(f"/proc/{child}/maps").read_text())  # it is past its beginning
        assert at_work(child)
        parent.send_signal(end)
    assert wait_until(lambda: not at_work(child))


def wait_until(holds, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def at_work(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

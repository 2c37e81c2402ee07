"""What one training step costs: clips per second and peak memory, measured the same way for every method.

STELLA, Table 2, whose scripts are not released. Clips are noise in the shape of the profile, the rehearsal memory is
warm, and the rate counts clips of the stream, as the paper's does. Each method is measured in a process of its own, so
that one's peak memory does not hide another's, and alone. On one CPU thread the CPU time of the process counts, which
other work on the machine hardly changes; on several, and on a GPU, the clock's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from avbench.config import RunConfig, dump, read_yaml, validate
from avbench.errors import AvbenchError, RunDirectoryError
from avbench.results import stable_hash, write_atomically
from avbench.results.provenance import accelerator_name, package_versions, processor_name

FOLDER = "steps"  # of a sweep's folder
WARM_UP, STEPS = 7, 10  # steps; the warm-up fills a memory of MEMORY_BATCHES batches
MEMORY_BATCHES = 5  # MIR draws five batches of candidates


class StepCost(BaseModel):
    """The cost of one step of a method.

    Attributes:
        clips_per_second: of the stream, from the median of the timed steps.
        peak_bytes: allocated on the GPU, or else resident in the process.
        reserved_bytes: on the GPU, with what PyTorch keeps for later; zero elsewhere.
        units_per_clip: see `avbench.training.compute`; per clip of the stream, in the last step.
        parameters: of the backbone and of whatever the method adds, by name.
        machine: what computed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int
    clips_per_second: float
    peak_bytes: int
    reserved_bytes: int = 0
    on_gpu: bool
    units_per_clip: float
    parameters: dict[str, int] = {}
    machine: str

    @property
    def seconds(self) -> float:
        """The median step's."""
        return self.batch / self.clips_per_second


def step_config(config: RunConfig) -> RunConfig:
    """`config` as far as it decides on the cost of a step: from random weights, with a memory that is soon full."""
    training = config.training.model_copy(update={"base_weights": None})
    options = dict(config.options)
    if "memory" in options:
        options["memory"] = MEMORY_BATCHES * training.batch_size
    return config.model_copy(update={"seed": 0, "training": training, "options": options, "order": "default"})


def measure_apart(config: RunConfig, out: Path, listen: Callable[[], None] = lambda: None) -> StepCost:
    """The cost of a step of `config`, measured in a process of its own or, if that was done on this machine, read.

    Args:
        out: the folder of a sweep, which remembers it.
        listen: called when it is about to be measured.

    Raises:
        RunDirectoryError: the measurement failed, or can't be written.
    """
    asked = step_config(config)
    key = stable_hash([asked.model_dump(mode="json"), processor_name(), package_versions()])[:8]
    path = out / FOLDER / f"{config.bench}-{config.profile}-{config.strategy}-{key}.json"
    if not path.is_file():
        listen()
        _measure_in_process(asked, path)
    return _read(path)


def measure(config: RunConfig, warm_up: int = WARM_UP, steps: int = STEPS) -> StepCost:
    """Median time of a step of `config` and the peak memory of this process so far, or of its GPU."""
    import torch

    from avbench.evaluation.efficiency import peak_memory
    from avbench.training.session import Session, random_wire, with_measured_threads

    config = with_measured_threads(config)
    session = Session(config)
    cuda, batch = session.device.type == "cuda", config.training.batch_size
    template = session.attach(store=[])
    generator = torch.Generator().manual_seed(0)
    wires = [random_wire(config, batch, generator) for _ in range(2)]
    seconds, units = [], 0.0
    clock = time.process_time if not cuda and config.threads == 1 else time.perf_counter
    for step in range(warm_up + steps):
        template.mbatch = wires[step % len(wires)]
        if cuda:
            torch.cuda.synchronize()
            if step == warm_up:
                torch.cuda.reset_peak_memory_stats()
        start, before = clock(), session.compute.units
        with session.compute.counting():
            template.run_iteration()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(clock() - start)
        units = session.compute.units - before
    peak = peak_memory(session.device)
    return StepCost(
        batch=batch,
        clips_per_second=batch / statistics.median(seconds[warm_up:]),
        peak_bytes=peak.cuda_allocated if cuda else peak.process,
        reserved_bytes=peak.cuda_reserved if cuda else 0,
        on_gpu=cuda,
        units_per_clip=units / batch,
        parameters=session.parameters,
        machine=accelerator_name(str(session.device)) or f"{processor_name()}, threads: {torch.get_num_threads()}",
    )


def _measure_in_process(config: RunConfig, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = path.with_suffix(".yaml")
    write_atomically(asked, dump(config))
    command = [sys.executable, "-W", "ignore", "-m", "avbench.step_cost", str(asked), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode or not path.is_file():
        told = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise RunDirectoryError(f"the step of {config.strategy} could not be measured: {told}")


def _read(path: Path) -> StepCost:
    try:
        return StepCost.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise RunDirectoryError(f"{path} is damaged: {error}; delete it, and the step is measured again") from None


def main() -> None:
    """`python -m avbench.step_cost CONFIG OUT`."""
    asked, out = map(Path, sys.argv[1:])
    config: Any = validate(RunConfig, read_yaml(asked), "")
    try:
        write_atomically(out, measure(config).model_dump_json())
    except AvbenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

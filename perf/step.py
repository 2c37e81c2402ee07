"""Clips per second and peak memory of one training step, for every strategy, at the size of a profile.

    python perf/step.py --profile quick                      # on the CPU
    python perf/step.py --profile paper --precision bf16 --batch 9 --steps 50 --device cuda
    python perf/step.py --profile paper --precision bf16 --batch largest --device cuda

How a step is measured is in avbench/step_cost.py. Every strategy replays as many clips as it reads from the stream; the
rate counts clips of the stream only. `largest` searches the largest batch that fits the GPU.

`units` are forward passes of one clip, per clip of the stream, a backward pass counting two: what the cost model of
docs/strategies.md predicts, and what avbench.training.compute counted in the last step. The last columns compare the
time of each strategy with that of the first, and that ratio with the ratio of counted units.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from pathlib import Path
from typing import Any

from avbench import registry, step_cost
from avbench.config import resolve
from avbench.results.step_cost import StepCost
from avbench.step_cost import step_config

MEMORY = 5  # batches: as many as MIR draws, so that any batch size can be measured

# Units a clip of the stream costs, from what each method does (docs/strategies.md); None: no closed form.
COST_MODEL: dict[str, float | None] = {
    "finetune": 3,
    "er": 6,
    "derpp": 6,
    "mir": 19,
    "gmed": 15,
    "cls-er": 7.2,
    "lump": 3,
    "esmer": 7.6,
    "random": None,
    "mats": None,
    "lpis-only": None,
    "rca-only": None,
    "stella": None,
    "stella-plus": None,
}


def measure(options: dict[str, Any], strategy: str, batch: int) -> StepCost:
    """The cost of one strategy's step at this batch, in this process."""
    overrides: list[dict[str, Any]] = [
        {"device": options["device"], "precision": options["precision"], "threads": options["threads"]},
        {"training": {"batch_size": batch}},
    ]
    if "memory" in registry.find("strategies", strategy).load().Config.model_fields:
        overrides.append({"options": {"memory": MEMORY * batch}})
    config = step_config(resolve(strategy, options["bench"], options["profile"], overrides=overrides))
    return step_cost.measure(config, options["warmup"], options["steps"])


def isolated(options: dict[str, Any], strategy: str, batch: int) -> StepCost:
    """`measure` in a fresh process, so that one strategy's peak memory does not hide another's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (options, strategy, batch))


def largest(options: dict[str, Any], strategy: str) -> StepCost:
    """The largest batch, to within an eighth, whose steps fit into the GPU's memory."""
    import torch

    fitting, failing = 0, None
    while failing is None or failing - fitting > max(fitting // 8, 1):
        batch = max(2 * fitting, 8) if failing is None else (fitting + failing) // 2
        try:
            measure(options | {"steps": 3, "warmup": 3}, strategy, batch)
            fitting = batch
        except torch.cuda.OutOfMemoryError:
            failing = batch
        torch.cuda.empty_cache()
    return measure(options, strategy, fitting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strategies", nargs="*", default=list(COST_MODEL))
    parser.add_argument("--bench", default="continual-synth")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--batch", default="48", help="clips of the stream per step, or `largest`")
    parser.add_argument("--steps", type=int, help="that are timed; 10 on a CPU and 100 on a GPU if not given")
    parser.add_argument("--warmup", type=int, help="steps before them; 7 on a CPU and 20 on a GPU if not given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 0 measures what is best")
    parser.add_argument("--json", help="also write the rows to this file")
    options = vars(parser.parse_args())
    cuda = options["device"].startswith("cuda")
    rows: dict[str, StepCost] = {}
    for strategy in options["strategies"]:
        if options["batch"] == "largest":
            rows[strategy] = largest(options, strategy)
        else:
            rows[strategy] = (measure if cuda else isolated)(options, strategy, int(options["batch"]))
    report(options, rows)


def report(options: dict[str, Any], rows: dict[str, StepCost]) -> None:
    """Print a Markdown table, each strategy beside the first."""
    first = next(iter(rows.values()))
    print(f"{options['bench']} {options['profile']}, {options['precision']}, {first.machine}\n")
    columns = ["strategy", "batch", "ms/step", "clips/s", "peak GiB", "reserved GiB", "M parameters", "units: model"]
    columns += ["counted", "time x first", "counted x first", "time over counted"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for strategy, cost in rows.items():
        reserved = f"{cost.reserved_bytes / 2**30:.2f}" if cost.on_gpu else "–"
        time_ratio = first.clips_per_second / cost.clips_per_second
        unit_ratio = cost.units_per_clip / first.units_per_clip
        model = COST_MODEL.get(strategy)
        print(
            f"| {strategy} | {cost.batch} | {1000 * cost.seconds:.1f} | "
            f"{cost.clips_per_second:.1f} | {cost.peak_bytes / 2**30:.2f} | {reserved} | "
            f"{sum(cost.parameters.values()) / 1e6:.2f} | {'–' if model is None else model} | "
            f"{cost.units_per_clip:.2f} | {time_ratio:.2f} | {unit_ratio:.2f} | {time_ratio / unit_ratio:.2f} |"
        )
    if options["json"]:
        content = {"options": options, "rows": {name: cost.model_dump(mode="json") for name, cost in rows.items()}}
        Path(options["json"]).write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Clips per second and peak memory of one training step, for every strategy, at the size of a profile.

    python perf/step.py --profile quick                      # on the CPU
    python perf/step.py --profile paper --precision bf16 --batch 9 --steps 50 --device cuda
    python perf/step.py --profile paper --precision bf16 --batch largest --device cuda

Times are CPU time of one process on the CPU, and by the clock on a GPU. Clips are noise in the shape of the profile,
the rehearsal memory is warm, and every strategy replays as many clips as it reads from the stream; the rate counts
stream clips only. `largest` searches the largest batch that fits the GPU.

`units` are forward passes of one clip, per clip of the stream, a backward pass counting two: what the cost model of
docs/strategies.md predicts, and what avbench.training.compute counted in the last step. The last columns compare the
time of each strategy with that of the first, and that ratio with the ratio of counted units.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from pathlib import Path
from typing import Any

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


def measure(options: dict[str, Any], strategy: str, batch: int) -> dict[str, Any]:
    """Median step time and peak memory of one strategy; runs in a process or on a GPU of its own."""
    import torch

    from avbench import registry
    from avbench.config import resolve
    from avbench.evaluation.efficiency import peak_memory
    from avbench.training.session import Session, random_wire

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    overrides: list[dict[str, Any]] = [
        {"device": options["device"], "precision": options["precision"]},
        {"training": {"batch_size": batch, "base_weights": None}},
    ]
    if registry.find("strategies", strategy).load().Config.model_fields:
        overrides.append({"options": {"memory": max(options["memory"], batch)}})
    config = resolve(strategy, options["bench"], options["profile"], overrides=overrides)
    session = Session(config)
    cuda = session.device.type == "cuda"
    template = session.attach(store=[])
    generator = torch.Generator().manual_seed(0)
    wires = [random_wire(config, batch, generator) for _ in range(2)]
    times = []
    # The CPU time of this process: what else runs on the machine then hardly matters.
    clock = time.perf_counter if cuda else time.process_time
    for step in range(options["warmup"] + options["steps"]):
        template.mbatch = wires[step % len(wires)]
        if cuda:
            torch.cuda.synchronize()
            if step == options["warmup"]:
                torch.cuda.reset_peak_memory_stats()
        start, before = clock(), session.compute.units
        with session.compute.counting():
            template.run_iteration()
        if cuda:
            torch.cuda.synchronize()
        times.append(clock() - start)
        units = (session.compute.units - before) / batch
    seconds = statistics.median(times[options["warmup"] :])
    peak = peak_memory(session.device)
    return {
        "strategy": strategy,
        "batch": batch,
        "seconds_per_step": seconds,
        "units_per_clip": units,
        "clips_per_second": batch / seconds,
        "peak_bytes": peak.cuda_allocated if cuda else peak.process,
        "reserved_bytes": peak.cuda_reserved if cuda else None,
        "parameters": session.parameters,
        "loss": template.read_terms(len(times))["loss"],
    }


def isolated(options: dict[str, Any], strategy: str, batch: int) -> dict[str, Any]:
    """`measure` in a fresh process, so that one strategy's peak memory does not hide another's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (options, strategy, batch))


def largest(options: dict[str, Any], strategy: str) -> dict[str, Any]:
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
    parser.add_argument("--memory", type=int, default=256, help="clips in the rehearsal memory")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 0 leaves PyTorch's choice")
    parser.add_argument("--json", help="also write the rows to this file")
    options = vars(parser.parse_args())
    cuda = options["device"].startswith("cuda")
    rows = []
    for strategy in options["strategies"]:
        if options["batch"] == "largest":
            rows.append(largest(options, strategy))
        else:
            rows.append((measure if cuda else isolated)(options, strategy, int(options["batch"])))
    report(options, rows, cuda)


def report(options: dict[str, Any], rows: list[dict[str, Any]], cuda: bool) -> None:
    """Print a Markdown table, each strategy beside the first."""
    import torch

    machine = torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU, {options['threads']} thread(s)"
    print(f"{options['bench']} {options['profile']}, {options['precision']}, {machine}, torch {torch.__version__}\n")
    columns = ["strategy", "batch", "ms/step", "clips/s", "peak GiB", "reserved GiB", "M parameters", "units: model"]
    columns += ["counted", "time x first", "counted x first", "time over counted"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for row in rows:
        reserved = "–" if row["reserved_bytes"] is None else f"{row['reserved_bytes'] / 2**30:.2f}"
        time_ratio = rows[0]["clips_per_second"] / row["clips_per_second"]
        unit_ratio = row["units_per_clip"] / rows[0]["units_per_clip"]
        model = COST_MODEL.get(row["strategy"])
        print(
            f"| {row['strategy']} | {row['batch']} | {1000 * row['seconds_per_step']:.1f} | "
            f"{row['clips_per_second']:.1f} | {row['peak_bytes'] / 2**30:.2f} | {reserved} | "
            f"{sum(row['parameters'].values()) / 1e6:.2f} | {'–' if model is None else model} | "
            f"{row['units_per_clip']:.2f} | {time_ratio:.2f} | {unit_ratio:.2f} | {time_ratio / unit_ratio:.2f} |"
        )
    if options["json"]:
        content = {"options": options, "machine": machine, "rows": rows}
        Path(options["json"]).write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

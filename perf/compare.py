"""Strategies beside each other on one benchmark: several seeds each, one Markdown table.

    python perf/compare.py finetune er derpp stella --seeds 0 1 2 --jobs 2

Runs that are complete are reused, interrupted ones continued. Each run computes with one thread, `--jobs` at a time.
Numbers are means over seeds of the average of R@1, R@5 and R@10 and of both directions, with 95% t-intervals.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import t as student

from avbench.evaluation.chance import chance_recall
from avbench.results import Results, RunDirectory, stable_hash

COLUMNS = {
    "A": "accuracy",
    "F (paper)": "forgetting_paper",
    "F (official)": "forgetting_official",
    "just learned": "learned",
}


def run(arguments: argparse.Namespace, strategy: str, seed: int) -> Results:
    """The results of one run, trained now if need be."""
    sets = f"-{stable_hash(arguments.sets)[:6]}" if arguments.sets else ""
    directory = arguments.out / f"{arguments.bench}-{arguments.profile}{sets}-{strategy}-seed{seed}"
    if (directory / "config.yaml").exists():
        command = ["resume", str(directory)]
    else:
        command = ["run", "--strategy", strategy, "--bench", arguments.bench, "--profile", arguments.profile]
        command += ["--seed", str(seed), "--threads", "1", "--out", str(directory)]
        command += [word for item in arguments.sets for word in ("--set", item)]
    log = arguments.out / f"{directory.name}.log"
    with log.open("a", encoding="utf-8") as file:
        status = subprocess.run([sys.executable, "-m", "avbench", *command], stdout=file, stderr=file).returncode
    if status:
        raise SystemExit(f"{directory.name} ended with status {status}; see {log}")
    return RunDirectory.open(directory).read_results()


def value(results: Results, name: str) -> float:
    """One summary number of a run: the Avg column, averaged over both directions."""
    return mean(getattr(rows["Avg"], name) for rows in results.summary.values())


def interval(values: Sequence[float]) -> str:
    """Mean and half width of the 95% t-interval."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.2f} ± {half:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strategies", nargs="+")
    parser.add_argument("--bench", default="continual-synth")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="A.B=VALUE")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = [(strategy, seed) for seed in arguments.seeds for strategy in arguments.strategies]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = dict(zip(names, pool.map(lambda name: run(arguments, *name), names), strict=True))
    if len({result.comparability_key for result in results.values()}) > 1:
        raise SystemExit(f"the runs in {arguments.out} were made under different conditions; name another --out")
    first = next(iter(results.values()))
    gallery = sum(task.queries for task in first.tasks)
    chance = mean(chance_recall(k, gallery) for k in (1, 5, 10))
    kind = "SYNTHETIC clips" if first.synthetic else "recordings"
    print(f"{arguments.bench}, profile {arguments.profile}, {kind}, seeds {arguments.seeds}; ", end="")
    print(f"gallery of {gallery} clips, chance {chance:.2f}\n")
    print("| strategy | " + " | ".join(COLUMNS) + " | minutes |")
    print("|---|" + "---|" * (len(COLUMNS) + 1))
    for strategy in arguments.strategies:
        runs = [results[strategy, seed] for seed in arguments.seeds]
        cells = [interval([value(result, name) for result in runs]) for name in COLUMNS.values()]
        minutes = mean(sum(result.efficiency.seconds.values()) for result in runs) / 60
        print(f"| {strategy} | " + " | ".join(cells) + f" | {minutes:.1f} |")
    print(f"\ncomparability key: {first.comparability_key}")


if __name__ == "__main__":
    main()

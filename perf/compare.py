"""Strategies beside each other on one benchmark: several seeds each, one Markdown table.

    python perf/compare.py finetune er derpp stella --seeds 0 1 2 --jobs 2

Runs that are complete are reused, interrupted ones continued. Each run computes with one thread, `--jobs` at a time.
Numbers are means over seeds of the average of R@1, R@5 and R@10 and of both directions, with 95% t-intervals. A method
with teachers has a row for each of its networks. Rows that were made under other conditions than the first strategy's,
such as a larger batch, are marked: they don't compare.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

from avbench.evaluation.chance import chance_recall
from avbench.evaluation.statistics import mean_with_half
from avbench.results import Results, RunDirectory, stable_hash
from avbench.results.comparability import comparable

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


def scores(results: Results, model: str, name: str) -> float | None:
    """One summary number of a network: the Avg column, averaged over both directions; None where undefined."""
    summary = results.summary if model == results.evaluated_model else results.other_models[model].summary
    values = [getattr(rows["Avg"], name) for rows in summary.values()]
    return None if None in values else mean(values)


def interval(values: Sequence[float | None]) -> str:
    """Mean and half width of the 95% t-interval; a dash where a value is undefined."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "–"
    middle, half = mean_with_half(known)
    return f"{middle:.2f}" if half is None else f"{middle:.2f} ± {half:.2f}"


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
    first = next(iter(results.values()))
    gallery = sum(task.queries for task in first.tasks)
    chance = mean(chance_recall(k, gallery) for k in (1, 5, 10))
    kind = "SYNTHETIC clips" if first.synthetic else "recordings"
    print(f"{arguments.bench}, profile {arguments.profile}, {kind}, seeds {arguments.seeds}; ", end="")
    print(f"gallery of {gallery} clips, chance {chance:.2f}\n")
    print("| strategy | " + " | ".join(COLUMNS) + " | units per clip | minutes |")
    print("|---|" + "---|" * (len(COLUMNS) + 2))
    other = False
    for strategy in arguments.strategies:
        runs = [results[strategy, seed] for seed in arguments.seeds]
        marked = not all(comparable(first, result) for result in runs)
        other = other or marked
        for model in [runs[0].evaluated_model, *runs[0].other_models]:
            cells = [interval([scores(result, model, name) for result in runs]) for name in COLUMNS.values()]
            name = strategy if model == "working" else f"{strategy}, {model} model"
            if model == runs[0].evaluated_model:
                minutes = mean(sum(result.efficiency.seconds.values()) for result in runs) / 60
                units = mean(result.efficiency.units_per_clip or 0.0 for result in runs)
                cells += [f"{units:.1f}", f"{minutes:.1f}"]
            else:
                cells += ["", ""]
            print(f"| {name}{' †' if marked else ''} | " + " | ".join(cells) + " |")
    if other:
        print("\n† made under other conditions than the first row; not comparable with it")
    print(f"\ncomparability key: {first.comparability_key}")


if __name__ == "__main__":
    main()

"""Paired differences between one method and the others of a folder of runs, with 95 % intervals over seeds and queries.

    python perf/pairs.py runs/compare --first stella
    python perf/pairs.py runs/compare er derpp --first finetune

The runs are what perf/compare.py makes: one benchmark and profile, any number of methods and seeds. A difference is the
first method minus the other, in points of A and of F; see evaluation/statistics.py. Where one of the two has a single
seed the interval is over queries alone, and marked so.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from avbench.evaluation.run_hits import read_hits
from avbench.evaluation.statistics import Estimate, Hits, difference
from avbench.reports.leaderboard.runs import find_runs


def hits_by_strategy(folder: Path) -> dict[str, Hits]:
    """Which queries each continual method answered, in the order of its seeds; complete runs only."""
    found = find_runs([folder])[0]
    continual = [run for run in found if run.complete and not run.results.joint_stream]
    runs = sorted(continual, key=lambda run: run.config.seed)
    names = dict.fromkeys(run.config.strategy for run in runs)
    return {name: read_hits([run.directory for run in runs if run.config.strategy == name]) for name in names}


def written(one: Estimate) -> str:
    """A difference with its interval, and what the interval leaves out."""
    caution = "" if one.over_seeds else ", one seed: over queries alone"
    return f"{one.value:+.1f} ({one.low:+.1f} to {one.high:+.1f}{caution})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("others", nargs="*", help="all others if not given")
    parser.add_argument("--first", required=True, metavar="STRATEGY")
    arguments = parser.parse_args()
    hits = hits_by_strategy(arguments.folder)
    print(f"{arguments.first} minus | A | F\n---|---|---")
    for name in arguments.others or sorted(hits.keys() - {arguments.first}):
        cells = [difference(hits[arguments.first], hits[name], metric) for metric in ("accuracy", "forgetting")]
        print(f"{name} | " + " | ".join(map(written, cells)))


if __name__ == "__main__":
    main()

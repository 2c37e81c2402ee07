import json
import re
import shlex
from pathlib import Path

import pytest
from pydantic import ValidationError

from avbench.errors import RunDirectoryError
from avbench.results import (
    Caution,
    DirectionResult,
    Efficiency,
    MedianRank,
    MetricSummary,
    PeakMemory,
    Provenance,
    Recall,
    Results,
    TaskCoverage,
    TaskResult,
    parse_results,
)
from avbench.results.schema import how_to_replace

WHERE = Path("runs/x/results.json")


def direction(tasks=2, finished=2):
    rows = [[10.0 * (t + 1) + i for i in range(tasks)] for t in range(finished)]
    ranks = [[1.0 + t + i for i in range(tasks)] for t in range(finished)]
    recall = {f"R@{k}": Recall(before=[1.0] * tasks, after=rows) for k in (1, 5, 10)}
    return DirectionResult(recall=recall, median_rank=MedianRank(before=[3.0] * tasks, after=ranks))


def example(**changes):
    values = {
        "status": "complete",
        "strategy": "stella",
        "bench": "continual-synth",
        "profile": "quick",
        "seed": 3,
        "order": "default",
        "synthetic": True,
        "tasks": [TaskResult(id=name, title=name, classes=4, train_clips=9, queries=5) for name in ("sports", "music")],
        "directions": {"audio2video": direction(), "video2audio": direction()},
        "summary": {"audio2video": {"R@1": MetricSummary(accuracy=20.0, forgetting_paper=-1.5, learned=15.0)}},
        "efficiency": Efficiency(
            clips_per_second=12.5, seconds={"training": 1.0}, peak_memory_bytes=PeakMemory(process=5), steps=4
        ),
        "coverage": {"train": [TaskCoverage(listed=10, usable=9, unreadable=1), TaskCoverage(listed=9, usable=9)]},
        "quarantined": {"abc": ("no-audio", "abc has no sound")},
        "warnings": [Caution(code="synthetic", message="made-up clips")],
        "provenance": Provenance(command="avbench run", threads=2),
        "comparability_key": "0123456789abcdef",
    }
    return Results.model_validate(values | changes)


def test_round_trip():
    results = example()
    assert parse_results(results.to_json(), WHERE) == results


def test_a_run_that_has_just_begun_is_valid():
    results = Results(
        status="running", strategy="er", bench="b", profile="quick", seed=0, order="default", synthetic=False
    )
    assert parse_results(results.to_json(), WHERE) == results
    assert results.finished_experiences == 0
    assert example().finished_experiences == 2


def test_quarantine_accepts_the_pair_that_benchmarks_keep():
    entry = example().quarantined["abc"]
    assert (entry.reason, entry.message) == ("no-audio", "abc has no sound")


def test_a_newer_schema_is_refused_with_the_remedy():
    newer = json.loads(example().to_json()) | {"schema_version": 2, "something_new": 1}
    with pytest.raises(RunDirectoryError, match=r"newer avbench.*update avbench"):
        parse_results(json.dumps(newer), WHERE)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '{"status": "complete"}', '{"schema_version": "x"}'),
        *("[" * 100_000, '{"a": ' * 100_000, "9" * 5000, '{"schema_version": ' + "9" * 5000 + "}"),
    ],
    ids=lambda text: text[:20],
)
def test_damaged_text_is_one_error_that_names_the_file_and_the_remedy(text):
    with pytest.raises(RunDirectoryError, match=r"results\.json.*avbench run --config runs/x/config\.yaml"):
        parse_results(text, WHERE)


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"directions": {"audio2video": direction(tasks=3)}},
        {"directions": {"audio2video": direction(finished=3)}},
        {"directions": {"sideways": direction()}},
    ],
    ids=["unknown key", "wrong width", "too many rows", "unknown direction"],
)
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(ValidationError):
        example(**changes)


@pytest.mark.parametrize("value", [-0.1, 100.1, float("nan"), float("inf")])
def test_recall_is_a_percentage(value):
    with pytest.raises(ValidationError):
        Recall(before=[value])


@pytest.mark.parametrize(
    "changes",
    [
        *({"seed": -5}, {"limit": 0}, {"limit": -1}),
        *({"comparability_key": key} for key in ("<b>", "0123456789ABCDEF", "0123456789abcdef\n")),
    ],
)
def test_what_no_run_can_have_is_refused(changes):
    with pytest.raises(ValidationError):
        example(**changes)


@pytest.mark.parametrize(
    ("place", "again"), [("runs/x", "runs/x-again"), ("/data/a b", "'/data/a b-again'"), (".", f"{Path.cwd()}-again")]
)
def test_the_remedy_names_a_folder_that_is_not_taken(place, again):
    command = re.search("`(.*)`", how_to_replace(Path(place) / "results.json")).group(1)
    words = shlex.split(command)
    assert words[:2] == ["avbench", "run"] and words[3] == str(Path(place) / "config.yaml")
    assert command.endswith(f" --out {again}")

"""What a run writes down beside its scores: whose clips the memory held, what sounds, where the time went."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny_run import STEPS, TINY, options

import avbench
from avbench.config import merge
from avbench.evaluation.examples import load_examples
from avbench.evaluation.similarity import load
from avbench.results import RunDirectory
from avbench.training import checkpoint as checkpoints


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> avbench.Run:
    return avbench.run(
        "er", "continual-synth", out=tmp_path_factory.mktemp("runs") / "run", **merge(TINY, options("er"))
    )


def test_the_memory_is_counted_after_every_experience(run: avbench.Run) -> None:
    held = run.results.rehearsal
    newest = checkpoints.latest(run.directory / "checkpoints")
    assert newest is not None
    memory = checkpoints.load(newest).state["memory"]
    counts = Counter(clip_id.split("-")[1] for clip_id in memory["clip_ids"])  # train-TASK-CLASS-INDEX
    order = [task.id for task in run.results.tasks]
    assert len(held.occupancy) == 8 and sum(held.occupancy[-1]) == len(memory["clip_ids"]) == 12
    assert sorted(counts.values()) == sorted(count for count in held.occupancy[-1] if count)
    assert held.distinct[-1] == len(set(memory["clip_ids"]))
    for number, row in enumerate(held.occupancy):
        assert not any(row[number + 1 :]), f"clips of tasks after {order[number]} before they were seen"
    assert held.visits == [18 * count for count in range(1, 9)]  # six clips in three epochs
    assert held.accepted[-1] == memory["accepted"] and held.accepted == sorted(held.accepted)


def test_every_step_says_what_was_accepted(run: avbench.Run) -> None:
    steps = run.numbers()["training"]["step"]
    events = [event for event in RunDirectory.open(run.directory).journal.read() if event["event"] == "step"]
    assert steps == list(range(1, STEPS + 1))
    assert [event["memory_visits"] for event in events] == [6 * step for step in steps]
    assert events[1]["memory_accepted"] == 12


def test_the_time_of_a_step_is_told_apart(run: avbench.Run) -> None:
    seconds = run.results.efficiency.seconds
    assert set(seconds) == {"data", "forward", "backward", "strategy", "update", "evaluation"}
    assert all(value > 0 for value in seconds.values())


def test_examples_can_be_heard_and_embeddings_are_kept(run: avbench.Run) -> None:
    examples = load_examples(run.directory / "examples").examples
    clips = [clip for one in examples for clip in (one.query, *(neighbour.clip for neighbour in one.neighbours))]
    assert clips and all(
        clip.sound and (run.directory / "examples" / clip.sound).stat().st_size < 6000 for clip in clips
    )
    for number in (0, 8):
        saved = load(run.directory / "similarity" / f"after-{number:02d}.npz")
        assert saved.embeddings["audio"].shape == saved.embeddings["video"].shape == (24, 16)


def test_the_report_shows_them(run: avbench.Run) -> None:
    text = Path(run.report()).read_text(encoding="utf-8")
    assert text.count("<audio") == 8
    for section in ("memory", "gap", "cost"):
        assert f'<section id="{section}">' in text
    assert "embeddings-projected.csv" in text and "memory-acceptance.csv" in text

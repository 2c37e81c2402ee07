"""`avbench reproduce`: what it lists, refuses, plans, and how it ends."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer.testing

from avbench.cli.app import app
from avbench.cli.options import Choices
from avbench.cli.sweep_progress import SweepProgress
from avbench.errors import AvbenchError, Interrupted, UsageError
from avbench.reports.paper.catalogue import ITEMS
from avbench.results import config_hash
from avbench.sweeps import reproduction
from avbench.sweeps.reproduction import Request, runs_of
from avbench.sweeps.sweep import Outcome


def call(*arguments: str) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, ["reproduce", *arguments])


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_the_list_names_every_item_and_its_runs(arguments):
    said = call(*arguments, "--seeds", "2").output
    for item in ITEMS.values():
        assert item.name in said and item.title in said
        assert f"{2 * len(item.variants)} runs" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tabel1"], "did you mean 'table1'?"),
        (["nonsense"], "avbench reproduce list"),
        (["table4", "--task-root", "retrieval"], "is not of the form TASK=DIR"),
        (["table4", "--task-root", "retreival=/data"], "did you mean 'retrieval'?"),
        (["table1", "figure66"], "did you mean 'figure6'?"),
        (["table1", "--jobs", "0"], "at least one run at a time"),
        (["table1", "--seeds", "0", "--plan"], "at least one repetition"),
        (["table1", "--seeds", "99999999999", "--plan"], "at most 1,000"),
        (["table1", "--strategies", " ,", "--plan"], "--strategies names none"),
        (["table1", "--task-root", "retrieval=/", "--plan"], "no item that was asked for is judged by retrieval"),
        (["table4", "--task-root", "retrieval=/nowhere", "--plan"], "there is no folder '/nowhere'"),
        (["table1", "--strategies", "random", "--plan"], "table1 has no row of 'random'"),
        (["table1", "--strategies", "stela", "--plan"], "did you mean 'stella'?"),
        (["table1", "--bench", "continual-synt", "--plan"], "did you mean 'continual-synth'?"),
        (["table1", "--profile", "tiny", "--plan"], "has no profile 'tiny'"),
        (["table1", "--set", "training.epoch=1", "--plan"], "Finetune (finetune)"),
        (["table1", "--set", "seed=3", "--plan"], "chosen with --seeds"),
        (["table7", "--set", "order=default", "--plan"], "in which order its tasks come"),
        (["table10", "--set", "options.temperature=1", "--plan"], "varies options.temperature itself"),
        (["figure12", "--set", "options.memory=8", "--plan"], "varies options.memory itself"),
        (["table1", "--data-root", "/nowhere"], "makes its own clips"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be_is_one_clear_message(arguments, said):
    done = call(*arguments)
    assert isinstance(done.exception, UsageError) and done.exception.exit_code == 2
    assert said in str(done.exception)


@pytest.mark.parametrize("name", ["table7", "table10", "figure9", "figure12", "flava-figure11"])
def test_the_planned_commands_give_the_very_configurations(name, tmp_path):
    request = Request("continual-synth", "quick", 1, ("training.epochs=2",))
    expected = {run.name: run for runs in runs_of(ITEMS[name], request).values() for run in runs}
    said = call(name, "--seeds", "1", "--set", "training.epochs=2", "--plan", "--out", str(tmp_path / "a b"))
    commands = [shlex.split(line) for line in said.stdout.splitlines() if line.startswith("avbench run")]
    assert len(commands) == len(expected) and not (tmp_path / "a b").exists()
    for command in commands:
        given = {option: value for option, value in zip(command[2::2], command[3::2], strict=True) if option != "--set"}
        sets = [value for option, value in zip(command[2::2], command[3::2], strict=True) if option == "--set"]
        values = {"seed": int(given["--seed"]), "order": given.get("--order"), "threads": int(given["--threads"])}
        chosen = Choices(given["--bench"], given["--strategy"], given["--profile"], sets=sets, values=values)
        run = expected[Path(given["--out"]).name]
        assert Path(given["--out"]) == run.folder(tmp_path / "a b")
        assert config_hash(chosen.for_run()) == config_hash(run.config)


def test_a_limit_and_a_choice_of_strategies_reach_every_run(tmp_path):
    said = call(
        "table1", "--strategies", "finetune,er", "--limit", "6", "--seeds", "2", "--plan", "--out", str(tmp_path)
    )
    lines = said.stdout.splitlines()
    assert len([line for line in lines if "--set limit=6" in line]) == 4
    assert {word for line in lines for word in line.split() if word in ("finetune", "er", "stella")} == {
        "finetune",
        "er",
    }


class Done:
    """A reproduction that ends as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
        pages = {} if outcome.stopped else {"table1": Path("somewhere/table1.html")}
        result = reproduction.Reproduction(pages, outcome)
        monkeypatch.setattr(reproduction, "reproduce", lambda *arguments: result)


def test_a_stop_is_told_apart_from_a_failure(monkeypatch, tmp_path):
    Done(monkeypatch, Outcome(stopped=True))
    done = call("table1", "--out", str(tmp_path))
    assert isinstance(done.exception, Interrupted) and done.exception.exit_code == 75
    assert "the same command goes on" in str(done.exception)
    Done(monkeypatch, Outcome(failed={"x": "y"}))
    done = call("table1", "--out", str(tmp_path))
    assert done.exit_code == 1 and "somewhere/table1.html" in done.output and "1 of the runs failed" in done.output
    Done(monkeypatch, Outcome())
    assert call("table1", "--out", str(tmp_path)).exit_code == 0


def test_progress_is_plain_lines_without_control_characters(capsys):
    from rich.console import Console

    clock = iter(range(0, 1000, 40))
    shown = SweepProgress(Console(width=200), lambda: float(next(clock)))
    active = [{"name": "one\x1b[31m", "seconds": 9.0}, {"name": "two", "seconds": 9.0, "step": 3, "total_steps": 8}]
    for event in (
        {"event": "sweep_started", "total": 3, "complete": 1, "waiting": 2},
        {"event": "started", "name": "one\x1b[31m", "resumed": True},
        *({"event": "working", "active": active} for _ in range(4)),
        {"event": "finished", "name": "two", "seconds": 75.0},
        {"event": "failed", "name": "one", "reason": "no [bold]luck\n[/]"},
        {"event": "measuring", "name": "er"},
        {"event": "rendering", "name": "table1"},
    ):
        shown(event)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "3 runs, 1 of them complete already" in said and "two  after 1:15, 2 of 3 done" in said
    assert said.count("step 3 of 8") in (1, 2)  # not at every event
    assert "one: no [bold]luck [/]" in said


def test_errors_are_those_of_the_command_line():
    for error in (UsageError, Interrupted):
        assert issubclass(error, AvbenchError)

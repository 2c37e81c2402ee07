import subprocess
from pathlib import Path

from avbench.config import RunConfig
from avbench.plugins.plugin import Plugin
from avbench.results import collect_provenance
from avbench.results.provenance import describe_command, git_state, package_versions


def test_the_command_can_be_repeated_but_tells_no_folders():
    arguments = [
        "/home/ada/.venv/bin/avbench",
        "run",
        "--data-root",
        "/home/ada/my clips",
        "--set",
        "data.csv=/home/x.csv",
    ]
    described = describe_command([*arguments, "--out=~/runs/a", "--set", "training.epochs=3", "runs/b"])
    assert described.startswith("avbench run --data-root '.../my clips' --set data.csv=.../x.csv")
    assert described.endswith("--set training.epochs=3 runs/b")
    assert "ada" not in described and "/home" not in described and "~" not in described


def test_everything_is_filled_in():
    config = RunConfig(strategy="er", bench="continual-synth")
    provenance = collect_provenance(config, "cpu", 2, "clips", "3", command=["avbench", "run"])
    assert provenance.command == "avbench run" and provenance.device == "cpu" and provenance.threads == 2
    assert provenance.accelerator is None and provenance.finished is None
    assert provenance.platform and provenance.processor and provenance.config_hash
    assert {"python", "avbench", "torch", "avalanche-lib", "numpy"} <= set(package_versions())
    assert str(Path.home()) not in provenance.model_dump_json()


def test_versions_of_third_parties_are_told_those_of_a_downstream_task_too():
    config = RunConfig(strategy="er", bench="continual-synth")
    task = Plugin("downstream", "theirs", "their_tasks:Task", "their-tasks", "2.1")
    found = collect_provenance(config, "cpu", 1, "clips", "3", plugins=[task]).versions
    assert found["their-tasks"] == "2.1"
    assert collect_provenance(config, "cpu", 1, "clips", "3").versions == {
        name: version for name, version in found.items() if name != "their-tasks"
    }


def test_git_state_of_a_checkout_and_of_none(tmp_path):
    assert git_state(tmp_path) == (None, None)
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    commit, dirty = git_state(tmp_path)
    assert commit is not None and len(commit) == 40 and dirty is False
    (tmp_path / "new").write_text("x")
    assert git_state(tmp_path) == (commit, True)

"""The command line as a process of its own: what it loads, how long it takes, how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "avalanche", "numpy", "matplotlib")
# Runs the command line, then tells on stdout's last line which heavy modules it has loaded and what it cost.
WATCHED = f"""
import json, sys, time
start = time.process_time()
from avbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    status = left.code or 0
heavy = [name for name in {HEAVY} if name in sys.modules]
print()
print(json.dumps({{"status": status, "heavy": heavy, "seconds": time.process_time() - start}}))
"""


def call(*command, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "pretrain"),
        (["run", "--help"], 0, "--strategy"),
        (["list", "strategies"], 0, "stella"),
        (["list", "benchmarks"], 0, "continual-synth"),
        (["list", "profiles"], 0, "quick"),
        (["run", "--strategy", "stela", "--bench", "continual-synth"], 2, "did you mean 'stella'?"),
        (["run", "--strategy", "stella", "--bench", "continual-synt"], 2, "did you mean 'continual-synth'?"),
        (["run", "--sed", "1"], 2, "--seed"),
        (["run", "--strategy", "er", "--bench", "continual-synth", "--set", "training.epoch=1"], 2, "'epochs'"),
        (["run", "--strategy", "er", "--bench", "continual-synth", "--profile", "tiny"], 2, "standard"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_quick_answers_load_nothing_heavy_and_take_less_than_a_second(arguments, status, said):
    for _ in range(3):  # processor time, up to three tries: other work on the machine is not what is measured
        done = call("-c", WATCHED, *arguments)
        facts = json.loads(done.stdout.splitlines()[-1])
        assert facts["status"] == status and said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert facts["heavy"] == []
        if facts["seconds"] < 1.0:
            return
    pytest.fail(f"took {facts['seconds']:.1f} s")


def test_module_and_command_are_the_same():
    done = call("-m", "avbench", "--version")
    assert done.returncode == 0 and done.stdout.startswith("avbench ")


def test_a_terminal_without_unicode_is_served():
    arguments = ["run", "--strategy", "stellä\x1b[31m", "--bench", "continual-synth"]
    done = call("-m", "avbench", *arguments, PYTHONIOENCODING="ascii")
    assert done.returncode == 2 and "there is no strategy called" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_reader_that_leaves_early_is_no_crash():
    command = f"{sys.executable} -m avbench --help | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=60)
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["list", "strategies"], ["reproduce", "list"], ["--help"]])
def test_output_that_no_disk_has_room_for_is_one_clear_message(arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "avbench", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: what this command says can't be written to standard output: No space left on device\n"

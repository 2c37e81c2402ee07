"""A third party's method from its first file to its report, in an environment of its own; and a broken one beside it.

The environment is a real one: a virtual environment that also sees what this one has, into which the generated package
is installed as its author would, `pip install --editable`, only without the network.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from third_parties import TINY, write_distribution

import avbench
from avbench.results.directory import RunDirectory

ROOT = Path(avbench.__file__).resolve().parent.parent
METHOD = '''
"""Faithful pairs: what is replayed shall keep its two modalities together."""

from pydantic import Field as Option
from torch import Tensor
from torch.nn.functional import cosine_similarity

from avbench.training.strategy import AudioVideoStrategy, ReplayConfig, Step


class FaithfulPairsConfig(ReplayConfig):
    weight: float = Option(0.1, ge=0)


class FaithfulPairs(AudioVideoStrategy):
    Config = FaithfulPairsConfig

    def penalty(self, step: Step) -> dict[str, Tensor]:
        if step.replay is None:
            return {}
        count, out = len(step.stream), step.output
        together = cosine_similarity(out.z_audio[count:].float(), out.z_video[count:].float())
        return {"apart": self.config.weight * (1 - together).mean()}
'''
# 24 steps, saved all the time.
SCHEDULE = {
    "training": TINY["training"] | {"epochs": 3, "checkpoint_minutes": 0.001},
    "options": {"memory": 12},
}


class Environment:
    """A virtual environment, and the author's folder, from which everything is called."""

    def __init__(self, folder: Path) -> None:
        self.folder, venv = folder, folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        self.python = venv / "bin" / "python"
        paths = {"base": str(venv), "platbase": str(venv)}
        self.packages = Path(sysconfig.get_path("purelib", vars=paths))
        seen = "".join(f"import site; site.addsitedir({path!r})\n" for path in sys.path if path.endswith("-packages"))
        (self.packages / "parent.pth").write_text(seen)
        (folder / "tiny.yaml").write_text(json.dumps(TINY | SCHEDULE))
        self.variables = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            "AVBENCH_CACHE": str(folder / "cache"),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(self.python), "-m", "avbench", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.variables, **pipes)  # type: ignore[call-overload,no-any-return]

    def avbench(self, *arguments: str, status: int = 0) -> str:
        """What the command says on stdout and stderr, once it has left with `status`."""
        process = self.start(*arguments)
        said = "".join(process.communicate(timeout=300))
        assert process.returncode == status, said
        return said

    def install(self, package: str) -> None:
        """As its author would, `pip install --editable PACKAGE`, from what is here already."""
        offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *offline, "--editable", package]
        subprocess.run(pip, cwd=self.folder, check=True, capture_output=True)

    def run(self, out: str) -> tuple[str, ...]:
        return (
            *("run", "--strategy", "faithful-pairs", "--bench", "continual-synth", "--config", "tiny.yaml"),
            *("--out", out),
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the package that `plugins new` writes installed, its method exchanged for another."""
    made = Environment(tmp_path_factory.mktemp("author"))
    made.avbench("plugins", "new", "faithful-pairs")
    made.install("faithful-pairs")
    (made.folder / "faithful-pairs" / "avbench_faithful_pairs" / "strategy.py").write_text(METHOD)
    return made


def steps_done(directory: Path) -> int:
    journal = directory / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    return sum('"event": "step"' in line or '"event":"step"' in line for line in lines)


@pytest.fixture(scope="module")
def run(environment: Environment) -> Path:
    """The directory of a run that was stopped on the way, and resumed."""
    directory, process = environment.folder / "run", environment.start(*environment.run("run"))
    deadline = time.monotonic() + 300
    while steps_done(directory) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = "".join(process.communicate(timeout=300))
    assert process.returncode == 75 and "avbench resume" in said, said
    assert 3 <= steps_done(directory) < 24
    environment.avbench("resume", "run")
    return directory


def test_a_generated_package_is_listed_runs_resumes_and_is_reported(environment: Environment, run: Path) -> None:
    (row,) = [line for line in environment.avbench("list", "strategies").splitlines() if "faithful-pairs" in line]
    assert "Experience replay that counts" in row and "avbench-faithful-pairs 0.1.0" in row
    results = RunDirectory.open(run).read_results()
    assert (results.strategy, results.status, results.efficiency.steps) == ("faithful-pairs", "complete", 24)
    assert '"apart"' in (run / "journal.jsonl").read_text(), "its own term is logged"
    assert "faithful-pairs" in (run / "report.html").read_text(encoding="utf-8")


def test_a_broken_plugin_beside_it_disturbs_nothing(environment: Environment, run: Path) -> None:
    claims = {"no-import": "broken_a:Method", "no-strategy": "broken_b:Method", "derpp": "broken_b:Method"}
    files = {"broken_a.py": "import no_such_module", "broken_b.py": "Method = dict"}
    write_distribution(environment.packages, "broken-dist", claims, files, version="6.6")
    listed = environment.avbench("list", "strategies")
    assert all(name in listed for name in ("faithful-pairs", "no-import", "no-strategy", "stella"))
    told = environment.avbench("plugins")
    status = {line.split()[0]: line.split()[-1] for line in told.splitlines() if line}
    assert (status["faithful-pairs"], status["no-import"], status["no-strategy"]) == ("ok", "broken", "broken")
    assert "'no-import' (broken_a:Method, from broken-dist 6.6) can't be loaded: ModuleNotFoundError" in told
    assert "'no-strategy' (broken_b:Method, from broken-dist 6.6) is no strategy" in told
    assert "'derpp' is registered 2 times" in told and "broken_b:Method from broken-dist 6.6" in told
    environment.avbench(*environment.run("beside"))
    alone, beside = (RunDirectory.open(path).read_results() for path in (run, environment.folder / "beside"))
    assert alone.directions == beside.directions


@pytest.mark.slow
def test_the_package_passes_its_own_test_as_it_is_generated(environment: Environment) -> None:
    environment.avbench("plugins", "new", "as-generated")
    environment.install("as-generated")
    command = [str(environment.python), "-m", "pytest", "-q", "as-generated"]
    done = subprocess.run(command, cwd=environment.folder, env=environment.variables, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr

"""docs/write-a-strategy.md does what it says: its files are written, its commands run, its method works."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from third_parties import TINY

import avbench
from avbench import registry

Install = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]
TUTORIAL = Path(avbench.__file__).resolve().parent.parent / "docs" / "write-a-strategy.md"
TEXT = TUTORIAL.read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w/.-]+)`:\n\n```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


class Author:
    """Does what the page says, in this process."""

    def __init__(self, folder: Path, install: Install, avbench_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.install, self.call, self.monkeypatch = folder, install, avbench_call, monkeypatch
        (folder / "tiny.yaml").write_text(json.dumps(TINY))
        monkeypatch.chdir(folder)
        monkeypatch.setenv("AVBENCH_CACHE", str(folder / "cache"))

    def do(self, line: str) -> str:
        """One command of the page; what it says."""
        program, *arguments = shlex.split(line)
        if program.startswith("AVBENCH_PLUGINS="):
            with self.monkeypatch.context() as patch:
                patch.setenv(*program.split("=", 1))
                return self.do(shlex.join(arguments))
        if program == "avbench":
            smaller = ["--config", "tiny.yaml"] if arguments[0] == "run" else []
            status, out, err = self.call(*arguments, *smaller)
            assert status == 0, err
            return out
        if program == "pytest":
            importlib.reload(importlib.import_module("avbench_steady_pairs.strategy"))
            return self._pytest(self.folder / arguments[0] / "tests" / "test_conformance.py")
        assert (program, *arguments[:2]) == ("pip", "install", "--editable")
        return self._install(self.folder / arguments[2])

    def _pytest(self, file: Path) -> str:
        names: dict[str, Any] = {}
        exec(compile(file.read_text(), str(file), "exec"), names)
        tests = [value for name, value in names.items() if name.startswith("test_")]
        for test in tests:
            test()
        return f"{len(tests)} passed"

    def _install(self, package: Path) -> str:
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        self.install(project["name"], project["entry-points"]["avbench.strategies"], version=project["version"])
        self.monkeypatch.syspath_prepend(str(package))
        return ""


@pytest.fixture
def author(tmp_path: Path, install: Install, avbench_call: Call, monkeypatch: pytest.MonkeyPatch) -> Author:
    return Author(tmp_path, install, avbench_call, monkeypatch)


def test_the_tutorial_from_its_first_command_to_its_last(author: Author) -> None:
    before, after = COMMANDS[: COMMANDS.index("pytest steady-pairs") + 1], COMMANDS[len(COMMANDS) - 5 :]
    assert [*before, *after] == COMMANDS
    for line in before:
        said = author.do(line)
    assert said == "1 passed", "the package as it is generated"
    for path, _, content in FILES:
        target = author.folder / "steady-pairs" / path
        assert target.is_file(), "the page replaces files that were generated"
        target.write_text(content)
    said_by = {line: author.do(line) for line in after}
    assert said_by["pytest steady-pairs"] == "1 passed"
    listed = said_by["avbench list strategies"]
    assert "steady-pairs" in listed and "Replayed clips keep sound and picture" in listed
    assert "avbench-steady-pairs 0.1.0" in listed
    assert "This run was complete already" in said_by["avbench resume runs/steady"]
    assert "draft" in said_by[COMMANDS[-1]] and "AVBENCH_PLUGINS" in said_by[COMMANDS[-1]]
    run = avbench.Run(author.folder / "runs" / "steady")
    assert (run.results.strategy, run.results.status) == ("steady-pairs", "complete")
    assert run.config.options == {"memory": 160, "replay_loss": "joint", "variant": "stella", "weight": 0.5}
    assert '"drift"' in (run.directory / "journal.jsonl").read_text()
    assert (run.directory / "report.html").is_file()
    registry.find("strategies", "steady-pairs").check()


def test_nothing_on_the_page_is_left_unexecuted() -> None:
    shown = [block for kind, block in BLOCKS if kind in ("python", "yaml")]
    assert shown == [content for _, _, content in FILES]
    assert [path for path, _, _ in FILES] == [
        "avbench_steady_pairs/strategy.py",
        "tests/test_conformance.py",
        "avbench_steady_pairs/strategy.yaml",
    ]


def test_the_method_has_about_thirty_lines() -> None:
    (code,) = [content for path, _, content in FILES if path.endswith("strategy.py")]
    assert 20 <= sum(bool(line.strip()) for line in code.splitlines()) <= 32


def test_the_page_names_hooks_files_and_checks_that_there_are() -> None:
    from avbench.testing import CHECKS
    from avbench.training.strategy import AudioVideoStrategy

    for hook in re.findall(r"^\| `(\w+)\(.*?\)` \|", TEXT, re.MULTILINE):
        assert callable(getattr(AudioVideoStrategy, hook))
    assert re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE) == list(CHECKS)
    for path in re.findall(r"`((?:avbench|strategies)/[\w/]+\.py)`", TEXT):
        assert (TUTORIAL.parent.parent / path).is_file(), path

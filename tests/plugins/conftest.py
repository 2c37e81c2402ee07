"""An environment with third parties' distributions in it, and the command line on top."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from third_parties import write_distribution

Install = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(name, strategies, files, ...)` puts a distribution into this process's environment for the test."""
    before = set(sys.modules)

    def make(name: str, *arguments: object, **values: object) -> Path:
        folder = tmp_path / "site" / str(len(list(tmp_path.glob("site/*"))))
        write_distribution(folder, name, *arguments, **values)  # type: ignore[arg-type]
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield make
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


@pytest.fixture
def avbench_call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line; returns exit status, stdout and stderr."""
    from avbench.cli import main

    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return call

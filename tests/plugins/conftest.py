"""Third parties' distributions, as an installer would leave them: modules, and metadata beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Install = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]


def write_distribution(
    folder: Path,
    name: str,
    strategies: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    version: str = "1.0",
    entry_points: str | None = None,
) -> None:
    """Write a distribution into `folder`: `strategies` by name -> target, and its other `files`."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{key} = {target}\n" for key, target in (strategies or {}).items())
    (metadata / "entry_points.txt").write_text(entry_points or f"[avbench.strategies]\n{lines}")
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


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

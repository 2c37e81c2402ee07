"""A wheel holds every module and every file that modules read: what is there is what is listed in pyproject.toml."""

from __future__ import annotations

import inspect
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement

import avbench

ROOT = Path(avbench.__file__).resolve().parent.parent
ROOMS = {"avbench": "avbench"} | {
    name: f"avbench.{name}" for name in ("benchmarks", "evaluation", "reports", "strategies")
}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    """What pyproject.toml says."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("an installed avbench has no pyproject.toml")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def setuptools(pyproject: dict[str, Any]) -> dict[str, Any]:
    """The section of the build backend."""
    settings: dict[str, Any] = pyproject["tool"]["setuptools"]
    return settings


def packages() -> dict[str, Path]:
    """Every package of the source tree: its import name and its folder."""
    found = {}
    for room, name in ROOMS.items():
        for init in (ROOT / room).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / room).parts
            found[".".join([name, *inside])] = init.parent
    return found


def test_every_package_is_listed_and_every_listed_one_is_there(setuptools: dict[str, Any]) -> None:
    assert set(setuptools["packages"]) == set(packages())


def test_every_file_beside_the_modules_is_listed(setuptools: dict[str, Any]) -> None:
    data, folders = setuptools["package-data"], packages()
    missing = []
    for room in ROOMS:
        for file in (ROOT / room).rglob("*"):
            if not file.is_file() or file.suffix in (".py", ".pyc"):
                continue
            home = max((name for name, folder in folders.items() if file.is_relative_to(folder)), key=len)
            path = file.relative_to(folders[home]).as_posix()
            if not any(fnmatch(path, pattern) for pattern in data.get(home, [])):
                missing.append(f"{home}: {path}")
    assert not missing


def test_every_numpy_that_may_be_installed_refuses_to_pickle(pyproject: dict[str, Any]) -> None:
    """Before 2.2, `savez(allow_pickle=False)` stored an array of that name, and pickled objects all the same."""
    needed = {one.name: one.specifier for one in map(Requirement, pyproject["project"]["dependencies"])}
    assert "2.2.0" in needed["numpy"] and "2.1.3" not in needed["numpy"]
    assert all("allow_pickle" in inspect.signature(save).parameters for save in (np.savez, np.savez_compressed))

"""`avbench plugins new`: a package with one strategy that works as it is, to be changed into a method."""

from __future__ import annotations

import keyword
import os
import re
import shutil
from importlib import resources
from pathlib import Path
from string import Template

import avbench
from avbench import registry
from avbench.errors import UsageError
from avbench.wording import shortened

METHOD_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40
# What the strategy file imports or Python itself calls by these names.
TAKEN = {"AudioVideoStrategy", "Option", "Replay", "ReplayConfig", "Step", "Tensor"}


def write_package(name: str, folder: Path) -> Path:
    """Write the package of a method called `name` into the new folder `folder`, whole or not at all.

    Raises:
        UsageError: the name can't be one or is taken, the folder is there already, or can't be written.
    """
    values = _values(name)
    try:
        if os.path.lexists(folder):  # also `/`, and `.`, which an empty name stands for
            raise UsageError(f"{folder} exists already; name another folder with --out")
        _write(_files(values), folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"can't write the package {shortened(str(folder))}: {reason}; name another --out") from None
    return folder


def _write(files: dict[str, str], folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        for path, text in files.items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _values(name: str) -> dict[str, str]:
    if not METHOD_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{shortened(name)} can't be the name of a method: use at most {LONGEST_NAME} lower-case letters and "
            "digits, words separated by single hyphens, such as my-method"
        )
    known = registry.plugins("strategies").get(name)
    if known is not None:
        raise UsageError(f"there is a strategy {name!r} already, from {known.origin()}; choose another name")
    kind = "".join(word.capitalize() for word in name.split("-"))
    if kind in TAKEN or keyword.iskeyword(kind):
        raise UsageError(f"a class {kind} would stand in the way of Python or avbench; choose another name")
    version = ".".join(avbench.__version__.split(".")[:2])
    package = f"avbench_{name.replace('-', '_')}"
    return {"name": name, "kind": kind, "package": package, "distribution": f"avbench-{name}", "avbench": version}


def _files(values: dict[str, str]) -> dict[str, str]:
    """The content of every file by its path in the package."""
    package = values["package"]
    templates = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{package}/__init__.py": "init.py",
        f"{package}/strategy.py": "strategy.py",
        f"{package}/strategy.yaml": "strategy.yaml",
        "tests/test_conformance.py": "test_conformance.py",
    }
    folder = resources.files("avbench.plugins") / "template"
    return {
        path: Template((folder / f"{name}.txt").read_text(encoding="utf-8")).substitute(values)
        for path, name in templates.items()
    }

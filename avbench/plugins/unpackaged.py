"""Plugins under development: `AVBENCH_PLUGINS=path.py:Class` instead of a package with an entry point.

Several are separated by commas, or as paths are on this system; each is `[NAME=]FILE.py:Class`, with `benchmarks/` or
`downstream/` before it where it is no strategy. Without a name the class gives it, `MyMethod` becoming `my-method`. The
file is imported as a module of its own; what it imports must be importable anyway, since its folder is not searched.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Literal, get_args

from avbench.paths import absolute

VARIABLE = "AVBENCH_PLUGINS"
PREFIX = "avbench.plugins.unpackaged_"
FORM = "[NAME=]FILE.py:Class, with benchmarks/ or downstream/ before it where it is no strategy"
Kind = Literal["strategies", "benchmarks", "downstream"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Entry:
    """One class in a file; the file need not exist."""

    kind: Kind
    name: str
    path: Path  # absolute
    attribute: str

    @property
    def module(self) -> str:
        """The name it is imported under, the same in every process."""
        digest = hashlib.sha256(str(self.path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return PREFIX + re.sub(r"\W", "_", self.path.stem) + "_" + digest

    @property
    def version(self) -> str:
        """What the file holds now, as a short hash: it has no other version."""
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()[:8]
        except OSError:
            return "?"


@dataclass(frozen=True)
class Malformed:
    """A part of the variable that names no class, and why."""

    text: str
    problem: str


def parse(text: str | None = None) -> list[Entry | Malformed]:
    """The plugins that `text`, by default the environment variable, names; one that is named twice counts once."""
    text = os.environ.get(VARIABLE, "") if text is None else text
    separator = re.escape(os.pathsep)
    # A path separator ends an entry only behind a class: in `a.py:One:b.py:Two` every second colon does.
    parts = re.sub(rf"(\.py:\w+)\s*{separator}", r"\1,", text).split(",")
    return list(dict.fromkeys(_entry(part.strip()) for part in parts if part.strip()))


def kebab(name: str) -> str:
    """`MyMethod` -> `my-method`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()


def install_finder() -> None:
    """Make the modules of `AVBENCH_PLUGINS` importable in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def _entry(text: str) -> Entry | Malformed:
    found = re.fullmatch(rf"(?:({'|'.join(KINDS)})/)?(?:([^=/]+)=)?(.+\.py):([A-Za-z_]\w*)", text)
    if found is None:
        return Malformed(text, f"{VARIABLE} holds {text[:200]!r}, which is not of the form {FORM}")
    kind, name, path, attribute = found.groups()
    try:
        place = absolute(path)
    except ValueError as error:
        return Malformed(text, f"{VARIABLE} holds {text[:200]!r}: {error}")
    chosen = next((each for each in KINDS if each == kind), KINDS[0])
    return Entry(chosen, name or kebab(attribute), place, attribute)


class _Finder:
    """Finds the modules of `AVBENCH_PLUGINS` by the names `Entry.module` gives them."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(PREFIX):
            return None
        for entry in parse():
            if isinstance(entry, Entry) and entry.module == fullname:
                return importlib.util.spec_from_file_location(fullname, entry.path)
        return None

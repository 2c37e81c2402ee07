"""Where plugins come from: the checkout this is, installed distributions, and AVBENCH_PLUGINS."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import avbench
from avbench.plugins.plugin import OURS, Kind, Plugin
from avbench.plugins.unpackaged import VARIABLE, Malformed, parse

PLUGIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # it becomes part of the names of folders


def every_plugin(kind: Kind) -> list[Plugin]:
    """All plugins of a kind, ours first, then third parties', then unpackaged ones; a name may come twice."""
    own = list(_own_checkout(kind))
    # A checkout that is also installed would meet itself, or another version of itself.
    installed = [plugin for plugin in _installed(kind) if not (own and plugin.distribution == OURS)]
    installed.sort(key=lambda plugin: (plugin.distribution != OURS, plugin.distribution))
    return [*own, *installed, *_unpackaged(kind)]


def _own_checkout(kind: Kind) -> Iterator[Plugin]:
    # A checkout need not be installed, and an editable install does not see new entry points: read them at the source.
    pyproject = Path(avbench.__file__).resolve().parent.parent / "pyproject.toml"
    if not pyproject.is_file():
        return
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != OURS:
        return
    for name, target in project["entry-points"].get(f"avbench.{kind}", {}).items():
        yield Plugin(kind, name, target, OURS, avbench.__version__)


def _installed(kind: Kind) -> Iterator[Plugin]:
    group, seen = f"avbench.{kind}", set()
    for distribution in importlib.metadata.distributions():
        if f"[{group}]" not in _entry_point_text(distribution):
            continue
        name = _name(distribution)
        if name in seen:  # the first on the path is the one that is imported
            continue
        seen.add(name)
        try:
            version, points = distribution.version, tuple(distribution.entry_points.select(group=group))
        except Exception as error:  # one damaged distribution must not hide the others
            text = f"the entry points of {name} can't be read ({type(error).__name__}: {error}); install it again"
            yield Plugin(kind, name, "?", name, "?", problem=text)
            continue
        for point in points:
            yield _checked(Plugin(kind, point.name, point.value.partition("[")[0].strip(), name, version))


def _entry_point_text(distribution: importlib.metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


def _name(distribution: importlib.metadata.Distribution) -> str:
    try:
        name = distribution.metadata["Name"]
    except Exception:  # then its folder has one
        name = None
    return re.sub(r"[-_.]+", "-", name).lower() if name else Path(str(getattr(distribution, "_path", "unknown"))).name


def _unpackaged(kind: Kind) -> Iterator[Plugin]:
    for entry in parse():
        if isinstance(entry, Malformed):
            if kind == "strategies":  # nothing says which kind it was meant to be
                yield Plugin(kind, entry.text, "?", VARIABLE, "", problem=entry.problem)
        elif entry.kind == kind:
            target, where = f"{entry.module}:{entry.attribute}", f"{entry.path}:{entry.attribute}"
            plugin = _checked(Plugin(kind, entry.name, target, VARIABLE, entry.version, where))
            if not entry.path.is_file():
                problem = f"there is no such file; correct the path in {VARIABLE}, or take it out"
                plugin = replace(plugin, problem=f"{plugin.described()} can't be loaded: {problem}")
            yield plugin


def _checked(plugin: Plugin) -> Plugin:
    if not PLUGIN_NAME.fullmatch(plugin.name):
        wrong = "a name consists of at most 64 lower-case letters, digits, dots, hyphens and underscores"
    elif not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", plugin.target):
        wrong = "an entry point is of the form package.module:Class"
    else:
        return plugin
    return replace(plugin, problem=f"{plugin.described()}: {wrong}; {plugin.remedy()}")

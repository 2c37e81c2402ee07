"""Strategies, benchmarks and downstream tasks by name, found through entry points; listing them imports none of them.

A plugin's module may have a YAML card of the same name beside it (`stella.py`, `stella.yaml`), see
`avbench.plugins.card`. Ours are registered as everybody's are. Two that claim one name get it neither: whoever uses it
is told of both, and writes `NAME@DISTRIBUTION` for the one that is meant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from avbench.errors import UsageError
from avbench.plugins.plugin import SINGULAR, Kind, Plugin
from avbench.plugins.sources import every_plugin
from avbench.plugins.unpackaged import VARIABLE
from avbench.wording import shortened

__all__ = ["Kind", "Plugin", "find", "plugins"]


def plugins(kind: Kind) -> dict[str, Plugin]:
    """All registered plugins of a kind by name, ours first; a name that is claimed twice stands for a broken one."""
    variable = os.environ.get(VARIABLE, "")
    return dict(_plugins(kind, variable, _working_folder() if variable else "", tuple(sys.path)))


def find(kind: Kind, name: str) -> Plugin:
    """The plugin called `name`, or `name@distribution`.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    known = plugins(kind)
    if name in known:
        return known[name]
    plain, _, distribution = name.partition("@")
    if plain in known:
        claimed = known[plain].rivals or (known[plain],)
        named = [plugin for plugin in claimed if plugin.distribution == distribution]
        if len(named) == 1:
            return named[0]
    near = get_close_matches(name[:80], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none at all'}"
    raise UsageError(f"there is no {SINGULAR[kind]} called {shortened(name)}; {hint}")


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it is gone; then only paths in full can be meant
        return ""


@lru_cache(maxsize=8)
def _plugins(kind: Kind, variable: str, folder: str, path: tuple[str, ...]) -> dict[str, Plugin]:
    # The arguments beside `kind` are what the answer depends on.
    by_name: dict[str, list[Plugin]] = {}
    for plugin in every_plugin(kind):
        by_name.setdefault(plugin.name, []).append(plugin)
    return {name: claims[0] if len(claims) == 1 else _contested(claims) for name, claims in by_name.items()}


def _contested(claims: Sequence[Plugin]) -> Plugin:
    first, distributions = claims[0], [plugin.distribution for plugin in claims]
    origins = " and ".join(dict.fromkeys(plugin.origin() for plugin in claims))
    targets = ", and ".join(f"{plugin.where or plugin.target} from {plugin.origin()}" for plugin in claims)
    remedy = "remove all but one"
    if len(set(distributions)) == len(claims):
        remedy = f"write {' or '.join(f'{first.name}@{name}' for name in distributions)}, or {remedy}"
    rivals = tuple(replace(plugin, contested=True) for plugin in claims)
    problem = f"the {SINGULAR[first.kind]} {first.name!r} is registered {len(claims)} times: {targets}; {remedy}"
    return Plugin(first.kind, first.name, "?", origins, "", problem=problem, rivals=rivals)

"""Strategies and benchmarks by name, found through entry points; listing them imports none of them.

A plugin's module may have a YAML card of the same name beside it (`stella.py`, `stella.yaml`) with `summary`, `paper`,
and `presets` (strategies: per benchmark or `benchmark/profile`) or `profiles` (benchmarks). Cards are read without
importing the module.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from avbench.errors import PluginError, UsageError
from avbench.wording import shortened

Kind = Literal["strategies", "benchmarks"]


@dataclass(frozen=True)
class Plugin:
    """One registered strategy or benchmark, not yet imported."""

    kind: Kind
    name: str
    target: str  # "module:Class"
    distribution: str
    version: str

    def card(self) -> dict[str, Any]:
        """What the YAML file beside the module says, or nothing when there is none."""
        from avbench.config import read_yaml

        module = self.target.partition(":")[0]
        try:
            spec = importlib.util.find_spec(module)
        except Exception as error:
            raise PluginError(f"{self.described()} can't be found: {error}") from error
        path = Path(spec.origin).with_suffix(".yaml") if spec and spec.origin else None
        return read_yaml(path) if path and path.is_file() else {}

    def load(self) -> Any:
        """The class itself.

        Raises:
            PluginError: importing it failed; the message names the distribution to blame.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(f"{self.described()} can't be loaded: {type(error).__name__}: {error}") from error

    def described(self) -> str:
        """For messages: name and where it comes from."""
        return f"{self.kind} plugin {self.name!r} ({self.target}, from {self.distribution} {self.version})"


@lru_cache(maxsize=2)
def plugins(kind: Kind) -> dict[str, Plugin]:
    """All registered plugins of a kind by name, ours first, then third parties'; the first of a name wins."""
    found: dict[str, Plugin] = {}
    for plugin in [*_own_checkout(kind), *_installed(kind)]:
        found.setdefault(plugin.name, plugin)
    return found


def find(kind: Kind, name: str) -> Plugin:
    """The plugin called `name`.

    Raises:
        UsageError: there is none; the message offers the nearest name.
    """
    known = plugins(kind)
    if name in known:
        return known[name]
    what = "strategy" if kind == "strategies" else "benchmark"
    near = get_close_matches(name[:80], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
    if not known:
        hint = f"no {what} is installed at all; `avbench doctor` looks into it"
    raise UsageError(f"there is no {what} called {shortened(name)}; {hint}")


def _own_checkout(kind: Kind) -> list[Plugin]:
    # A checkout need not be installed, and an editable install does not see new entry points: read them at the source.
    import avbench

    pyproject = Path(avbench.__file__).resolve().parent.parent / "pyproject.toml"
    if not pyproject.is_file():
        return []
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != "avbench":
        return []
    points = project["entry-points"].get(f"avbench.{kind}", {})
    return [Plugin(kind, name, target, "avbench", avbench.__version__) for name, target in points.items()]


def _installed(kind: Kind) -> list[Plugin]:
    found = []
    for point in importlib.metadata.entry_points(group=f"avbench.{kind}"):
        name = point.dist.name if point.dist else "unknown"
        found.append(Plugin(kind, point.name, point.value, name, point.dist.version if point.dist else "?"))
    return sorted(found, key=lambda plugin: (plugin.distribution != "avbench", plugin.distribution, plugin.name))

"""Cards: the YAML file beside a plugin's module, read without importing the module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from avbench.config import RunConfig, Section, merge, read_yaml, validate
from avbench.errors import UsageError


class Card(Section):
    """What a card may say.

    Attributes:
        summary: one sentence.
        paper: where the method or the protocol was published.
        synthetic: the clips are rendered, not recorded.
        presets: of a strategy, parts of a run's configuration: under `default` for all benchmarks, under a benchmark's
            name, and under `benchmark/profile`; later ones win.
        profiles: of a benchmark, parts of a run's configuration by the name of the profile.
        orders: of a benchmark, likewise by `order/profile`: what is set otherwise when tasks come in that order.
    """

    summary: str = ""
    paper: str = ""
    synthetic: bool = False
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = Field(default_factory=dict)


def read_card(module: str) -> dict[str, Any]:
    """The card beside `module`, or nothing when there is none.

    Raises:
        UsageError: it can't be read, or says something that a card can't.
    """
    source = locate(module)
    path = source.with_suffix(".yaml") if source else None
    if path is None or not path.is_file():
        return {}
    card = read_yaml(path)
    try:
        validate(Card, card, "")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return card


def check_presets(card: Mapping[str, Any], options: type[Section]) -> None:
    """Hold every preset of a card against the sections of a run's configuration and the plugin's own options.

    Raises:
        UsageError: a preset of the card sets what does not exist, or to what it can't be.
    """
    presets = card.get("presets", {})
    for name, preset in presets.items():
        unknown = sorted(set(preset) - set(RunConfig.model_fields))
        if unknown:
            raise UsageError(f"presets.{name} of its card: {unknown[0]!r} is no part of a run's configuration")
        layers = [presets.get(layer, {}) for layer in ("default", name.partition("/")[0], name)]
        values: Mapping[str, Any] = {}
        for layer in layers:
            values = merge(values, layer.get("options", {}))
        validate(options, values, f"its card's presets.{name}.options")


def locate(module: str) -> Path | None:
    """The file of a module, found without executing it or the packages it is in; None where there is none."""
    name, places, origin = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = _spec(name, places)
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
        if places is None and name != module:
            return None
    return Path(origin) if origin else None


def _spec(name: str, places: Any) -> Any:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, places) if find else None
        if spec is not None:
            return spec
    return None

"""Cards: the YAML file beside a plugin's module, read without importing the module."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from avbench.config import RunConfig, Section, TrainingConfig, merge, read_yaml, validate
from avbench.errors import UsageError
from avbench.plugins.unpackaged import Kind

# What nobody reads in a card of a kind.
UNREAD: dict[Kind, set[str]] = {
    "strategies": {"profiles", "orders", "synthetic"},
    "benchmarks": {"presets"},
    "downstream": {"profiles", "orders", "synthetic"},
}


class Preset(Section):
    """What a strategy may set: its own options, and how it is trained."""

    options: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)


class Profile(Section):
    """What a benchmark may set: everything that belongs to a run at its size, and nothing of who runs it where."""

    limit: Any = None
    clip: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    pretraining: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)


class Card(Section):
    """What a card may say.

    Attributes:
        summary: one sentence.
        paper: where the method or the protocol was published.
        synthetic: the clips are rendered, not recorded.
        presets: of a strategy, parts of a run's configuration: under `default` for all benchmarks, under a benchmark's
            name, under `benchmark/profile` and under `benchmark/order/profile`; later ones win. Of a downstream task,
            likewise its options.
        profiles: of a benchmark, parts of a run's configuration by the name of the profile.
        orders: of a benchmark, likewise by `order/profile`: what is set otherwise when tasks come in that order.
    """

    summary: str = ""
    paper: str = ""
    synthetic: bool = False
    presets: dict[str, Preset] = Field(default_factory=dict)
    profiles: dict[str, Profile] = Field(default_factory=dict)
    orders: dict[str, Profile] = Field(default_factory=dict)


def read_card(module: str) -> dict[str, Any]:
    """The card beside `module`, or nothing when there is none.

    Raises:
        UsageError: it can't be read, or says something that a card can't.
    """
    path = place(module)
    if path is None or not path.is_file():
        return {}
    card = read_yaml(path)
    try:
        validate(Card, card, "")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return card


def place(module: str) -> Path | None:
    """Where the card of a module is, or would be; None where the module is not."""
    source = locate(module)
    return source.with_suffix(".yaml") if source else None


def check(card: Mapping[str, Any], kind: Kind, options: type[Section]) -> None:
    """Hold everything a card sets against the configuration of a run, and the plugin's own options.

    Raises:
        UsageError: the card sets what nobody reads, what does not exist, or to what it can't be.
    """
    if unread := sorted(UNREAD[kind] & set(card)):
        raise UsageError(f"{unread[0]}: a card of {kind} has none")
    presets, profiles = card.get("presets", {}), card.get("profiles", {})
    for name in presets:
        bench, _, moment = name.partition("/")
        profile = f"{bench}/{moment.rpartition('/')[2]}"
        check_presets(presets, dict.fromkeys(("default", bench, profile, name)), options)
    for name, profile in profiles.items():
        check_profile([profile], f"profiles.{name}", options)
    for name, values in card.get("orders", {}).items():
        profile = name.partition("/")[2]
        if profile not in profiles:
            raise UsageError(f"orders.{name}: must be named ORDER/PROFILE, after a profile of the card")
        check_profile([profiles[profile], values], f"orders.{name}", options)


def check_presets(presets: Mapping[str, Any], names: Iterable[str], options: type[Section] | None) -> None:
    """Hold the presets called `names`, later ones winning, against the schedule and, if given, the plugin's options.

    Raises:
        UsageError: one sets what does not exist, or to what it can't be.
    """
    values: Mapping[str, Any] = {}
    for name in names:
        values = merge(values, presets.get(name, {}))
        if options is not None:
            _check_part(options, values.get("options", {}), f"presets.{name}.options")
        _check_part(TrainingConfig, values.get("training", {}), f"presets.{name}.training")


def check_profile(layers: Sequence[Mapping[str, Any]], where: str, data: type[Section] | None) -> None:
    """Hold a profile, later layers winning, against the configuration of a run and, if given, the benchmark's options.

    Raises:
        UsageError: it sets what does not exist, or to what it can't be.
    """
    values: Mapping[str, Any] = {"strategy": "any", "bench": "any"}
    for layer in layers:
        values = merge(values, layer)
    _check_part(RunConfig, values, where)
    if data is not None:
        _check_part(data, values.get("data", {}), f"{where}.data")


def _check_part(section: type[Section], values: Mapping[str, Any], where: str) -> None:
    """Are `values` right as far as they go? What is missing may come from elsewhere."""
    try:
        section.model_validate(dict(values))
    except ValidationError as error:
        if any(problem["type"] != "missing" for problem in error.errors()):
            validate(section, values, where)


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

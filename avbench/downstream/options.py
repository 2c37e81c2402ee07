"""The options of a downstream task on a run: its defaults, its card, a variant of its protocol, what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from avbench.config import RunConfig, merge, validate
from avbench.errors import UsageError
from avbench.plugins.card import check_presets
from avbench.plugins.plugin import BrokenPlugin, Plugin
from avbench.results.downstream import asked_for
from avbench.results.schema import Results
from avbench.wording import shortened


def resolve_options(plugin: Plugin, config: RunConfig, variant: str, asked: Mapping[str, Any]) -> Any:
    """The options, of the class that the task names; later ones win.

    Args:
        config: of the run.
        asked: laid over the variant.

    Raises:
        UsageError: there is no such variant or option, or a value is of the wrong kind.
        PluginError: the task can't be loaded, or sets options that it doesn't have.
    """
    kind = plugin.load()
    variants = _variants(plugin, kind)
    if variant not in variants:
        near = get_close_matches(variant[:80], variants, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(variants)}"
        raise UsageError(f"{plugin.name} has no variant {shortened(variant)}; {hint}")
    values: dict[str, Any] = {}
    for preset in plugin.presets(config.bench, config.profile, config.order, load=True):
        values = merge(values, preset.get("options", {}))
    values = merge(merge(values, variants[variant]), asked)
    plugin.settings(values, "")
    return validate(kind.Config, values, "")


def changed_options(plugin: Plugin, config: RunConfig, variant: str, options: Any) -> list[str]:
    """The names of those options that are not as the variant has them.

    Args:
        options: as `resolve_options` gave them.
    """
    usual = resolve_options(plugin, config, variant, {}).model_dump(mode="json")
    return [name for name, value in options.model_dump(mode="json").items() if value != usual[name]]


def asked_by_variant(
    plugin: Plugin, config: RunConfig, results: Results, variant: str, on_recordings: bool
) -> dict[str, Any]:
    """What a result of a run must have been measured by, see `asked_for`, to be the variant's protocol unchanged.

    Args:
        on_recordings: examples were recorded, even where the run's clips were rendered.

    Raises:
        UsageError, PluginError: as `resolve_options`.
    """
    options = resolve_options(plugin, config, variant, {}).model_dump(mode="json")
    synthetic = results.synthetic and not on_recordings
    protocol = (plugin.name, plugin.load().version, variant, options)
    return asked_for(*protocol, synthetic, config.limit, results.evaluated_model)


def _variants(plugin: Plugin, kind: Any) -> Mapping[str, Mapping[str, Any]]:
    """Those of the class, each held against its options.

    Raises:
        PluginError: they are no options by name.
    """
    variants: Mapping[str, Mapping[str, Any]] = kind.variants
    sound = isinstance(variants, Mapping) and all(isinstance(one, Mapping) for one in variants.values())
    try:
        if not sound:
            raise UsageError("must be options by the variant's name")
        for name, options in variants.items():
            check_presets({name: {"options": options}}, [name], kind.Config)
    except UsageError as error:
        raise BrokenPlugin(f"{plugin.described()}: its `variants`: {error}; {plugin.remedy()}") from None
    return variants

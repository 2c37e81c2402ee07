"""Every strategy that avbench brings passes the suite that third parties' strategies are held to."""

from __future__ import annotations

from typing import Any

import pytest

from avbench import registry
from avbench.plugins.plugin import OURS
from avbench.testing import check_strategy

NAMES = [name for name, plugin in registry.plugins("strategies").items() if plugin.distribution == OURS]
# Options that switch a method's own term off, and what is left then. The others have no such switch: they choose
# patches, clips or what is learned in a way of their own.
OFF: dict[str, tuple[dict[str, Any], str]] = {
    "derpp": ({"alpha": 0.0}, "er"),
    "cls-er": ({"consistency_weight": 0.0}, "er"),
    "esmer": ({"consistency_weight": 0.0, "loss_margin": 1e9}, "er"),
    "gmed": ({"alpha": 0.0}, "er"),
    "mir": ({"candidates": 1}, "er"),
    "mats": ({"sampling_ratio": 1.0}, "derpp"),
    "random": ({"sampling_ratio": 1.0}, "derpp"),
    "stella": ({"sampling_ratio": 1.0}, "derpp"),
    "flava": ({"sampling_ratio": 1.0}, "derpp"),
    "lpis-only": ({"sampling_ratio": 1.0}, "derpp"),
    "rca-only": ({"sampling_ratio": 1.0}, "derpp"),
}


@pytest.mark.parametrize("name", NAMES)
def test_strategy_conforms(name: str) -> None:
    off, parent = OFF.get(name, (None, None))
    check_strategy(
        registry.find("strategies", name).load(),
        off=off,
        parent=None if parent is None else registry.find("strategies", parent).load(),
    )


def test_the_table_of_switches_names_strategies_there_are() -> None:
    assert set(OFF) <= set(NAMES)
    assert {parent for _, parent in OFF.values()} <= set(NAMES)

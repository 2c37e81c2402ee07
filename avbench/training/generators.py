"""Named random generators: every draw of a run comes from one of these, and all of them are checkpointed.

Separate names keep methods comparable: a method that draws extra numbers takes them from `aux`, so the clips, masks and
memory of two methods stay the same under one seed, and switching a method's own term off gives its parent bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from avbench.seeding import derive_seed

NAMES = ("init", "data", "memory", "reservoir", "mask", "aux", "coin", "mix")


class Generators:
    """One CPU generator per name, derived from the run's seed.

    CPU generators also serve CUDA runs: the draws are a few kilobytes a step, and they are the same on every device.
    """

    def __init__(self, seed: int) -> None:
        self._generators = {name: torch.Generator().manual_seed(derive_seed(seed, name)) for name in NAMES}

    def __getitem__(self, name: str) -> torch.Generator:
        return self._generators[name]

    def state_dict(self) -> dict[str, Tensor]:
        """The state of every generator, as uint8 tensors."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore every generator; the names must be exactly `NAMES`."""
        if set(state) != set(NAMES):
            raise ValueError(f"expected the generators {sorted(NAMES)}, got {sorted(state)}")
        for name, generator in self._generators.items():
            generator.set_state(state[name])

"""LPIS-only: STELLA's localised patch importance scoring without its replay-guided correlation assessment.

STELLA, Table 3, the row with the first component alone; called LAVA in FLAVA and ELPP in STELLA's appendix G.
"""

from __future__ import annotations

import torch

from avbench.strategies.stella import Pair, Stella
from avbench.training.strategy import Step


class LPISOnly(Stella):
    """STELLA to which no patch is a risk for the past."""

    def correlation(self, step: Step, keys: Pair, queries: Pair, top: Pair) -> Pair:
        """Zero everywhere, so nothing is ever excluded."""
        return [torch.zeros(len(key), key.shape[2], device=key.device) for key in keys]

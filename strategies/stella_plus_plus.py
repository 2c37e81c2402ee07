"""STELLA++: STELLA+ with 1.66 times the batch, which fits the memory that shorter clips leave free.

STELLA, Table 2 (Lee et al., ICML 2024). The batch is a preset of the card; the method is that of STELLA+.
"""

from __future__ import annotations

from avbench.strategies.stella_plus import StellaPlus


class StellaPlusPlus(StellaPlus):
    """STELLA+ with a larger batch."""

"""FLAVA+: the name of STELLA+ in the first version of its paper.

Lee et al., Lifelong Audio-video Masked Autoencoder with Forgetting-robust Localized Alignments, 2023.
"""

from __future__ import annotations

from avbench.strategies.stella_plus import StellaPlus


class FlavaPlus(StellaPlus):
    """STELLA+ under its earlier name."""

"""FLAVA: the name of STELLA in the first version of its paper.

Lee et al., Lifelong Audio-video Masked Autoencoder with Forgetting-robust Localized Alignments, 2023. Both versions
describe the same algorithm and print the same accuracies. Importance scoring is called LAVA there, correlation
assessment FRS.
"""

from __future__ import annotations

from avbench.strategies.stella import Stella


class Flava(Stella):
    """STELLA under its earlier name."""

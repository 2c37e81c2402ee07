"""ER: experience replay. Every step trains on the stream and on as many clips from a reservoir, jointly.

Rolnick et al., Experience Replay for Continual Learning, NeurIPS 2019; as a baseline in STELLA, section 5.1.
"""

from __future__ import annotations

from avbench.training.strategy import AudioVideoStrategy


class ER(AudioVideoStrategy):
    """The base strategy as it is."""

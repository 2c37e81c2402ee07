"""Finetune: train on the stream and nothing else. The lower bound of every table.

STELLA, section 5.1.
"""

from __future__ import annotations

from avbench.config import Section
from avbench.training.memory import Field
from avbench.training.strategy import AudioVideoStrategy


class FinetuneConfig(Section):
    """Finetune has no options."""


class Finetune(AudioVideoStrategy):
    """Sequential training without any memory (cost: 3 forward units a step)."""

    Config = FinetuneConfig

    def memory_fields(self) -> dict[str, Field]:
        """No memory is ever allocated."""
        return {}

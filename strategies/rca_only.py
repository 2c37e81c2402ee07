"""RCA-only: STELLA's replay-guided correlation assessment without its localised patch importance scoring.

STELLA, Table 3, the row with the second component alone; called FRS in FLAVA. It was never released: here all patches
are equally important, the ones whose correlation is assessed are drawn uniformly, and exclusion is STELLA's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avbench.model.matching import QueriesKeys
from avbench.strategies.patch_selection import DrawnPatches
from avbench.strategies.stella import MatchingConfig, Pair, Stella


class RCAOnly(Stella):
    """STELLA to which all patches are equally important."""

    Config = MatchingConfig  # STELLA's without the temperature of importance scores
    attention_temperature = DrawnPatches.attention_temperature  # its scores have none

    def importance(self, qk: QueriesKeys) -> Pair:
        """The same for all patches of a modality; rows sum to one, as STELLA's."""
        sizes = [(len(key), key.shape[2]) for key in (qk.key_audio, qk.key_video)]
        return [torch.full(size, 1 / size[1], device=self.context.device) for size in sizes]

    def important(self, scores: Tensor, count: int) -> Tensor:
        """Any `count` patches: by score, with ties by id, they would always be the first ones of a clip."""
        return self.uniform(scores.shape).argsort(dim=1)[:, :count]

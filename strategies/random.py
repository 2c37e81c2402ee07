"""Random: DER++ on a uniformly drawn half of the patches of every clip.

The baseline of patch selection in STELLA, Table 3 (Lee et al., ICML 2024). Stream and replayed clips are drawn anew in
every step. Whether the published run drew single audio patches or whole stretches of time is unknown; single ones are
the default.
"""

from __future__ import annotations

import torch

from avbench.model.masking import Keep
from avbench.strategies.patch_selection import DrawnPatches
from avbench.training.strategy import Step


class RandomPatches(DrawnPatches):
    """Every patch of a clip stays with the same probability."""

    def patches(self, step: Step) -> Keep:
        """A uniform subset for each clip and modality."""
        shape, clips, device = self.context.shape, len(step.joint), self.context.device
        equal = [torch.ones(clips, tokens, device=device) for tokens in (shape.audio_tokens, shape.video_tokens)]
        return self.draw_patches(equal, [torch.zeros_like(weights, dtype=torch.bool) for weights in equal])

"""MATS: DER++ on the video patches that change most from frame to frame; audio stays whole.

The motion-aware token selection of EVEREST (Hwang et al., ICML 2024), as a baseline of patch selection in STELLA,
Table 3. A patch counts by how far its embedding, without position, is from that of the same place one frame before.

STELLA's authors seem to have loaded six frames of six seconds and let EVEREST's frame selection choose four; that is
left out here: with the four frames of a clip there is nothing to choose from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avbench.errors import UsageError
from avbench.model.masking import Keep
from avbench.model.patches import patchify_video
from avbench.model.precision import full_precision
from avbench.model.selection import top_tokens
from avbench.strategies.patch_selection import PatchSelection
from avbench.training.strategy import Context, Step


class MATS(PatchSelection):
    """The patches that move, by today's patch embedding, of stream and replayed clips alike."""

    selected = ("video",)

    def setup(self, context: Context) -> None:
        """As DER++.

        Raises:
            UsageError: clips have a single frame, in which nothing moves.
        """
        if context.shape.frames < 2:
            raise UsageError("mats compares frames, but clip.frames = 1; use 2 or more, or strategy random")
        super().setup(context)

    def patches(self, step: Step) -> Keep:
        """The kappa most changed patches of all frames together."""
        return Keep(video=top_tokens(self.motion(step.joint.video), self.counts["video"]))

    @torch.no_grad()
    def motion(self, video: Tensor) -> Tensor:
        """How far each patch is from the one before it, (B, frames, 3, H, W) -> (B, N), in token order.

        The first frame has none before it, and takes the changes of the second.
        """
        shape = self.context.shape
        with full_precision(video):
            tokens = self.net.video_encoder.embed(patchify_video(video, shape.patch))
        frames = tokens.unflatten(1, (shape.frames, -1))
        change = torch.linalg.vector_norm(frames[:, 1:] - frames[:, :-1], dim=3)
        return torch.cat([change[:, :1], change], dim=1).flatten(1)

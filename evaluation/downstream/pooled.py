"""What a frozen backbone says of a whole clip, for heads that see it at a glance."""

from __future__ import annotations

import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.model.mae import AudioVideoMAE


def pooled_joint(net: AudioVideoMAE, batch: Batch) -> Tensor:
    """Mean audio and mean video token of the unmasked joint path behind its final norm: (clips, 2 D) float32."""
    fused = net.fuse(*net.encode_tokens(batch))
    return torch.cat([net.fusion.finish("joint", tokens).float().mean(dim=1) for tokens in fused], dim=1)

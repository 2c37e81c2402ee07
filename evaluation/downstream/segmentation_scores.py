"""How good masks of sounding objects are: AVSBench's intersection over union and F-score (Zhou et al., ECCV 2022)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avbench.evaluation.downstream.task import Floats, Rows
from avbench.evaluation.localisation import centre_prior

BETA_SQUARED = 0.3
THRESHOLDS = 255  # of the F-score, evenly from 0 to 1
_SHARES = np.arange(0.05, 1.0, 0.05)  # of the picture that a centred disc may cover


def clip_iou(found: Tensor, masks: Tensor) -> Floats:
    """(N,) in 0..1: intersection over union of each picture, averaged over a clip's.

    Where a mask is empty, it is the share of pixels that were rightly left out (AVSBench's rule).

    Args:
        found, masks: bool (N, pictures, H, W).
    """
    both = (found & masks).sum(dim=(2, 3)).double()
    either = (found | masks).sum(dim=(2, 3)).double()
    empty, pixels = ~masks.flatten(2).any(dim=2), masks.shape[2] * masks.shape[3]
    iou = torch.where(empty, (pixels - either) / pixels, both / either.clamp(min=1))
    return np.asarray(iou.mean(dim=1).numpy())


class FScore:
    """Maximum over thresholds of the F-score averaged over pictures; pictures with an empty mask don't count.

    Args:
        logits: (N, pictures, H, W).
        masks: bool (N, pictures, H, W).
    """

    def __init__(self, logits: Tensor, masks: Tensor) -> None:
        counted = masks.flatten(2).any(dim=2)
        self.pictures = counted.sum(dim=1).numpy()
        self.sums = np.zeros((len(masks), THRESHOLDS))
        for clip, picture in counted.nonzero().tolist():
            self.sums[clip] += f_curve(logits[clip, picture], masks[clip, picture])

    def __call__(self, rows: Rows) -> float:
        """In percent, over the clips with these numbers; 0 where none of their pictures counts."""
        pictures = self.pictures[rows].sum()
        return 100 * float((self.sums[rows].sum(axis=0) / max(pictures, 1)).max())


def f_curve(logits: Tensor, mask: Tensor) -> Floats:
    """(thresholds,) in 0..1: F of the pixels whose probability is at least each threshold; 0 where it is undefined."""
    level = (logits.double().sigmoid() * (THRESHOLDS - 1)).long().flatten()  # of how many thresholds above 0
    inside = torch.bincount(level[mask.flatten()], minlength=THRESHOLDS).double()
    every = torch.bincount(level, minlength=THRESHOLDS).double()
    hits, chosen = (counts.flip(0).cumsum(0).flip(0) for counts in (inside, every))
    # (1 + b) P R / (b P + R) with P = hits / chosen and R = hits / size
    return np.asarray(((1 + BETA_SQUARED) * hits / (BETA_SQUARED * mask.sum() + chosen).clamp(min=1e-9)).numpy())


def everything(masks: Tensor) -> Tensor:
    """The answer that all of every picture sounds."""
    return torch.ones_like(masks)


def centred_disc(masks: Tensor) -> Tensor:
    """The same disc in the middle of every picture, as large as fits these very masks best: a generous control."""
    size = masks.shape[-1]
    height = torch.from_numpy(centre_prior(1, (1, size, size)).copy())[0, 0]
    order = height.flatten().argsort(descending=True, stable=True).argsort()
    discs = [(order < round(share * size * size)).view(size, size) for share in _SHARES]
    best = max(discs, key=lambda disc: float(clip_iou(disc.expand_as(masks), masks).mean()))
    return best.expand_as(masks)

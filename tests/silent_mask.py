"""Where silent objects of a rendered clip are visible, from the masks of all its objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.data.world.truth import Truth


def silent_mask(truth: Truth) -> NDArray[np.bool_]:
    """(frames, H, W)."""
    nowhere = np.zeros_like(truth.objects[0].mask)
    return np.logical_or.reduce([nowhere, *(thing.mask for thing in truth.objects if not thing.sounds)])

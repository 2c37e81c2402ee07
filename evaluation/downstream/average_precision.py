"""Mean average precision: how well a score for each class puts the clips of the class in front."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray


def mean_average_precision(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The mean over classes of their average precision in percent; classes without a positive clip are left out.

    Args:
        scores: (N, C), larger is surer.
        truth: (N, C), which classes a clip is of.

    Raises:
        ValueError: no class has a positive clip.
    """
    from sklearn.metrics import average_precision_score

    there = truth.any(axis=0)
    if not there.any():
        raise ValueError("no clip is of any class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 100 * float(average_precision_score(truth[:, there], scores[:, there], average="macro"))

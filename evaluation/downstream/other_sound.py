"""The control of everything that points at what sounds: the same pictures with the sound of another clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from avbench.evaluation.localisation import of_another_class


def partners(labels: Sequence[str]) -> tuple[NDArray[np.int64], bool]:
    """For each clip the number of another one, each once, and whether all of them are of another class."""
    other = of_another_class(labels)
    if other is not None:
        return other, True
    return np.roll(np.arange(len(labels)), 1), False


class WithOtherSound(Dataset[dict[str, Any]]):
    """Views of examples, V of them, followed by the same V with the partner's sound."""

    def __init__(self, views: Dataset[dict[str, Any]], partner: NDArray[np.int64]) -> None:
        self.views, self.partner = views, partner

    def __len__(self) -> int:
        return len(self.partner)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """The example in wire format, 2 V views."""
        own, other = self.views[row], self.views[int(self.partner[row])]
        return {
            "audio": torch.cat([own["audio"], other["audio"]]),
            "video": torch.cat([own["video"], own["video"]]),
        }

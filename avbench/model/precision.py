"""Where mixed precision must not reach."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(like: Tensor) -> torch.autocast:
    """A context without autocast on the device of `like`, for losses and softmax scores; cast the inputs yourself."""
    return torch.autocast(like.device.type, enabled=False)

"""Where mixed precision reaches, and where it must not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[object]:
    """A context without autocast on the device of `like`, for losses and softmax scores; cast the inputs yourself."""
    device = like.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The arithmetic of forward passes: autocast to bfloat16 where a run's `precision` is "bf16"."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()

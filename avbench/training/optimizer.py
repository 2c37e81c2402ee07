"""The one optimizer of a run: Adam over all tasks, never reset (STELLA, Table 6)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from avbench.config import TrainingConfig
from avbench.model.parameters import decay_groups


def build_optimizer(model: nn.Module, extra: Mapping[str, nn.Module], training: TrainingConfig) -> torch.optim.Adam:
    """Adam with L2 decay on weight matrices only.

    Args:
        model: the audio-video MAE.
        extra: modules a strategy trains beside it; their matrices decay at `matching_decay_factor` times the rate.
        training: learning rate, betas and decay.

    Returns:
        An optimizer with three groups: the model's matrices, the extra modules' matrices, and everything that must not
        decay (biases, norms, position and modality embeddings, mask tokens).
    """
    decay, no_decay = decay_groups(model)
    extra_decay = []
    for module in extra.values():
        matrices, rest = decay_groups(module)
        extra_decay += matrices
        no_decay = no_decay + rest
    groups = [
        {"params": decay, "weight_decay": training.weight_decay},
        {"params": extra_decay, "weight_decay": training.weight_decay * training.matching_decay_factor},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.Adam(groups, lr=training.learning_rate, betas=training.betas)

"""Which parameters weight decay applies to."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.conv import _ConvNd


def decay_groups(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split the parameters of `module` into those that decay and those that do not.

    Only the weights of linear and convolutional layers decay: not biases, norms, position and modality vectors, mask
    tokens, nor anything else. Both lists are in the order of `module.parameters()`, each parameter once.
    """
    matrices = {id(part.weight) for part in module.modules() if isinstance(part, nn.Linear | _ConvNd)}
    decay = [parameter for parameter in module.parameters() if id(parameter) in matrices]
    return decay, [parameter for parameter in module.parameters() if id(parameter) not in matrices]

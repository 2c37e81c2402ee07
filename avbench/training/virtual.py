"""A step that is only imagined: the parameters as an update would leave them, while the network stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from avbench.batch import Batch
from avbench.model.mae import AudioVideoMAE, Output
from avbench.model.masking import Noise

Kind = Literal["optimizer", "gradient"]


def gradients(loss: Tensor, net: nn.Module) -> dict[str, Tensor]:
    """The gradient of `loss` by parameter name, without touching `.grad`; parameters it does not reach are left out."""
    named = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None}


def virtual_parameters(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    gradient: Mapping[str, Tensor],
    kind: Kind = "optimizer",
    learning_rate: float | None = None,
) -> dict[str, Tensor]:
    """The parameters of `net` after one update with `gradient`; nothing that exists is changed.

    Args:
        net: the network; parameters without a gradient stay as they are.
        optimizer: trains the network; its state is read, not written.
        gradient: by parameter name, as `gradients` gives it.
        kind: `optimizer` is the very update the optimizer would make, moments and decay included; `gradient` is plain
            gradient descent, which at the learning rate of an adaptive optimizer hardly moves (MIR, GMED originally).
        learning_rate: in place of the optimizer's.

    Returns:
        New detached tensors by name for the parameters that move, for `torch.func.functional_call`.
    """
    moved: dict[str, Tensor] = {}
    name_of = {parameter: name for name, parameter in net.named_parameters() if name in gradient}
    for group in optimizer.param_groups:
        mine = [parameter for parameter in group["params"] if parameter in name_of]
        if not mine:
            continue
        copies = [parameter.detach().clone().requires_grad_() for parameter in mine]
        settings = {key: value for key, value in group.items() if key != "params"}
        settings |= {} if learning_rate is None else {"lr": learning_rate}
        imagined = _twin(optimizer, mine, copies, settings) if kind == "optimizer" else _plain(copies, settings["lr"])
        for copy, parameter in zip(copies, mine, strict=True):
            copy.grad = gradient[name_of[parameter]].detach()
        imagined.step()
        moved |= {name_of[parameter]: copy.detach() for copy, parameter in zip(copies, mine, strict=True)}
    return moved


def _twin(
    optimizer: torch.optim.Optimizer, originals: list[Tensor], copies: list[Tensor], settings: Mapping[str, Any]
) -> torch.optim.Optimizer:
    kind: Any = type(optimizer)
    twin: torch.optim.Optimizer = kind([{**settings, "params": copies}])
    for original, copy in zip(originals, copies, strict=True):
        state = optimizer.state.get(original, {})
        twin.state[copy] = {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}
    return twin


def _plain(copies: list[Tensor], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(copies, lr=learning_rate)


def output_at(net: AudioVideoMAE, parameters: Mapping[str, Tensor], batch: Batch, noise: Noise) -> Output:
    """A masked pass of `net` with `parameters` in place of its own."""
    output: Output = torch.func.functional_call(net, dict(parameters), (batch, noise))
    return output

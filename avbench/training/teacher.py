"""A teacher: a slow average of the network that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from avbench.model.mae import AudioVideoMAE


class Teacher:
    """An exponential moving average of a network's parameters, moved at random steps.

    CLS-ER (Arani et al., ICLR 2022), section 3: after update t, with probability r, every parameter becomes
    `a * own + (1 - a) * network's`, where `a = min(1 - 1 / (t + 1), decay)`. While the first term is smaller, the
    teacher is the plain mean of all networks so far, if it moves at every step.

    Args:
        net: the network; the teacher starts as its copy and shares nothing with it.
        decay: the largest a, in [0, 1].
        probability: r, in [0, 1].
    """

    def __init__(self, net: AudioVideoMAE, decay: float, probability: float) -> None:
        self.net = deepcopy(net).requires_grad_(False)
        self.decay, self.probability = decay, probability
        self.steps = 0

    @torch.no_grad()
    def follow(self, net: AudioVideoMAE, coin: torch.Generator) -> None:
        """Count one update of `net`, throw the coin, and move."""
        self.steps += 1
        if float(torch.rand((), generator=coin)) >= self.probability:
            return
        rate = min(1 - 1 / (self.steps + 1), self.decay)
        torch._foreach_lerp_(list(self.net.parameters()), list(net.parameters()), 1 - rate)

    def state_dict(self) -> dict[str, Tensor]:
        """The parameters and the count of updates."""
        return {"steps": torch.tensor(self.steps), **self.net.state_dict(prefix="net.")}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        self.steps = int(state["steps"])
        self.net.load_state_dict({name.removeprefix("net."): v for name, v in state.items() if name != "steps"})

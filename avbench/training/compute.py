"""Counted forward and backward passes: what a method spends, whatever machine it runs on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from avbench.batch import Batch
from avbench.model.blocks import Attention
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise


class ComputeMeter:
    """Counts the multiplications and additions of linear layers and self-attention in the modules it watches.

    A pass with a graph counts three times, since its backward pass costs two more. What is not counted: norms,
    activations, losses, the memory, products a strategy computes outside modules, and evaluation. One *unit* is a
    masked forward pass of one clip with all its losses; a step of plain training on B clips is 3 B units.

    Args:
        net: the network that defines the unit.
        others: further modules a strategy runs: teachers, modules trained beside the network.
    """

    def __init__(self, net: AudioVideoMAE, others: Iterable[nn.Module] = ()) -> None:
        self.operations = 0
        self._counting = False

        # Functions, not methods: a network that is copied later keeps reporting to this meter, not to a copy of it.
        def count_linear(module: nn.Linear, inputs: Sequence[Tensor], output: Tensor) -> None:
            self._add(2 * module.in_features * output.numel(), output)

        def count_attention(module: Attention, inputs: Sequence[Any], output: Tensor) -> None:
            # Scores, and their product with the values, for each part of the packed sequence.
            clips, _, width = output.shape
            self._add(sum(4 * clips * width * length**2 for length in inputs[1]), output)

        for module in (module for root in (net, *others) for module in root.modules()):
            if isinstance(module, nn.Linear):
                module.register_forward_hook(count_linear)
            elif isinstance(module, Attention):
                module.register_forward_hook(count_attention)
        self.per_unit = self._measure_unit(net)

    @property
    def units(self) -> float:
        """Forward passes of one clip, so far."""
        return self.operations / self.per_unit

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what runs inside the `with` block; nothing else is counted."""
        self._counting = True
        try:
            yield
        finally:
            self._counting = False

    def _measure_unit(self, net: AudioVideoMAE) -> int:
        shape, device = net.shape, next(net.parameters()).device
        audio = torch.zeros(1, 1, shape.audio_frames, shape.mel_bins, device=device)
        video = torch.zeros(1, shape.frames, 3, shape.image_size, shape.image_size, device=device)
        noise = Noise(*(torch.zeros(1, count, device=device) for count in (shape.audio_tokens, shape.video_tokens)))
        with torch.no_grad(), self.counting():
            net(Batch(audio, video, ("unit",)), noise)
        measured, self.operations = self.operations, 0
        return measured

    def _add(self, operations: int, output: Tensor) -> None:
        if self._counting:
            self.operations += 3 * operations if output.requires_grad else operations

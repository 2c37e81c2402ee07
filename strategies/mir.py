"""MIR: maximally interfered retrieval. Replay the clips that the coming update would harm most.

Aljundi et al., Online Continual Learning with Maximally Interfered Retrieval, NeurIPS 2019, section 3.1. A clip is
harmed by as much as its loss rises when the network takes a step on the stream alone.

As in STELLA's experiments: the step ahead is the optimizer's, since plain descent at Adam's learning rate hardly moves
(`virtual_step: gradient` for the paper's); the loss is all of the clip's, its contrastive part against the other
candidates; clips that the stream has just brought are candidates too. They drew new masks before and after the step,
so their scores carry the masks' noise: `masks: shared`, the default of `variant: faithful`, takes it out.
"""

from __future__ import annotations

import torch
from pydantic import Field as Option
from torch import Tensor

from avbench.batch import Batch
from avbench.errors import UsageError
from avbench.training.lookahead import Lookahead, LookaheadConfig
from avbench.training.strategy import Context, Replay, Step
from avbench.training.virtual import output_at


class MIRConfig(LookaheadConfig):
    """Options of MIR."""

    candidates: int = Option(5, ge=1, le=1000)  # C, in batches: of C B clips, B are replayed; STELLA, Table 5


class MIR(Lookahead):
    """ER that chooses what it replays (cost: 9 + 2 C forward units a step, 19 by default)."""

    Config = MIRConfig

    def setup(self, context: Context) -> None:
        """Check that the memory can hold all candidates.

        Raises:
            UsageError: it can't, or can't hold one batch.
        """
        super().setup(context)
        assert self.memory is not None
        factor, size, capacity = self.config.candidates, context.training.batch_size, self.memory.capacity
        if factor * size > capacity:
            raise UsageError(
                f"options.candidates = {factor} batches of training.batch_size = {size} are {factor * size} candidates "
                f"a step, but options.memory = {self.config.memory} holds {capacity} clips; set options.candidates to "
                f"{capacity // size} or enlarge the memory"
            )

    def select(self, step: Step) -> Replay | None:
        """The B candidates with the largest interference, in drawn order; all there are while they are no more."""
        count = len(step.stream)
        candidates = self.draw(self.config.candidates * count)
        if candidates is None or len(candidates) <= count:
            return candidates
        return self.most_interfered(step, candidates)

    def most_interfered(self, step: Step, candidates: Replay) -> Replay:
        """As many of the candidates, in drawn order, as the stream brings clips."""
        step.notes["interference"] = self.interference(step.stream, candidates)
        chosen = step.notes["interference"].topk(len(step.stream)).indices.sort().values
        return self.replay(candidates.slots[chosen.cpu()])

    def interference(self, stream: Batch, candidates: Replay) -> Tensor:
        """By how much each candidate's loss rises with an update on the stream: (candidates,)."""
        ahead = self.parameters_ahead(stream)
        before, after = self.masks_around(len(candidates))
        with torch.no_grad():
            present = self.clip_loss(self.net(candidates.batch, before))
            return self.clip_loss(output_at(self.net, ahead, candidates.batch, after)) - present

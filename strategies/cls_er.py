"""CLS-ER: replay beside two slow averages of the network, of which the better one says what a replayed clip should be.

Arani et al., Learning Fast, Learning Slow: A General Continual Learning Method based on Complementary Learning System,
ICLR 2022, Algorithm 1. The *stable* teacher moves rarely and keeps the past, the *plastic* one moves often. The paper
takes, clip by clip, the logits of the teacher that is surer of the true class. Without classes, the true class is the
clip's own other half among the replayed clips, as in STELLA's experiments:

    p_av[i] = softmax_j(cos(z_audio[i], z_video[j]) / temperature)[i],    p_va[i] likewise with the roles exchanged,

and clip i's video target comes from the teacher with the larger p_av[i], its audio target from that with the larger
p_va[i]. The released code trains on the joint mean of stream and memory in both variants.

STELLA's experiments gave every teacher's pass masks of its own (`masks: fresh`), moved the teachers before the
optimizer's step, one step late (here: after it, as the paper does), and evaluated the working network; the paper
deploys the stable teacher. `variant: faithful` shares the masks and evaluates the stable teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from avbench.config import Fraction
from avbench.model.mae import Output
from avbench.strategies.consistency import Consistency, ConsistencyConfig
from avbench.training.strategy import Context, Step
from avbench.training.teacher import Teacher


class CLSERConfig(ConsistencyConfig):
    """Options of CLS-ER; the defaults are STELLA, Table 5 (both benchmarks), with lambda = `consistency_weight`."""

    faithful: ClassVar[Mapping[str, Any]] = {"replay_loss": "joint", "evaluate": "stable"}

    stable_decay: Fraction = 0.999  # alpha_S
    stable_update_probability: Fraction = 0.6  # r_S
    plastic_decay: Fraction = 0.999  # alpha_P
    plastic_update_probability: Fraction = 0.8  # r_P
    evaluate: Literal["working", "stable", "plastic"] = "working"


class CLSER(Consistency):
    """ER with two teachers (cost: about 7.2 forward units a step, and twice the network's memory)."""

    Config = CLSERConfig

    def setup(self, context: Context) -> None:
        """Copy the network twice."""
        super().setup(context)
        config = self.config
        self.teachers = {
            "stable": Teacher(self.net, config.stable_decay, config.stable_update_probability),
            "plastic": Teacher(self.net, config.plastic_decay, config.plastic_update_probability),
        }

    @torch.no_grad()
    def targets(self, step: Step) -> tuple[Tensor, Tensor]:
        """Each clip's embeddings by the teacher that tells its other half better from those of the other clips."""
        stable, plastic = (self._taught(name, step) for name in ("stable", "plastic"))
        to_video, to_audio = (
            (one > other).unsqueeze(1)
            for one, other in zip(self._certainties(stable), self._certainties(plastic), strict=True)
        )
        assert stable.z_audio is not None and stable.z_video is not None
        assert plastic.z_audio is not None and plastic.z_video is not None
        audio = torch.where(to_audio, stable.z_audio, plastic.z_audio)
        return audio, torch.where(to_video, stable.z_video, plastic.z_video)

    def _taught(self, name: str, step: Step) -> Output:
        assert step.replay is not None
        masks = self.teacher_masks(step, len(step.stream), len(step.joint))
        taught: Output = self.teachers[name].net(step.replay.batch, masks, parts={"contrastive"})
        return taught

    def _certainties(self, out: Output) -> tuple[Tensor, Tensor]:
        """log p_av and log p_va, two (replayed,): probabilities themselves would often round to one."""
        assert out.similarity is not None
        logits = out.similarity / self.context.model.temperature
        return logits.log_softmax(dim=1).diagonal(), logits.log_softmax(dim=0).diagonal()

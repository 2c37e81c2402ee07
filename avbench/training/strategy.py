"""The base of every strategy: experience replay, cut into the few places where methods differ.

A strategy sees batches of clips and its own memory, never a label, a task or a dataset. It overrides only what makes it
different; the order in which the pieces run is written once, in `training_loss`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from avalanche.core import BaseSGDPlugin
from pydantic import Field as Option
from torch import Tensor, nn

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig, Section, TrainingConfig
from avbench.errors import UsageError
from avbench.model.mae import AudioVideoMAE, Output
from avbench.model.masking import Keep, Noise
from avbench.training.generators import Generators
from avbench.training.memory import Field, TensorStore


@dataclass(frozen=True)
class Replay:
    """Clips drawn from the rehearsal memory, with everything that was stored beside them."""

    batch: Batch
    fields: dict[str, Tensor]
    slots: Tensor  # int64 (B,), on the CPU

    def __len__(self) -> int:
        return len(self.batch)


@dataclass
class Step:
    """What one training step knows; the hooks of a strategy read it and may leave notes for later hooks in `notes`."""

    wire: Mapping[str, Any]  # the stream's clips as loaded, on the CPU: audio, video, clip_id
    stream: Batch
    replay: Replay | None = None
    joint: Batch = None  # type: ignore[assignment]  # stream clips first; set by `compose`
    noise: Noise = None  # type: ignore[assignment]
    keep: Keep | None = None
    output: Output = None  # type: ignore[assignment]
    terms: dict[str, Tensor] = field(default_factory=dict)
    notes: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a strategy is given once, before training."""

    net: AudioVideoMAE
    shape: ClipShape
    model: ModelConfig
    training: TrainingConfig
    generators: Generators
    device: torch.device
    base_weights: Mapping[str, Tensor]  # those that are not the model's, such as `matching.*`; empty without any


class ReplayConfig(Section):
    """Options of every method with a rehearsal memory."""

    memory: int = Option(2000, ge=1)  # clips; STELLA, section 5.1 (Continual-VS)


class AudioVideoStrategy(BaseSGDPlugin, supports_distributed=False):  # type: ignore[call-arg]
    """Experience replay, and the base of all other strategies (cost: 6 forward units a step).

    The current batch and as many clips from a reservoir are trained on jointly, so that the contrastive loss also
    tells stream and memory apart. STELLA, section 5.1.
    """

    Config: ClassVar[type[Section]] = ReplayConfig

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.memory: TensorStore | None = None
        self.warnings: list[tuple[str, str]] = []

    # --- once ---------------------------------------------------------------------------------------------------------

    def setup(self, context: Context) -> None:
        """Receive the model and the generators, and allocate the memory.

        Raises:
            UsageError: the memory can't hold one batch.
        """
        self.context, self.net, self.generators = context, context.net, context.generators
        fields = self.memory_fields()
        if fields:
            if self.config.memory < context.training.batch_size:
                raise UsageError(
                    f"options.memory = {self.config.memory} clips is smaller than training.batch_size = "
                    f"{context.training.batch_size}; every step replays a whole batch"
                )
            try:
                self.memory = TensorStore(self.config.memory, fields, context.device)
            except (RuntimeError, MemoryError):
                need = self.config.memory * sum(field.nbytes for field in fields.values())
                raise UsageError(
                    f"options.memory = {self.config.memory} clips need {need / 2**30:,.1f} GiB, which is not to be had"
                ) from None

    def memory_fields(self) -> dict[str, Field]:
        """What the memory keeps per clip; empty for a method without memory."""
        shape = self.context.shape
        return {
            "audio": Field((1, shape.audio_frames, shape.mel_bins), torch.float16, beside_model=False),
            "video": Field((shape.frames, 3, shape.image_size, shape.image_size), torch.uint8, beside_model=False),
        }

    def modules(self) -> dict[str, nn.Module]:
        """Modules trained and checkpointed beside the model, by name."""
        return {}

    @property
    def eval_model(self) -> AudioVideoMAE:
        """The network that is evaluated."""
        return self.net

    # --- every step, in this order ------------------------------------------------------------------------------------

    def select(self, count: int) -> Replay | None:
        """Draw what is replayed beside `count` stream clips: by default as many, uniformly, without replacement."""
        if self.memory is None or not len(self.memory):
            return None
        slots = self.memory.sample(count, self.generators["memory"])
        fields = self.memory.read(slots)
        names = [self.memory.clip_ids[slot] for slot in slots.tolist()]
        batch = Batch.from_wire(fields["audio"], fields["video"], names, self.context.device)
        return Replay(batch, fields, slots)

    def edit(self, replay: Replay) -> Replay:
        """Change the replayed clips before they are used."""
        return replay

    def compose(self, step: Step) -> Batch:
        """The batch that is trained on, stream clips first."""
        return step.stream if step.replay is None else Batch.cat([step.stream, step.replay.batch])

    def patches(self, step: Step) -> Keep | None:
        """The patches that take part at all; None for all of them."""
        return None

    def weigh(self, step: Step) -> Tensor | None:
        """A weight for the loss of every clip of the joint batch, (joint,); None for ones."""
        return None

    def penalty(self, step: Step) -> dict[str, Tensor]:
        """Further terms of the loss, by the name they are logged under."""
        return {}

    def remember(self, step: Step) -> tuple[dict[str, Tensor], Tensor | None]:
        """What to offer to the memory after the update: values per field for the stream's clips, and which to offer."""
        return {"audio": step.wire["audio"], "video": step.wire["video"]}, None

    def consolidate(self) -> None:
        """After the update: move teachers, age the memory."""

    # --- how they fit together ----------------------------------------------------------------------------------------

    def training_loss(self, step: Step) -> Tensor:
        """The loss of one step; fills `step` on the way.

        The mean over the joint batch of each clip's reconstruction and contrastive loss, plus the penalties:
        STELLA, section 3; the contrastive loss (Equation 9) is averaged over its two directions, as released.
        """
        step.replay = self.select(len(step.stream))
        if step.replay is not None:
            step.replay = self.edit(step.replay)
        step.joint = self.compose(step)
        step.noise = Noise.draw(
            len(step.joint), self.context.shape, self.generators["mask"], device=self.context.device
        )
        step.keep = self.patches(step)
        step.output = self.net(step.joint, step.noise, step.keep)
        loss = self._base_loss(step)
        penalties = self.penalty(step)
        step.terms |= penalties
        for term in penalties.values():
            loss = loss + term
        return loss

    def _base_loss(self, step: Step) -> Tensor:
        out, training = step.output, self.context.training
        assert out.reconstruction_audio is not None
        assert out.reconstruction_video is not None
        assert out.contrastive is not None
        reconstruction = out.reconstruction_audio + out.reconstruction_video
        per_clip = training.reconstruction_weight * reconstruction + training.contrastive_weight * out.contrastive
        step.terms["reconstruction_audio"] = out.reconstruction_audio.mean()
        step.terms["reconstruction_video"] = out.reconstruction_video.mean()
        step.terms["contrastive"] = out.contrastive.mean()
        weights = self.weigh(step)
        return (per_clip if weights is None else weights * per_clip).mean()

    def after_update(self, strategy: Any, **kwargs: Any) -> None:
        """Avalanche's event behind the optimizer step: remember the stream's clips, then consolidate."""
        if self.memory is not None:
            payload, keep = self.remember(strategy.step)
            self.memory.add(payload, strategy.step.stream.clip_id, self.generators["reservoir"], keep)
        self.consolidate()

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors of a strategy's own that are neither modules nor memory."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave."""
        if state:
            raise ValueError(f"unexpected state {sorted(state)} for {type(self).__name__}")

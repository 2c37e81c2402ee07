"""What a model and a strategy see of the stream: clips, and nothing that says where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Never

import torch
from torch import Tensor

from avbench.errors import TaskFreeError

# What clips have elsewhere in Avalanche, and strategies must not see.
LABELS = frozenset(
    {"class_id", "class_name", "experience", "experience_id", "label", "labels", "mb_task_id", "mb_y", "target"}
    | {"targets", "task", "task_id", "task_ids", "task_label", "task_labels", "tasks", "y"}
)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def no_such_attribute(owner: object, name: str) -> Exception:
    """The error for an attribute that `owner` does not have, which for labels and tasks is by design."""
    kind = type(owner).__name__
    if name in LABELS:
        return TaskFreeError(f"`{kind}.{name}` was read: a strategy is given clips, without class, task or boundary")
    return AttributeError(f"{kind!r} object has no attribute {name!r}")


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips, ready for the model. There is no label and no task identity in here, by design.

    Attributes:
        audio: float (B, 1, T, F), normalised log-mel spectrogram, time before frequency.
        video: float (B, frames, 3, H, W), ImageNet-normalised.
        clip_id: B names, for bookkeeping only.
    """

    audio: Tensor
    video: Tensor
    clip_id: tuple[str, ...]

    def __len__(self) -> int:
        return self.audio.shape[0]

    def __getattr__(self, name: str) -> Never:
        """Nothing else is here.

        Raises:
            TaskFreeError: what was looked for would tell of classes or tasks.
            AttributeError: otherwise.
        """
        raise no_such_attribute(self, name)

    @staticmethod
    def from_wire(audio: Tensor, video: Tensor, clip_id: Iterable[str], device: torch.device | str = "cpu") -> Batch:
        """Clips as loaders and the rehearsal memory keep them (float16 audio, uint8 video) -> model input on `device`.

        Args:
            audio: float16 (B, 1, T, F), normalised log-mel.
            video: uint8 (B, frames, 3, H, W), RGB.
        """
        audio = audio.to(device, non_blocking=True).float()
        video = video.to(device, non_blocking=True)
        # Built from CPU floats on purpose: two tiny constant transfers, no synchronisation.
        scale = torch.tensor([1 / (255 * s) for s in IMAGENET_STD]).to(device, non_blocking=True)
        shift = torch.tensor([m / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)])
        shift = shift.to(device, non_blocking=True)
        video = video.to(torch.float32, copy=True).mul_(scale.view(3, 1, 1)).sub_(shift.view(3, 1, 1))
        return Batch(audio, video, tuple(clip_id))

    @staticmethod
    def cat(batches: Sequence[Batch]) -> Batch:
        """Join batches along the clip axis, in order."""
        return Batch(
            torch.cat([b.audio for b in batches]),
            torch.cat([b.video for b in batches]),
            tuple(name for b in batches for name in b.clip_id),
        )

"""A strategy on trial: tiny sessions of it on a short stream of clips of noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from avbench.config import ClipShape, ModelConfig, RunConfig, Section, TrainingConfig, validate
from avbench.data.store import collate
from avbench.testing.violation import Violation
from avbench.training.checkpoint import Checkpoint
from avbench.training.session import Session, random_wire
from avbench.training.strategy import AudioVideoStrategy

BATCH, MEMORY = 3, 15  # clips; the memory is full after five steps
STEPS = 8  # of a full batch each
# 32 audio tokens and 48 video tokens, weights other than one, gradients that are clipped: what is confused or left out
# then shows, and so does a module whose gradients reach the network's update.
SHAPE = ClipShape(frames=3, image_size=32, audio_frames=64, mel_bins=32, patch=8)
MODEL = ModelConfig(
    width=16, heads=2, unimodal_depth=1, fusion_depth=1, decoder_width=16, decoder_depth=1, decoder_heads=2
)
TRAINING = TrainingConfig(
    epochs=1,
    batch_size=BATCH,
    learning_rate=1e-3,
    clip_gradient=0.2,
    reconstruction_weight=0.7,
    contrastive_weight=0.3,
)


class NoiseClips(Dataset[dict[str, Any]]):
    """A store of clips of noise; evaluation and training views are the same."""

    def __init__(self, config: RunConfig, count: int) -> None:
        self.wire = random_wire(config, count, torch.Generator().manual_seed(7))
        self.clip_ids = tuple(self.wire["clip_id"])

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        row = key[0] if isinstance(key, tuple) else key
        return {name: self.wire[name][row] for name in ("audio", "video", "clip_id")}


class Trial:
    """Makes sessions of one strategy under one choice of options.

    Args:
        strategy: the class.
        options: its options; where it has a memory and nothing is said of it, a small one.

    Raises:
        Violation: the strategy or its `Config` is no class of the right kind.
    """

    def __init__(self, strategy: type[AudioVideoStrategy], options: Mapping[str, Any]) -> None:
        if not (isinstance(strategy, type) and issubclass(strategy, AudioVideoStrategy)):
            raise Violation(f"{strategy!r} is no strategy", "derive a class from AudioVideoStrategy")
        kind = getattr(strategy, "Config", None)
        if not (isinstance(kind, type) and issubclass(kind, Section)):
            remedy = "derive it from ReplayConfig, or from avbench.config.Section for a method without memory"
            raise Violation("`Config` is no class of options", remedy)
        self.strategy = strategy
        self.options = ({"memory": MEMORY} if "memory" in kind.model_fields else {}) | dict(options)

    @property
    def config(self) -> Any:
        """The options as the strategy gets them."""
        return validate(self.strategy.Config, self.options, "options")

    def session(self, seed: int = 0, **values: Any) -> Session:
        """A new session that has trained nothing, its template attached to a store of clips of noise.

        Args:
            seed: the run's.
            values: further fields of the run's configuration.
        """
        config = RunConfig(
            strategy="on-trial", bench="noise", seed=seed, device="cpu", threads=1, clip=SHAPE, model=MODEL,
            training=TRAINING, options=self.options, **values,
        )  # fmt: skip
        session = Session(config, strategy=self.strategy(self.config))
        session.attach(NoiseClips(config, BATCH * STEPS), shuffle=False)
        return session

    @cached_property
    def end(self) -> Checkpoint:
        """The state after all full batches."""
        session = self.session()
        for rows in full_batches():
            step(session, rows)
        return session.checkpoint()


def full_batches(steps: int = STEPS) -> list[range]:
    """The rows of the first `steps` batches of the stream."""
    return [range(start, start + BATCH) for start in range(0, steps * BATCH, BATCH)]


def step(session: Session, rows: Iterable[int]) -> None:
    """One update on some clips of the session's store."""
    template = session.template
    template.mbatch = collate([template.store[row] for row in rows])
    template.run_iteration()


def difference(one: Checkpoint, two: Checkpoint, groups: Sequence[str] | None = None) -> str:
    """The first tensor of some groups, by default of all, in which two checkpoints differ; empty if there is none.

    The generator `data` is the loader's, which has no part in single steps.
    """
    for group in groups or sorted({*one.tensors, *two.tensors}):
        first, second = one.tensors.get(group, {}), two.tensors.get(group, {})
        for name in sorted({*first, *second} - ({"data"} if group == "generators" else set())):
            if not (name in first and name in second and _same(first[name], second[name])):
                return f"{group}: {name}"
    return "" if one.state.get("memory") == two.state.get("memory") else "memory: names of its clips, or visits"


def _same(one: Tensor, two: Tensor) -> bool:
    return one.dtype == two.dtype and torch.equal(one, two)

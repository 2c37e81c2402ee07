"""A small stream of clips of noise, and sessions on it: enough to test training without data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from avbench.config import RunConfig, TrainingConfig
from avbench.testing.trial import MODEL, SHAPE, NoiseClips
from avbench.training.session import Session

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

TRAINING = TrainingConfig(epochs=2, batch_size=6, learning_rate=1e-3, reconstruction_weight=0.7, contrastive_weight=0.3)


class ShiftedNoise(NoiseClips):
    """Clips of noise whose training views are shifted in time, by what follows from their draw."""

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        clip = super().__getitem__(key)
        return clip | {"audio": clip["audio"].roll(key[1] % 8, dims=1)} if isinstance(key, tuple) else clip


@pytest.fixture
def tiny_config() -> Callable[..., RunConfig]:
    """A configuration of a tiny model: `tiny_config(strategy, options..., training={...})`."""

    def make(strategy: str, training: dict[str, Any] | None = None, **values: Any) -> RunConfig:
        options = values.pop("options", {} if strategy == "finetune" else {"memory": 12})
        schedule = TRAINING.model_copy(update=training or {})
        defaults: dict[str, Any] = {"device": "cpu", "threads": 1, "clip": SHAPE, "model": MODEL}
        return RunConfig(strategy=strategy, bench="noise", options=options, training=schedule, **(defaults | values))

    return make


@pytest.fixture
def train() -> Callable[..., Session]:
    """Train a session on `clips` clips of noise, cut into experiences at `cuts`; returns the session."""

    def run(config: RunConfig, clips: int = 24, cuts: Sequence[int] = (12,), shuffle: bool = True) -> Session:
        from avbench.benchmarks.streams import Clip, build_scenario

        session = Session(config)
        store = ShiftedNoise(config, clips)
        template = session.attach(store, shuffle=shuffle)
        borders = [0, *cuts, clips]
        groups = [[Clip(clip_id, "") for clip_id in store.clip_ids[start:stop]] for start, stop in pairwise(borders)]
        for experience in build_scenario(store, {"train": groups}).train_stream:  # type: ignore[arg-type]
            template.train([experience], eval_streams=[])
        return session

    return run

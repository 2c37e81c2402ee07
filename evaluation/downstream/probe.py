"""Learning a head on a frozen backbone: the one training loop of downstream tasks.

The backbone never changes, so what it says of a fixed view that every epoch asks for is computed once per example and
kept, where that fits into memory. The head is trained with AdamW and a cosine schedule (STELLA, Table 6), chosen by its
score on the validation examples, and only then, once, tested. The released code chooses by the test examples instead;
`selection=test` does so, and the results say it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from avbench.batch import Batch
from avbench.config import BelowOne, Count, Positive, Section
from avbench.errors import AvbenchError, UsageError
from avbench.evaluation.downstream.features import Features, Room
from avbench.evaluation.downstream.task import (
    DownstreamTask,
    Floats,
    Rows,
    Scores,
    Split,
    Splits,
    Workbench,
    undefined,
)
from avbench.model.mae import AudioVideoMAE


class ProbeOptions(Section):
    """How a head is trained; the defaults are those of audio-video classification (STELLA, Table 6)."""

    epochs: Positive = 10
    batch_size: Positive = 48  # examples
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 5e-4  # highest; cosine to zero after the warm-up
    betas: tuple[BelowOne, BelowOne] = (0.95, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 5e-6  # decoupled
    warmup_epochs: Count = 3  # of a rate that rises to the highest
    selection: Literal["validation", "last", "test"] = "validation"  # which epoch's head is tested
    training_views: Literal["random", "fixed"] = "random"  # augmented anew in every epoch, or the view of evaluation

    @model_validator(mode="after")
    def _the_rate_rises_and_falls(self) -> ProbeOptions:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs = {self.warmup_epochs} is not below epochs = {self.epochs}: the learning rate would "
                f"rise and never fall; give at most --set warmup_epochs={self.epochs - 1} with it, or more epochs"
            )
        return self


@dataclass(frozen=True)
class Judgement:
    """What predictions of N examples are worth; the other fields are those of `Scores`."""

    examples: int
    outcomes: Mapping[str, Floats]
    chance: Mapping[str, float]
    pooled: Mapping[str, Callable[[Rows], float]] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """The score of a metric in percent.

        Raises:
            DataError: no example has a value.
        """
        if metric in self.pooled:
            return self.pooled[metric](np.arange(self.examples))
        known = self.outcomes[metric][~np.isnan(self.outcomes[metric])]
        if not len(known):
            raise undefined(metric, f"{self.examples} examples that are to choose the epoch")
        return float(known.mean())


class ProbeTask(DownstreamTask):
    """A downstream task that learns a head on a frozen backbone; see `DownstreamTask` for what else to say."""

    Config: ClassVar[type[Section]] = ProbeOptions

    @abstractmethod
    def encode(self, net: AudioVideoMAE, batch: Batch) -> Tensor:
        """What the head sees of each clip: (clips, ...) float, from the frozen `net`; called without gradients."""

    @abstractmethod
    def head(self, net: AudioVideoMAE) -> nn.Module:
        """A new head: features (B, V, ...) of examples -> output (B, ...). Its initial weights come from torch's
        generator, which is seeded for it."""

    @abstractmethod
    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """What is minimised: a scalar, the mean over the B examples of a batch."""

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """What is kept of the output for scoring: (B, ...), as small as possible."""

    @abstractmethod
    def score(self, predictions: Tensor, targets: Tensor) -> Judgement:
        """The worth of the predictions of all N examples of a split; both arguments are on the CPU."""

    def evaluate(self, net: AudioVideoMAE, splits: Splits, bench: Workbench) -> Scores:
        """Train a head on `splits.train`, choose an epoch, test it once.

        Raises:
            UsageError: it is to be chosen by validation examples, and there are none.
            AvbenchError: the loss is not finite.
        """
        return _Probe(self, net, splits, bench).run()


class _Probe:
    """One head on one backbone."""

    def __init__(self, task: ProbeTask, net: AudioVideoMAE, splits: Splits, bench: Workbench) -> None:
        self.task, self.net, self.splits, self.bench = task, net.eval().requires_grad_(False), splits, bench
        self.options: ProbeOptions = task.options
        if self.options.selection == "validation" and not len(splits.validation):
            raise UsageError("there are no validation examples to choose an epoch by; use --set selection=last")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(bench.generator("head").initial_seed())
            self.head = task.head(net).to(bench.device)
        betas, decay = self.options.betas, self.options.weight_decay
        rate = self.options.learning_rate
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=rate, betas=betas, weight_decay=decay)
        encode, room = partial(task.encode, self.net), Room(bench.feature_memory)
        self.train = Features(encode, splits.train, bench, room)
        # What is asked for in every epoch is kept; the test examples are asked for once, unless they choose.
        again = dict.fromkeys(self._chosen_by(), room)
        self.tested = {
            name: Features(encode, getattr(splits, name), bench, again.get(name)) for name in {**again, "test": None}
        }

    def run(self) -> Scores:
        """Train, choose, test."""
        history: list[dict[str, float]] = []
        best, kept = 0, self._state()
        for epoch in range(1, self.options.epochs + 1):
            found = {"loss": self._train_epoch(epoch)}
            found |= {name: self._judge(name).value(self.task.metrics[0]) for name in self._chosen_by()}
            history.append(found)
            self.bench.announce("epoch", epoch=epoch, epochs=self.options.epochs, **found)
            if not best or not self._chosen_by() or self._better(history, epoch, best):
                best, kept = epoch, self._state()
        self.head.load_state_dict(kept)
        judged = self._judge("test")
        return Scores(judged.outcomes, judged.chance, judged.pooled, tuple(history), best)

    def _chosen_by(self) -> tuple[str, ...]:
        """The split that chooses the epoch, if one does."""
        return () if self.options.selection == "last" else (self.options.selection,)

    def _better(self, history: list[dict[str, float]], epoch: int, best: int) -> bool:
        name = self.options.selection
        return history[epoch - 1][name] > history[best - 1][name]  # the earliest of equals

    def _state(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.head.state_dict().items()}

    def _train_epoch(self, epoch: int) -> float:
        generator = self.bench.generator("epoch", epoch)
        count = len(self.splits.train)
        order = torch.randperm(count, generator=generator)
        draws = torch.randint(2**62, (count,), generator=generator)
        batches = order.split(self.options.batch_size)
        self.head.train()
        total = torch.zeros((), device=self.bench.device)
        seen = self.train.batches(batches, draws if self.options.training_views == "random" else None)
        for number, (rows, features) in enumerate(zip(batches, seen, strict=True)):
            self._set_rate((epoch - 1) * len(batches) + number, len(batches))
            output = self.head(features)
            loss = self.task.loss(output, self.splits.train.targets[rows].to(self.bench.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(rows)
        mean = float(total) / count
        if not math.isfinite(mean):
            raise AvbenchError(
                f"the loss of the head is not finite in epoch {epoch}; lower it with --set learning_rate="
            )
        return mean

    def _set_rate(self, step: int, per_epoch: int) -> None:
        warm, every = self.options.warmup_epochs * per_epoch, self.options.epochs * per_epoch
        share = (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (every - warm)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * share

    @torch.no_grad()
    def _judge(self, name: str) -> Judgement:
        split: Split = getattr(self.splits, name)
        self.head.eval()
        batches = torch.arange(len(split)).split(self.options.batch_size)
        predictions = [self.task.predict(self.head(seen)).cpu() for seen in self.tested[name].batches(batches)]
        return self.task.score(torch.cat(predictions), split.targets)

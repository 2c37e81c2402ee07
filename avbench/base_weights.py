"""Making base weights: the state that a continual run starts from, when none has been published for its model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

import avbench
from avbench.batch import Batch
from avbench.benchmarks.streams import AudioVideoBenchmark, rows_of
from avbench.config import RunConfig, Section
from avbench.errors import Interrupted
from avbench.evaluation.metric import RetrievalRecall, quiet_evaluator
from avbench.evaluation.retrieval import RetrievalResult
from avbench.results.comparability import stable_hash
from avbench.results.journal import Announce
from avbench.training import weights
from avbench.training.loader import batches_per_epoch, epoch_batches, make_loader
from avbench.training.pretraining import BasePretraining, cosine_schedule
from avbench.training.session import Session
from avbench.training.template import AudioVideoPretraining

FORMAT = "avbench-base-weights-1"
LOSS_EVERY = 50  # steps between the losses kept with the weights, by which a later run can tell that it is the same


def make_base_weights(
    config: RunConfig, base: AudioVideoBenchmark, out: Path, announce: Announce, stopping: Callable[[], bool]
) -> Path:
    """Pre-train backbone and matching module on the base clips, and write both to `out`.

    Args:
        config: its `clip`, `model`, `pretraining` and objective are used; the stream's schedule is not.
        base: one training experience of base clips and a retrieval stream of others.
        out: the safetensors file.
        announce: takes events as in a run.
        stopping: says whether to stop.

    Raises:
        Interrupted: asked to stop; nothing is written.
        CheckpointError: `out` can't be written.
    """
    weights.check_writable(out)
    making = _Making(_on_its_own_schedule(config), base, out, announce, stopping)
    held_out = making.train()
    making.save(held_out)
    recall = _of_the_only_task(held_out)
    seconds = round(time.monotonic() - making.started, 3)
    announce("finished", seconds=seconds, summary={}, recall=recall, path=str(out))
    return out


def _on_its_own_schedule(config: RunConfig) -> RunConfig:
    pretraining = config.pretraining
    schedule = {
        "base_weights": None,
        "epochs": pretraining.epochs,
        "batch_size": pretraining.batch_size,
        "learning_rate": pretraining.learning_rate,
    }
    return config.model_copy(update={"training": config.training.model_copy(update=schedule)})


def _of_the_only_task(found: RetrievalResult) -> dict[str, dict[str, float]]:
    return {way: {name: values[0] for name, values in recalls.items()} for way, recalls in found.recalls().items()}


class _Making:
    """The arguments of `make_base_weights`, and what is built from them."""

    def __init__(
        self,
        config: RunConfig,
        base: AudioVideoBenchmark,
        out: Path,
        announce: Announce,
        stopping: Callable[[], bool],
    ) -> None:
        self.config, self.base, self.out, self.announce, self.stopping = config, base, out, announce, stopping
        self.rows = rows_of(base.scenario.train_stream[0])
        self.steps = config.training.epochs * batches_per_epoch(len(self.rows), config.training.batch_size)
        self.strategy = BasePretraining(Section())
        self.session = Session(config, self.strategy, cosine_schedule(config.pretraining, self.steps))
        self.metric = RetrievalRecall(1)
        self.started, self.losses = time.monotonic(), dict[int, float]()
        self.template = self.session.attach(base.store, quiet_evaluator(self.metric), self._after_step)

    def train(self) -> RetrievalResult:
        """All of the training, and retrieval among the held-out clips after it."""
        self._announce_start()
        self.template.train([self.base.scenario.train_stream[0]], eval_streams=[])
        self._train_matching_alone()
        self.template.eval(self.base.scenario.retrieval_stream)
        assert self.metric.last is not None
        return self.metric.last

    def save(self, held_out: RetrievalResult) -> None:
        """Write the weights, with what they are and how good."""
        config, base, recall = self.config, self.base, _of_the_only_task(held_out)
        description = {
            "format": FORMAT,
            "avbench": avbench.__version__,
            "bench": config.bench,
            "benchmark_version": base.version,
            "profile": config.profile,
            "seed": str(config.seed),
            "synthetic": str(base.synthetic).lower(),
            "steps": str(self.steps),
            "clips": str(len(self.rows)),
            "clip_list_hash": base.clip_list_hash,
            "clip": json.dumps(config.clip.model_dump(mode="json")),
            "model": json.dumps(config.model.model_dump(mode="json")),
            "configuration": stable_hash(config.model_dump(mode="json", include={"clip", "model", "pretraining"})),
            "held_out_queries": str(sum(held_out.queries)),
            "held_out_recall_audio2video": str(recall["audio2video"]),
            "held_out_recall_video2audio": str(recall["video2audio"]),
            "matching_accuracy": f"{self.strategy.matching_accuracy:.3f}",
            "losses": json.dumps(self.losses),
        }
        weights.save_base(self.out, {"model": self.session.net, "matching": self.strategy.matching}, description)

    def _after_step(self, template: AudioVideoPretraining) -> None:
        step, log_every = template.progress.step, self.config.training.log_every
        if self.stopping():
            raise Interrupted(f"stopped at step {step} of {self.steps}; nothing was written to {self.out}")
        if step % log_every == 0:
            loss = self._announce_step()
            if step % LOSS_EVERY == 0:
                self.losses[step] = round(loss, 3)

    def _train_matching_alone(self) -> None:
        """Further epochs of the matching module on the finished, frozen backbone.

        The released commands do so before continual pre-training starts.
        """
        config, device = self.config, self.session.device
        rate, betas = config.pretraining.matching_learning_rate, config.training.betas
        optimizer = torch.optim.Adam(self.strategy.matching.parameters(), lr=rate, betas=betas)
        for _ in range(config.pretraining.matching_extra_epochs):
            batches = epoch_batches(self.rows, config.training.batch_size, self.session.generators["data"])
            for wire in make_loader(self.template.store, batches, config.workers, pin=device.type == "cuda"):
                if self.stopping():
                    raise Interrupted("stopped while training the matching module; nothing was written")
                batch = Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], device)
                optimizer.zero_grad(set_to_none=True)
                self.strategy.matching_loss(batch).backward()
                optimizer.step()

    # --- what is told -------------------------------------------------------------------------------------------------

    def _announce_start(self) -> None:
        config = self.config
        self.announce(
            "run_started",
            strategy="base pre-training",
            bench=config.bench,
            profile=config.profile,
            seed=config.seed,
            resumed=False,
            step=0,
            total_steps=self.steps,
            experiences=["base clips"],
            clips=[len(self.rows)],
            parameters=sum(self.session.parameters.values()),
            device=str(self.session.device),
            threads=config.threads,
            synthetic=self.base.synthetic,
            directory=str(self.out.parent),
        )

    def _announce_step(self) -> float:
        progress, seconds = self.template.progress, time.monotonic() - self.started
        terms = self.template.read_terms(self.config.training.log_every)
        loss = terms.pop("loss")
        self.announce(
            "step",
            step=progress.step,
            total_steps=self.steps,
            experience=0,
            epoch=progress.epoch,
            loss=loss,
            terms=terms,
            clips_per_second=progress.clips / seconds,
            memory_clips=0,
            seconds_left=seconds / progress.step * (self.steps - progress.step),
        )
        return loss

"""Making base weights: the state that a continual run starts from, when none has been published for its model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

import avbench
from avbench import seen_videos
from avbench.base import start as base_start
from avbench.base.checkpoint import Unfinished, decided_by
from avbench.benchmarks.streams import AudioVideoBenchmark, rows_of
from avbench.config import RunConfig, Section
from avbench.errors import Interrupted
from avbench.evaluation.metric import RetrievalRecall, quiet_evaluator
from avbench.evaluation.retrieval import RetrievalResult
from avbench.results.comparability import stable_hash
from avbench.results.journal import Announce
from avbench.training import weights
from avbench.training.checkpoint import Checkpoint
from avbench.training.loader import batches_per_epoch
from avbench.training.matching_alone import MatchingAlone
from avbench.training.pretraining import BasePretraining, cosine_schedule
from avbench.training.session import Session
from avbench.training.template import AudioVideoPretraining

FORMAT = "avbench-base-weights-1"
LOSS_EVERY = 50  # steps between the losses kept with the weights, by which a later run can tell that it is the same


def make_base_weights(
    config: RunConfig, base: AudioVideoBenchmark, out: Path, announce: Announce, stopping: Callable[[], bool]
) -> Path:
    """Pre-train backbone and matching module on the base clips, or one of them, and write `out`.

    An unfinished pre-training of the same configuration beside `out` is continued, bit for bit.

    Args:
        config: its `clip`, `model`, `pretraining` and objective are used; the stream's schedule is not.
        base: one training experience of base clips and a retrieval stream of others.
        out: the safetensors file.
        announce: takes events as in a run.
        stopping: says whether to stop.

    Raises:
        Interrupted: asked to stop; a checkpoint is beside `out`.
        UsageError: the weights to start from don't fit, or what lies beside `out` is of another configuration.
        CheckpointError: `out` or a checkpoint can't be written or read.
    """
    making = _Making(config, base, out, announce, stopping)
    held_out = making.train()
    making.save(held_out)
    recall = _of_the_only_task(held_out)
    seconds = round(time.monotonic() - making.started, 3)
    announce("finished", seconds=seconds, summary={}, recall=recall, path=str(out))
    return out


def _on_its_own_schedule(config: RunConfig) -> RunConfig:
    pretraining = config.pretraining
    schedule = {
        "base_weights": base_start.starting_weights(config),
        "epochs": pretraining.epochs,
        "batch_size": pretraining.batch_size,
        "learning_rate": pretraining.learning_rate,
    }
    return config.model_copy(update={"training": config.training.model_copy(update=schedule)})


def _of_the_only_task(found: RetrievalResult) -> dict[str, dict[str, float]]:
    return {way: {name: values[0] for name, values in recalls.items()} for way, recalls in found.recalls().items()}


def _role_of_matching(config: RunConfig) -> Literal["beside", "apart", "none"]:
    if config.pretraining.stages == "backbone":
        return "none"
    return "beside" if config.pretraining.matching_beside_backbone else "apart"


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
        self.base, self.out, self.announce, self.stopping = base, out, announce, stopping
        self.unfinished = Unfinished(out, decided_by(config, base))
        self.config = config = _on_its_own_schedule(config)
        self.stages = config.pretraining.stages
        self.rows = rows_of(base.scenario.train_stream[0])
        epochs = 0 if self.stages == "matching" else config.training.epochs
        self.backbone_steps = epochs * batches_per_epoch(len(self.rows), config.training.batch_size)
        self.strategy = BasePretraining(Section(), _role_of_matching(config))
        self.session = Session(config, self.strategy, cosine_schedule(config.pretraining, self.backbone_steps))
        self.metric = RetrievalRecall(1)
        self.losses = dict[int, float]()
        self.template = self.session.attach(base.store, quiet_evaluator(self.metric), self._after_step)
        self.matching = MatchingAlone(self.session, self.strategy, base.store, self.rows)
        self.steps = self.backbone_steps + (0 if self.stages == "backbone" else self.matching.steps)
        self.started = self._saved_at = time.monotonic()
        self._first = 0  # the step that this process began at

    def train(self) -> RetrievalResult:
        """All of the training, or what is left of it, and retrieval among the held-out clips after it."""
        self._restore()
        self._announce_start()
        if self.stages != "matching" and not self.template.progress.experience:
            self.template.train([self.base.scenario.train_stream[0]], eval_streams=[])
            self._save()
        if self.stages != "backbone":
            self.matching.train(self._after_matching_step)
        self.template.eval(self.base.scenario.retrieval_stream)
        assert self.metric.last is not None
        return self.metric.last

    def save(self, held_out: RetrievalResult) -> None:
        """Write the weights, with what they are and how good; the checkpoints have had their day then."""
        weights.save_tensors(self.out, self._tensors(), self._description(held_out))
        self.unfinished.remove()

    def _tensors(self) -> dict[str, Tensor]:
        """What was trained in half precision, which halves the file; what was given and not trained as it was given."""
        modules = {"model": self.session.net, **self.strategy.modules()}
        made = weights.in_half_precision(modules)
        if self.stages != "matching":
            return made
        given = weights.read_tensors(weights.locate(str(self.config.training.base_weights)))
        return made | {name: value for name, value in given.items() if name.startswith("model.")}

    def _description(self, held_out: RetrievalResult) -> dict[str, str]:
        config, base, recall = self.config, self.base, _of_the_only_task(held_out)
        trained = self.stages != "backbone"
        return {
            "format": FORMAT,
            "avbench": avbench.__version__,
            "bench": config.bench,
            "benchmark_version": base.version,
            "profile": config.profile,
            "seed": str(config.seed),
            "synthetic": str(base.synthetic).lower(),
            "stages": self.stages,
            "starting_weights": base_start.description(config.training.base_weights),
            "steps": str(self.backbone_steps),
            "matching_steps": str(self.matching.step),
            "clips": str(len(self.rows)),
            "clip_list_hash": base.clip_list_hash,
            "base_mix": json.dumps(base.base_mix),
            **seen_videos.metadata_of(base, config.training.base_weights),
            "clip": json.dumps(config.clip.model_dump(mode="json")),
            "model": json.dumps(config.model.model_dump(mode="json")),
            "configuration": stable_hash(config.model_dump(mode="json", include={"clip", "model", "pretraining"})),
            "held_out_queries": str(sum(held_out.queries)),
            "held_out_recall_audio2video": str(recall["audio2video"]),
            "held_out_recall_video2audio": str(recall["video2audio"]),
            **({"matching_accuracy": f"{self.strategy.matching_accuracy:.3f}"} if trained else {}),
            "losses": json.dumps(self.losses),
        }

    # --- steps --------------------------------------------------------------------------------------------------------

    def _after_step(self, template: AudioVideoPretraining) -> None:
        step, log_every = template.progress.step, self.config.training.log_every
        if step % log_every:
            return  # a checkpoint in between would lose the terms that were not yet told
        terms = template.read_terms(log_every)
        self._announce_step(step, template.progress.epoch, terms)
        if step % LOSS_EVERY == 0:
            self.losses[step] = round(terms["loss"], 3)
        self._save_if_due(step)

    def _after_matching_step(self) -> None:
        matching, log_every = self.matching, self.config.training.log_every
        if matching.step % log_every:
            return
        terms = matching.loss.read(matching.step, log_every)
        step = self.backbone_steps + matching.step
        self._announce_step(step, matching.epoch, {**terms, "matching": terms["loss"]})
        self._save_if_due(step)

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        if (found := self.unfinished.load()) is None:
            return
        path, saved = found
        self.session.restore(saved, path)
        self.matching.load(saved.tensors["matching-alone"], saved.state["matching_alone"])
        self.losses = {int(step): loss for step, loss in saved.state["losses"].items()}
        self._first = self.template.progress.step + self.matching.step

    def _save_if_due(self, step: int) -> None:
        if self.stopping():
            self._save()
            raise Interrupted(
                f"stopped at step {step} of {self.steps} and saved in {self.unfinished.folder}; the same command goes "
                "on from there"
            )
        if time.monotonic() - self._saved_at >= 60 * self.config.training.checkpoint_minutes:
            self._save()

    def _save(self) -> None:
        saved, finished = self.session.checkpoint(), self.template.progress.experience
        state: dict[str, Any] = {"losses": self.losses, "matching_alone": self.matching.state_dict()}
        checkpoint = Checkpoint({**saved.tensors, "matching-alone": self.matching.tensors()}, {**saved.state, **state})
        step = self.template.progress.step + self.matching.step
        self.unfinished.save(step, finished, checkpoint, self.config.training.keep_checkpoints)
        self._saved_at = time.monotonic()

    # --- what is told -------------------------------------------------------------------------------------------------

    def _announce_start(self) -> None:
        config = self.config
        self.announce(
            "run_started",
            strategy="base pre-training",
            bench=config.bench,
            profile=config.profile,
            seed=config.seed,
            resumed=self._first > 0,
            step=self._first,
            total_steps=self.steps,
            experiences=["base clips"],
            clips=[len(self.rows)],
            parameters=sum(self.session.parameters.values()),
            device=str(self.session.device),
            threads=config.threads,
            synthetic=self.base.synthetic,
            directory=str(self.out.parent),
        )
        start = config.training.base_weights
        begin = "random weights" if start is None else start
        self.announce("warning", code="start", message=f"stage {self.stages}, the backbone from {begin}")
        for note in self.base.notes:
            self.announce("warning", code="data", message=note)

    def _announce_step(self, step: int, epoch: int, terms: dict[str, float]) -> None:
        seconds, done = time.monotonic() - self.started, step - self._first
        rate = done / seconds
        self.announce(
            "step",
            step=step,
            total_steps=self.steps,
            experience=0,
            epoch=epoch,
            loss=terms["loss"],
            terms={name: value for name, value in terms.items() if name != "loss"},
            clips_per_second=rate * self.config.training.batch_size,
            memory_clips=0,
            seconds_left=(self.steps - step) / rate,
        )

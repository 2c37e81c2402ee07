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
from avbench.continual_run import Announce, quiet_evaluator
from avbench.errors import Interrupted
from avbench.evaluation.metric import RetrievalRecall
from avbench.results.comparability import stable_hash
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
    pretraining = config.pretraining
    schedule = {
        "base_weights": None,
        "epochs": pretraining.epochs,
        "batch_size": pretraining.batch_size,
        "learning_rate": pretraining.learning_rate,
    }
    config = config.model_copy(update={"training": config.training.model_copy(update=schedule)})
    experience = base.scenario.train_stream[0]
    rows = rows_of(experience)
    steps = pretraining.epochs * batches_per_epoch(len(rows), pretraining.batch_size)
    strategy = BasePretraining(Section())
    session = Session(config, strategy, cosine_schedule(pretraining, steps))
    metric = RetrievalRecall(1)
    started, losses = time.monotonic(), dict[int, float]()

    def after_step(template: AudioVideoPretraining) -> None:
        step = template.progress.step
        if stopping():
            raise Interrupted(f"stopped at step {step} of {steps}; nothing was written to {out}")
        if step % config.training.log_every == 0:
            loss = _announce_step(template, steps, config.training.log_every, started, announce)
            if step % LOSS_EVERY == 0:
                losses[step] = round(loss, 3)

    template = session.attach(base.store, quiet_evaluator(metric), after_step)
    announce(
        "run_started",
        strategy="base pre-training",
        bench=config.bench,
        profile=config.profile,
        seed=config.seed,
        resumed=False,
        step=0,
        total_steps=steps,
        experiences=["base clips"],
        clips=[len(rows)],
        parameters=sum(session.parameters.values()),
        device=str(session.device),
        threads=config.threads,
        synthetic=base.synthetic,
        directory=str(out.parent),
    )
    template.train([experience], eval_streams=[])
    _train_matching_alone(session, strategy, rows, stopping)
    template.eval(base.scenario.retrieval_stream)
    assert metric.last is not None
    recalls = metric.last.recalls()
    held_out = {way: {name: values[0] for name, values in found.items()} for way, found in recalls.items()}
    weights.save_base(
        out,
        {"model": session.net, "matching": strategy.matching},
        {
            "format": FORMAT,
            "avbench": avbench.__version__,
            "bench": config.bench,
            "benchmark_version": base.version,
            "profile": config.profile,
            "seed": str(config.seed),
            "synthetic": str(base.synthetic).lower(),
            "steps": str(steps),
            "clips": str(len(rows)),
            "clip_list_hash": base.clip_list_hash,
            "clip": json.dumps(config.clip.model_dump(mode="json")),
            "model": json.dumps(config.model.model_dump(mode="json")),
            "configuration": stable_hash(config.model_dump(mode="json", include={"clip", "model", "pretraining"})),
            "held_out_queries": str(sum(metric.last.queries)),
            "held_out_recall_audio2video": str(held_out["audio2video"]),
            "held_out_recall_video2audio": str(held_out["video2audio"]),
            "matching_accuracy": f"{strategy.matching_accuracy:.3f}",
            "losses": json.dumps(losses),
        },
    )
    announce("finished", seconds=round(time.monotonic() - started, 3), summary={}, recall=held_out, path=str(out))
    return out


def _train_matching_alone(
    session: Session, strategy: BasePretraining, rows: list[int], stopping: Callable[[], bool]
) -> None:
    """Further epochs of the matching module on the finished, frozen backbone.

    The released commands do so before continual pre-training starts.
    """
    config, device = session.config, session.device
    rate, betas = config.pretraining.matching_learning_rate, config.training.betas
    optimizer = torch.optim.Adam(strategy.matching.parameters(), lr=rate, betas=betas)
    for _ in range(config.pretraining.matching_extra_epochs):
        batches = epoch_batches(rows, config.training.batch_size, session.generators["data"])
        for wire in make_loader(session.template.store, batches, config.workers, pin=device.type == "cuda"):
            if stopping():
                raise Interrupted("stopped while training the matching module; nothing was written")
            batch = Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], device)
            optimizer.zero_grad(set_to_none=True)
            strategy.matching_loss(batch).backward()
            optimizer.step()


def _announce_step(
    template: AudioVideoPretraining, steps: int, log_every: int, started: float, announce: Announce
) -> float:
    progress, seconds = template.progress, time.monotonic() - started
    terms = template.read_terms(log_every)
    loss = terms.pop("loss")
    announce(
        "step",
        step=progress.step,
        total_steps=steps,
        experience=0,
        epoch=progress.epoch,
        loss=loss,
        terms=terms,
        clips_per_second=progress.clips / seconds,
        memory_clips=0,
        seconds_left=seconds / progress.step * (steps - progress.step),
    )
    return loss

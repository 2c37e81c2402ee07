"""The checks of the conformance suite: what holds for every strategy, whatever its method."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avbench.benchmarks.streams import Clip, build_scenario
from avbench.config import validate
from avbench.errors import TaskFreeError, UsageError
from avbench.testing.trial import BATCH, STEPS, NoiseClips, Trial, difference, full_batches, step
from avbench.testing.violation import Violation
from avbench.training import checkpoint as checkpoints
from avbench.training.session import Session


def options(trial: Trial) -> None:
    """A mistyped option is refused, and options survive being written to a run's config.yaml."""
    kind, config = trial.strategy.Config, trial.config
    try:
        validate(kind, trial.options | {"no_such_option": 1}, "options")
    except UsageError:
        pass
    else:
        raise Violation("an unknown option is accepted", f"leave `model_config` of {kind.__name__} as Section sets it")
    try:
        again = validate(kind, json.loads(json.dumps(config.model_dump(mode="json"))), "options")
    except (TypeError, ValueError, UsageError) as error:
        again = error
    if again != config:
        wrong = f"the options do not survive being saved: {config!r} comes back as {again!r}"
        raise Violation(wrong, "use types that JSON knows: numbers, strings, booleans, lists")


def batches(trial: Trial) -> None:
    """Loss and embeddings are finite for full, short and single-clip batches, with an empty memory and a filled one."""
    for sizes in ([BATCH, BATCH, BATCH - 1, 1, BATCH], [1, 1, BATCH], [BATCH - 1, BATCH]):
        session, start, moved = trial.session(), 0, False
        for number, size in enumerate(sizes):
            step(session, range(start, start + size))
            start += size
            where = f"in step {number + 1} of batches of {sizes} clips"
            _check_finite(session, where)
            _check_untouched(session, where)
            moved = moved or any(p.grad is not None and bool(p.grad.any()) for p in session.net.parameters())
        if not moved:
            raise Violation("the loss has no gradient for the network", "let the loss depend on `step.output`")


def _check_finite(session: Session, where: str) -> None:
    terms = {**session.template.step.terms, "the loss": session.template.loss}
    for name, value in ((name, value.detach()) for name, value in terms.items()):
        if not bool(torch.isfinite(value).all()):
            remedy = "expect an empty memory in the first step, fewer clips than a full batch, and even a single one"
            raise Violation(f"{name} is {float(value)} {where}", remedy)
    for name, net in session.strategy.evaluated.items():
        with torch.no_grad():
            embeddings = net.embed(session.template.step.stream)
        if not all(bool(torch.isfinite(embedding).all()) for embedding in embeddings):
            raise Violation(f"the evaluated network {name!r} gives embeddings that are not finite {where}", "see there")


def _check_untouched(session: Session, where: str) -> None:
    template = session.template
    clips, store = template.step.wire, template.store
    for row, clip_id in enumerate(clips["clip_id"]):
        original = store[store.clip_ids.index(clip_id)]
        if not all(torch.equal(clips[name][row], original[name]) for name in ("audio", "video")):
            raise Violation(f"the stream's clips are changed in place {where}", "work on a copy: `clone()`")


def precision(trial: Trial) -> None:
    """The same steps in mixed precision: bfloat16 where PyTorch's autocast computes in it, replay included."""
    session = trial.session(precision="bf16")
    for number, rows in enumerate(full_batches()):
        try:
            step(session, rows)
        except RuntimeError as error:
            remedy = "wrap what must not be cast in `avbench.model.precision.full_precision`"
            raise Violation(f"with --precision bf16 step {number + 1} fails: {error}", remedy) from error
        _check_finite(session, f"in step {number + 1} with --precision bf16")


def determinism(trial: Trial) -> None:
    """One seed gives one result, another seed another, and no number comes from a global generator."""
    end, ends = trial.end, []
    for seed in (0, 1):
        torch.manual_seed(0x5EED)
        np.random.seed(0x5EED)  # noqa: NPY002 (what plugins should not draw from)
        random.seed(0x5EED)
        session = trial.session(seed)
        before = _global_states()
        for rows in full_batches():
            step(session, rows)
        drawn = [name for name, state in _global_states().items() if state != before[name]]
        if drawn:
            remedy = "draw from `self.generators`: `aux`, `coin` or `mix`; every other source is lost on resuming"
            raise Violation(f"training draws from the global generator of {', '.join(drawn)}", remedy)
        ends.append(session.checkpoint())
    if changed := difference(end, ends[0]):
        remedy = (
            "draw every random number from `self.generators`, weights of new modules from `init`, and depend on no "
            "time, address or hash"
        )
        raise Violation(f"two runs of one seed differ, first in {changed}", remedy)
    if not difference(end, ends[1], ["model"]):
        raise Violation("two runs of different seeds end with the same weights", "do not seed generators yourself")


def _global_states() -> dict[str, bytes]:
    state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": state["state"]["key"].tobytes() + str(state["state"]["pos"]).encode(),
        "Python": repr(random.getstate()).encode(),
    }


def resume(trial: Trial) -> None:
    """A run that is stopped, saved, and continued by a new process ends as if nothing had happened, to the bit."""
    rows, stopped_at = full_batches(), STEPS - 3
    stopped = trial.session()
    for batch in rows[:stopped_at]:
        step(stopped, batch)
    with tempfile.TemporaryDirectory() as folder:
        saved = checkpoints.save(Path(folder), stopped_at, 0, stopped.checkpoint(), keep=1)
        continued = trial.session(seed=1)  # nothing of the seed may matter any more
        continued.restore(checkpoints.load(saved), saved)
    for batch in rows[stopped_at:]:
        step(continued, batch)
    if changed := difference(trial.end, continued.checkpoint()):
        remedy = (
            "whatever a step leaves for later steps belongs into the memory, `modules()`, `teachers`, or `state_dict` "
            "and `load_state_dict`"
        )
        raise Violation(f"a resumed run differs from an uninterrupted one, first in {changed}", remedy)


def task_free(trial: Trial) -> None:
    """The stream, cut into experiences or given whole, leaves the same weights; no hook is told where one ends."""
    if trial.strategy.boundary_aware or trial.strategy.joint_stream:
        return  # declared, and marked in every table
    try:
        whole, cut = (_streamed(trial, borders) for borders in ([], [2 * BATCH, 5 * BATCH]))
    except TaskFreeError as error:
        raise Violation(str(error), "use what a step knows, or declare `boundary_aware = True`") from None
    if changed := difference(whole.checkpoint(), cut.checkpoint(), ["model"]):
        raise Violation(
            f"where the stream is cut into experiences changes the result, first in {changed}",
            "do not count steps against a number of tasks, and keep nothing that is reset between experiences",
        )


def _streamed(trial: Trial, borders: Iterable[int]) -> Session:
    session = trial.session()
    store: Any = NoiseClips(session.config, 6 * BATCH)
    session.attach(store, shuffle=False)
    edges = [0, *borders, len(store)]
    groups = [[Clip(name, "") for name in store.clip_ids[a:b]] for a, b in pairwise(edges)]
    for experience in build_scenario(store, {"train": groups}).train_stream:
        session.template.train([experience], eval_streams=[])
    return session

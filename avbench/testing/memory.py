"""Checks of the conformance suite: bounds of the rehearsal memory, discipline of the generators, and the parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avbench.model.masking import Noise
from avbench.testing.trial import MEMORY, SHAPE, STEPS, Trial, difference, full_batches, step
from avbench.testing.violation import Violation
from avbench.training.session import Session
from avbench.training.strategy import AudioVideoStrategy

# What a strategy holds beside its own state: given to it, bounded by construction, or measured elsewhere.
GIVEN = {"config", "context", "net", "generators", "memory", "teachers", "optimizer"}


def memory(trial: Trial) -> None:
    """The memory stays within its capacity in clips or bytes, holds clips of the stream, and is the only store."""
    session, seen, sizes = trial.session(), set[str](), list[int]()
    for rows in full_batches():
        step(session, rows)
        seen |= set(session.template.step.stream.clip_id)
        sizes.append(_hoarded(session.strategy))
        _check_contents(session, seen)
    if sizes[-1] > sizes[STEPS // 2]:
        grown = sizes[-1] - sizes[STEPS // 2]
        wrong = f"the strategy holds {grown:,} bytes more after {STEPS} steps than after {STEPS // 2 + 1}"
        raise Violation(wrong, "what is kept per clip belongs into `memory_fields` and `remember`")
    store = session.strategy.memory
    if store is not None and "memory" in trial.strategy.Config.model_fields:
        budget = store.nbytes // store.capacity * MEMORY + 7
        bounded = Trial(trial.strategy, trial.options | {"memory": f"{budget}B"}).session().strategy.memory
        if bounded is None or bounded.nbytes > budget:
            given = "none" if bounded is None else f"{bounded.nbytes:,} bytes"
            remedy = "leave `memory_capacity` as it is, or give no more than `capacity_of(self.config.memory, fields)`"
            raise Violation(f"with options.memory = {budget}B the memory takes {given}", remedy)


def _check_contents(session: Session, seen: set[str]) -> None:
    store, remedy = session.strategy.memory, "offer the clips of `step.wire` in `remember`, in their order"
    if store is None:
        return
    if len(store) > store.capacity:
        raise Violation(f"the memory holds {len(store)} clips, and has room for {store.capacity}", remedy)
    if strangers := sorted(set(store.clip_ids) - seen):
        raise Violation(f"the memory holds {strangers[0]!r}, which the stream has not brought", remedy)
    held, clips = store.state_dict(), session.template.store
    for slot, clip_id in enumerate(store.clip_ids):
        video = clips[clips.clip_ids.index(clip_id)]["video"]
        kept = held["video"][slot] if "video" in held else video
        if kept.dtype == video.dtype and kept.shape == video.shape and not torch.equal(kept, video):
            raise Violation(f"the memory holds another clip's video under the name {clip_id!r}", remedy)


def _hoarded(strategy: AudioVideoStrategy) -> int:
    """Bytes of the arrays that a strategy's own attributes lead to."""
    found: dict[int, int] = {}
    pending = [value for name, value in vars(strategy).items() if name not in GIVEN]
    visited: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, Tensor):
            found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, np.ndarray):
            found[id(value)] = value.nbytes
        elif isinstance(value, Mapping):
            pending += value.values()
        elif isinstance(value, list | tuple | set | frozenset) or type(value).__name__ == "deque":
            pending += value
        elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
            pending += vars(value).values()
    return sum(found.values())


def generators(trial: Trial) -> None:
    """Clips, masks and memory are drawn as experience replay draws them; what a method draws beyond that is apart.

    Only then do methods train on the same clips under one seed, and differ by their method alone.
    """
    session = trial.session()
    for rows in full_batches():
        store = session.strategy.memory
        before, held = session.generators.state_dict(), 0 if store is None else len(store)
        visits = 0 if store is None else store.visits
        step(session, rows)
        visits = 0 if store is None else store.visits - visits
        expected = _expected(session, before, held, visits)
        for name, state in session.generators.state_dict().items():
            if name in expected and not any(torch.equal(state, allowed) for allowed in expected[name]):
                raise Violation(f"a step draws from the generator `{name}` otherwise than ER does", REMEDIES[name])


REMEDIES = {
    "init": "build modules in `setup`, not in a step",
    "data": "this one belongs to the loader: draw from `aux`",
    "memory": "choose what is replayed by one `self.draw(...)` in `select`, and draw anything further from `aux`",
    "mask": "take masks of passes beside the training one from `self.draw_noise(clips)`, which draws from `aux`",
    "reservoir": "leave this one to the memory, and draw from `aux`",
}


def _expected(session: Session, before: Mapping[str, Tensor], held: int, visits: int) -> dict[str, list[Tensor]]:
    """The states that each generator may be in after a step."""
    last = session.template.step
    after = {name: torch.Generator().set_state(state) for name, state in before.items()}
    Noise.draw(len(last.stream if last.joint is None else last.joint), SHAPE, after["mask"])
    torch.rand(visits, generator=after["reservoir"], dtype=torch.float64)
    if held:
        torch.randperm(held, generator=after["memory"])
    expected = {name: [after[name].get_state()] for name in ("init", "data", "memory", "mask", "reservoir")}
    if last.replay is None:
        expected["memory"].append(before["memory"])  # a method may leave replay out
    return expected


def own_term(trial: Trial, off: Mapping[str, Any], parent: type[AudioVideoStrategy]) -> None:
    """With `off` the method is its parent bit for bit; as it is, it is not."""
    switched = Trial(trial.strategy, trial.options | dict(off))
    shared = set(parent.Config.model_fields) & set(trial.strategy.Config.model_fields)
    reference = Trial(parent, {name: getattr(switched.config, name) for name in shared}).end
    described = f"options {dict(off)} the method is not {parent.__name__}"
    if changed := difference(switched.end, reference, ["model"]):
        remedy = "add nothing but the own term, times its weight, and draw what it needs from `aux`, `coin` or `mix`"
        raise Violation(f"with {described}: the runs differ, first in {changed}", remedy)
    if not difference(trial.end, reference, ["model"]):
        raise Violation(
            f"without the options {dict(off)} the method is still {parent.__name__}: its own term does nothing",
            "return it from `penalty`, or use it in another hook; `options=` sets what makes it visible",
        )

"""Runs in TensorBoard and Weights & Biases: `--track tensorboard`, or `trackers: [tensorboard, wandb]`.

A tracker hears the events of the journal and copies their numbers; it draws no random number of the run, and where it
fails the run goes on without it. What it writes lies in the run directory, `tensorboard/` and `wandb/`. Weights &
Biases works offline, without an account, unless the environment variable WANDB_MODE says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from avbench.config import RunConfig
from avbench.errors import UsageError

Event = Mapping[str, Any]
Numbers = dict[str, float]


class Tracker(Protocol):
    """Something that keeps numbers of a run elsewhere."""

    def log(self, numbers: Numbers, step: int) -> None:
        """Keep `numbers`, as they are after `step` updates."""

    def close(self) -> None:
        """Write down what is left."""


def check_installed(names: Sequence[str]) -> None:
    """Make sure, before a run begins, that its trackers are there.

    Raises:
        UsageError: a package is missing; the message says how to install it.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        packages = " ".join(missing)
        raise UsageError(f"--track {packages}: not installed; `pip install {packages}`, or track without it")


def numbers_of(event: Event) -> Numbers:
    """The numbers of a journal's event by name, such as `train/loss` or `retrieval/audio2video/R@1`; often none."""
    return {name: float(value) for name, value in _named(event) if isinstance(value, int | float)}


class Tracking:
    """A listener that passes the numbers of events on to every tracker of a run.

    Args:
        config: names the trackers.
        directory: of the run.
        warn: told once of each tracker that fails, in words; it is left alone from then on.
        makers: how each kind is opened: run directory, configuration, the steps done so far -> tracker.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        warn: Callable[[str], None],
        makers: Mapping[str, Callable[[Path, RunConfig, int], Tracker]] | None = None,
    ) -> None:
        self.config, self.directory, self.warn = config, directory, warn
        self.makers = MAKERS if makers is None else makers
        self._open: dict[str, Tracker] = {}
        self._step = 0

    def __call__(self, event: Event) -> None:
        """Hear an event; the trackers are opened by the first one of a run, which says where it begins."""
        if isinstance(event.get("step"), int):
            self._step = event["step"]
        if event["event"] == "run_started":
            for name in self.config.trackers:
                self._try(name, partial(self._begin, name))
        numbers = numbers_of(event)
        if numbers:
            for tracked, tracker in list(self._open.items()):
                self._try(tracked, partial(tracker.log, numbers, self._step))

    def close(self) -> None:
        """Let the trackers write down what is left."""
        for name, tracker in list(self._open.items()):
            self._try(name, tracker.close)
        self._open.clear()

    def _begin(self, name: str) -> None:
        self._open[name] = self.makers[name](self.directory, self.config, self._step)

    def _try(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever a foreign package raises, the run is worth more
            self._open.pop(name, None)
            self.warn(
                f"{name} stopped tracking ({type(error).__name__}: {error}); the run goes on, its journal is whole"
            )


def _named(event: Event) -> Iterator[tuple[str, Any]]:
    if event["event"] == "step":
        yield "train/loss", event.get("loss")
        yield from ((f"train/{name}", value) for name, value in event.get("terms", {}).items())
        yield "train/clips_per_second", event.get("clips_per_second")
        yield from ((f"memory/{name}", event.get(f"memory_{name}")) for name in ("clips", "visits", "accepted"))
    elif event["event"] == "evaluated":
        for way, columns in event.get("recall", {}).items():
            for name, row in columns.items():
                yield f"retrieval/{way}/{name}", fmean(row)
                yield from ((f"tasks/{way}/{name}/{task:02d}", value) for task, value in enumerate(row, start=1))
    elif event["event"] == "finished":
        for way, rows in event.get("summary", {}).items():
            yield from ((f"summary/{way}/{name}", value) for name, value in rows.get("Avg", {}).items())


class _TensorBoard:
    def __init__(self, directory: Path, config: RunConfig, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What a killed run has logged beyond its last checkpoint is logged again.
        self._writer = SummaryWriter(str(directory / "tensorboard"), purge_step=step + 1 if step else None)

    def log(self, numbers: Numbers, step: int) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, directory: Path, config: RunConfig, step: int) -> None:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "offline":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
        import wandb

        settings = wandb.Settings(
            console="off", silent=True, disable_code=True, disable_git=True, x_disable_meta=True, x_disable_stats=True
        )
        self._run = wandb.init(
            project="avbench",
            group=f"{config.bench}-{config.profile}",
            name=directory.name,
            dir=str(directory),
            mode=mode,  # type: ignore[arg-type]  # the user's own word, which wandb checks
            config=config.model_dump(mode="json", exclude={"data"}),  # where the data lies is nobody else's business
            settings=settings,
        )

    def log(self, numbers: Numbers, step: int) -> None:
        self._run.log(numbers, step=step)

    def close(self) -> None:
        self._run.finish()


MAKERS: Mapping[str, Callable[[Path, RunConfig, int], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _WeightsAndBiases,
}

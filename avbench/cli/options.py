"""Options that several verbs share, and the configuration they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from avbench import registry
from avbench.config import RunConfig, parse_override, read_yaml, resolve, resolve_benchmark
from avbench.errors import UsageError
from avbench.paths import absolute, check_reachable
from avbench.wording import shortened

CHOSEN = {"strategy": "strategy", "bench": "benchmark", "profile": "profile"}  # option: what it chooses


class Order(StrEnum):
    """In which order the tasks come."""

    default = "default"
    shuffled = "shuffled"


class Precision(StrEnum):
    """What the model computes in."""

    fp32 = "fp32"
    bf16 = "bf16"


class Tracker(StrEnum):
    """What else hears the numbers of a run."""

    tensorboard = "tensorboard"
    wandb = "wandb"


def _check_device(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", name):
        raise typer.BadParameter(f"{shortened(name)} is none of auto, cpu, cuda, cuda:N")
    return name


Bench = Annotated[str, typer.Option("--bench", metavar="NAME", help="Benchmark; see `avbench list benchmarks`.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="quick|standard|paper", help="Size of model, data and schedule; quick if not given."
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Override one value, for example training.epochs=3. Repeatable."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="YAML laid over the profile, such as a run's config.yaml."),
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", metavar="DIR", help="Folder of clips, for benchmarks of recordings.")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="auto|cpu|cuda[:N]", help="Where to compute; auto if not given.", callback=_check_device
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Clips per task and stream; marks the result as limited."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=0, metavar="N", help="Loader processes; none if not given.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=0, metavar="N", help="CPU threads; measured and chosen if not given."),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="CLIPS|BYTES", help="Rehearsal memory in clips (2000) or bytes (2GiB)."),
]
Track = Annotated[
    list[Tracker] | None,
    typer.Option("--track", help="Copy the numbers of the journal to a tracker, offline. Repeatable."),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", metavar="UNIT=N", help="Ceiling on training, shared among tasks: steps=, clips= or compute=N."
    ),
]


def training_budget(texts: Sequence[str]) -> dict[str, Any]:
    """`["steps=4000"]` -> the section `training.budget`.

    Raises:
        UsageError: it is not of this form, or there are several.
    """
    if len(texts) > 1:
        typed = " ".join(f"--budget {shortened(text)}" for text in texts)
        raise UsageError(f"{typed}: a run has one budget; keep one of them")
    unit, separator, amount = texts[0].partition("=")
    if not separator or not re.fullmatch(r"[0-9]{1,1000}", amount):
        raise UsageError(f"--budget {shortened(texts[0])} is not of the form steps=N, clips=N or compute=N")
    return {"unit": unit, "amount": int(amount)}


def memory_budget(text: str) -> int | str:
    """A number of clips, or bytes as they were typed; the strategy checks both."""
    return int(text) if re.fullmatch(r"[0-9]{1,1000}", text) else text


@dataclass(frozen=True)
class Choices:
    """What was typed, before it is resolved; None and empty mean not given."""

    bench: str | None = None
    strategy: str | None = None
    profile: str | None = None
    config: Path | None = None
    data_root: Path | None = None
    sets: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)  # top-level keys of RunConfig

    def for_run(self) -> RunConfig:
        """The configuration of a run. Strategy, benchmark and profile may also come from the `--config` file.

        Raises:
            UsageError: something is missing, unknown or of the wrong kind.
        """
        given = self._file()
        strategy = self.strategy or given.get("strategy")
        if not isinstance(strategy, str):
            raise UsageError("which strategy? Name one with --strategy; `avbench list strategies` shows them")
        bench, profile = self._bench(given), self._profile(given)
        registry.find("strategies", strategy)
        return resolve(strategy, bench, profile, overrides=[given, *self._overrides(bench)])

    def for_data(self) -> RunConfig:
        """The configuration of a benchmark alone, without a strategy.

        Raises:
            UsageError: something is missing, unknown or of the wrong kind.
        """
        given = self._file()
        bench = self._bench(given)
        return resolve_benchmark(bench, self._profile(given), overrides=[given, *self._overrides(bench)])

    def _file(self) -> dict[str, Any]:
        return {} if self.config is None else read_yaml(self.config)

    def _bench(self, given: Mapping[str, Any]) -> str:
        bench = self.bench or given.get("bench")
        if not isinstance(bench, str):
            raise UsageError("which benchmark? Name one with --bench; `avbench list benchmarks` shows them")
        return bench

    def _profile(self, given: Mapping[str, Any]) -> str:
        saved = given.get("profile", self.profile)
        if self.profile is not None and saved != self.profile:  # a run's config.yaml holds every value of its profile
            raise UsageError(
                f"--profile {shortened(self.profile)}, but {self.config} is made for profile {shortened(saved)} and "
                "would be laid over it; leave --profile away, or delete what is not wanted from the file"
            )
        return self.profile or str(given.get("profile", "quick"))

    def _overrides(self, bench: str) -> list[dict[str, Any]]:
        named = {key: value for key, value in self.values.items() if value is not None}
        layers: list[dict[str, Any]] = [named]
        if self.data_root is not None:
            layers.append({"data": {"root": str(checked_root(bench, self.data_root))}})
        return layers + [_override(text) for text in self.sets]


def _override(text: str) -> dict[str, Any]:
    override = parse_override(text)
    for name, what in CHOSEN.items():  # the layers under the overrides depend on them
        if name in override:
            raise UsageError(f"--set {shortened(text)}: the {what} is chosen with --{name}, not with --set")
    return override


def checked_root(bench: str, root: Path) -> Path:
    """`root` as an absolute path, once it is known that the benchmark reads one; it says itself what is not there.

    Raises:
        UsageError: the benchmark makes its own clips.
    """
    if "root" not in registry.find("benchmarks", bench).load().Config.model_fields:
        raise UsageError(f"{bench} makes its own clips: leave --data-root away, or choose another --bench")
    try:
        return absolute(root)
    except ValueError as error:
        raise UsageError(f"--data-root: {error}") from None


def checked_out(out: Path) -> Path:
    """What `--out` names, once it is known that something could be made there.

    Raises:
        UsageError: nothing can have that name, or nobody may look at it.
    """
    check_reachable(out, "--out")
    return out

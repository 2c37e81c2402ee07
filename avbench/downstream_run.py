"""Judging a run's backbone by a downstream task: what `avbench eval` does, and `avbench.evaluate_downstream`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from avbench import registry
from avbench.downstream_options import resolve_options
from avbench.errors import Interrupted, RunDirectoryError, UsageError
from avbench.paths import absolute
from avbench.results.atomic import write_atomically
from avbench.results.directory import RunDirectory
from avbench.results.downstream import FOLDER, Backbone, DownstreamResult, VideoOverlap
from avbench.results.journal import now
from avbench.results.provenance import collect_provenance
from avbench.results.schema import Caution, Quarantined, Results, TaskCoverage

if TYPE_CHECKING:
    from avbench.evaluation.downstream.task import DownstreamTask, Splits
    from avbench.model.mae import AudioVideoMAE

Listener = Callable[[dict[str, Any]], None]
Which = Literal["last", "all"]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        task: its registered name.
        root: folder of the task's recordings; none where the task makes its own or the run knows it.
        backbone: the run's network, its base weights, or random weights of the same size.
        checkpoint: the last network, or each after every task.
        variant: of the protocol; `paper` is the default one.
        options: laid over the variant.
        device: where to compute; none: as the run did.
        feature_memory: bytes that features of a frozen backbone may take; none: the default. It changes no score.
    """

    task: str
    root: Path | None = None
    backbone: Backbone = "trained"
    checkpoint: Which = "last"
    variant: str = "paper"
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    feature_memory: int | None = None


def path_of(run: Path, result: DownstreamResult) -> Path:
    """Where the result of a run is written."""
    return run / FOLDER / f"{result.name}.json"


def evaluate_downstream(
    run: Path | str,
    task: str,
    *,
    data_root: Path | str | None = None,
    backbone: Backbone = "trained",
    checkpoint: Which = "last",
    variant: str = "paper",
    listeners: Sequence[Listener] = (),
    feature_memory: int | None = None,
    **options: Any,
) -> DownstreamResult:
    """Judge the backbone of a finished run by a downstream task, and add the result to the run directory.

    Args:
        run: the run directory.
        task: see `avbench list downstream`.
        data_root: folder of the task's recordings.
        backbone: `trained`, or for comparison `base` (the weights the run began with) or `random`.
        checkpoint: `last`, or `all` for the networks after every task.
        variant: of the protocol.
        listeners: called with events: `preparing`, `features`, `epoch`, `judged`.
        feature_memory: bytes that features of a frozen backbone may take; 2 GiB if not given.
        options: of the task, for instance `epochs=5`.

    Raises:
        AvbenchError: see its subclasses; the message says what to do, and nothing was written.
    """
    root = None if data_root is None else absolute(data_root)
    request = Request(task, root, backbone, checkpoint, variant, options, feature_memory=feature_memory)
    return evaluate(Path(run), request, listeners)


def evaluate(run: Path, request: Request, listeners: Sequence[Listener] = ()) -> DownstreamResult:
    """As `evaluate_downstream`.

    Raises:
        UsageError: an unknown task, variant or option, or one that does not exist on the run's benchmark.
        RunDirectoryError: the run is not finished, or lacks the weights asked for.
        DataError: the task's data are not there.
        PluginError: the task, or the run's benchmark, is a third party's and broken.
        Interrupted: the user asked to stop; nothing was written.
    """
    from avbench.plugins.blame import blamed
    from avbench.runner import deterministic, stop_signals

    plugin = registry.find("downstream", request.task)
    directory = RunDirectory.open(run)
    results = directory.read_results()
    if results.status != "complete":
        raise RunDirectoryError(
            f"the run in {run} is not finished ({results.finished_experiences} of {results.experiences} experiences); "
            f"`avbench resume {run}` first, then judge it"
        )
    kind, options = plugin.load(), resolve_options(plugin, directory.config, request.variant, request.options)
    directory.claim()
    try:
        with blamed(directory.config, task=request.task), deterministic(), stop_signals() as stopping:
            result = _Evaluation(directory, results, request, kind, options, listeners, stopping).run()
            path = path_of(directory.path, result)
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, result.to_json())
    finally:
        directory.release()
    return result


class _Evaluation:
    """One request on one run."""

    def __init__(
        self,
        directory: RunDirectory,
        results: Results,
        request: Request,
        kind: type[DownstreamTask],
        options: Any,
        listeners: Sequence[Listener],
        stopping: Callable[[], bool],
    ) -> None:
        from avbench.evaluation.downstream.task import Place

        self.directory, self.results, self.request, self.options = directory, results, request, options
        device = request.device or directory.config.device
        self.config = directory.config.model_copy(update={"device": device})
        self.listeners, self.stopping = listeners, stopping
        benchmark = registry.find("benchmarks", self.config.bench).load()(self.config)
        self.task = kind(Place(self.config, benchmark, request.root), options)

    def run(self) -> DownstreamResult:
        """Judge every backbone that was asked for."""
        from avbench.downstream_overlap import cautions
        from avbench.evaluation.downstream import hook_results as returned
        from avbench.evaluation.downstream.judging import evaluation_of, summaries
        from avbench.evaluation.downstream.task import Workbench
        from avbench.training.kept_matching import kept_matching
        from avbench.training.session import resolve_device, with_measured_threads

        device = resolve_device(self.config.device)
        started, begun = now(), time.monotonic()
        nets = self._backbones()  # before anything is prepared: weights may be missing
        config = with_measured_threads(self.config)
        splits = returned.splits(self.task, self.task.splits(self._preparing))
        bench = Workbench(config, device, config.seed, self._announce, self._check_stop)
        if self.request.feature_memory is not None:
            bench = replace(bench, feature_memory=self.request.feature_memory)
        tasks, evaluations = len(self.results.tasks), []
        for after, make in nets:
            net = make().to(device)
            matching = kept_matching(self.directory, self.results, after)  # of no backbone that is not the run's
            found = self.task.evaluate(net, splits, replace(bench, matching=matching))
            scores = returned.scores(self.task, found, len(splits.test))
            evaluations.append(evaluation_of(scores, splits.test, after, tasks, self._check_stop))
            self._announce("judged", after=after, scores={n: s.value for n, s in evaluations[-1].scores.items()})
        overlap = self._overlap(splits)
        provenance = collect_provenance(
            config, str(device), config.threads, splits.hash(), self.task.version, started=started
        )
        return DownstreamResult(
            task=self.request.task,
            task_version=self.task.version,
            title=self.task.title,
            variant=self.request.variant,
            options=self.options.model_dump(mode="json"),
            backbone=self.request.backbone,
            strategy=config.strategy,
            bench=config.bench,
            profile=config.profile,
            seed=config.seed,
            evaluated_model=self.results.evaluated_model,
            dataset=splits.dataset,
            synthetic=splits.synthetic,
            limit=config.limit,
            metrics=list(self.task.metrics),
            examples=list(splits.test.names),
            task_of=list(splits.test.task_of),
            evaluations=evaluations,
            summary=summaries(evaluations, tasks) if len(evaluations) > 1 else {},
            sizes={name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
            coverage={
                name: TaskCoverage(listed=one.listed, usable=one.usable, unreadable=one.unreadable)
                for name, one in splits.coverage.items()
            },
            quarantined={name: Quarantined(reason=r, message=m) for name, (r, m) in splits.quarantined.items()},
            overlap=overlap,
            warnings=[*self._warnings(splits), *([] if overlap is None else cautions(overlap, config.bench))],
            seconds=round(time.monotonic() - begun, 3),
            provenance=provenance.model_copy(update={"finished": now()}),
        )

    def _backbones(self) -> list[tuple[int, Callable[[], AudioVideoMAE]]]:
        """After how many experiences, and what makes the network."""
        from avbench.training import backbones

        directory, kind, last = self.directory, self.request.backbone, self.results.experiences
        if kind != "trained" and self.request.checkpoint == "all":
            raise UsageError(f"--backbone {kind} has no checkpoints of several tasks; leave --checkpoint all away")
        if kind != "trained":
            net = backbones.base(directory) if kind == "base" else backbones.untrained(directory)
            return [(0, lambda: copy.deepcopy(net))]
        places = range(1, last + 1) if self.request.checkpoint == "all" else [last]
        for after in places:
            backbones.trained(directory, self.results, after)
        return [(after, _later(directory, self.results, after)) for after in places]

    def _overlap(self, splits: Splits) -> VideoOverlap | None:
        from avbench.downstream_overlap import overlap
        from avbench.evaluation.downstream.hook_results import youtube_ids

        if splits.synthetic:
            return None
        videos = youtube_ids(self.task, self.task.youtube_ids(splits))
        return overlap(self.directory.path, self.results, self.request.backbone, splits.test.names, videos)

    def _warnings(self, splits: Splits) -> list[Caution]:
        found = [Caution(code="data", message=note) for note in splits.notes]
        if getattr(self.options, "selection", "") == "test":
            text = "the epoch was chosen by the test examples, as in the released code: the scores are too high"
            found.append(Caution(code="selected-on-test", message=text))
        return found

    # --- progress -----------------------------------------------------------------------------------------------------

    def _announce(self, name: str, **values: Any) -> None:
        for listener in self.listeners:
            listener({"event": name, "time": now(), **values})

    def _preparing(self, done: int, total: int) -> None:
        self._announce("preparing", done=done, total=total)
        if done < total:
            self._check_stop()

    def _check_stop(self) -> None:
        if self.stopping():
            raise Interrupted("stopped; no result was written, and the same command begins anew (prepared clips stay)")


def _later(directory: RunDirectory, results: Results, after: int) -> Callable[[], AudioVideoMAE]:
    from avbench.training import backbones

    return lambda: backbones.trained(directory, results, after)

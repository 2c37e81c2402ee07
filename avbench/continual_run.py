"""A continual run: the stream, one experience after the other, evaluated behind each, written down as it goes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from avalanche.training.plugins import EvaluationPlugin

from avbench.benchmarks.streams import AudioVideoBenchmark, rows_of
from avbench.errors import Interrupted, RunDirectoryError
from avbench.evaluation import similarity as similarity_files
from avbench.evaluation.efficiency import clips_per_second, peak_memory
from avbench.evaluation.examples import save_examples
from avbench.evaluation.forgetting import summarise
from avbench.evaluation.metric import RetrievalRecall
from avbench.evaluation.retrieval import DIRECTIONS, RetrievalResult
from avbench.results.comparability import comparability_key
from avbench.results.directory import RunDirectory
from avbench.results.provenance import collect_provenance
from avbench.results.schema import (
    Direction,
    DirectionResult,
    Efficiency,
    MedianRank,
    MetricSummary,
    PeakMemory,
    Provenance,
    Recall,
    Results,
    TaskCoverage,
    TaskResult,
    Warning,
)
from avbench.training import checkpoint as checkpoints
from avbench.training import weights
from avbench.training.loader import batches_per_epoch
from avbench.training.session import Session
from avbench.training.template import AudioVideoPretraining


class Announce(Protocol):
    """Tell journal and listeners of an event."""

    def __call__(self, name: str, **values: Any) -> None: ...


class ContinualRun:
    """One run from its directory: new, or continued from the newest checkpoint.

    Args:
        directory: claimed by this process.
        session: built from the directory's configuration.
        benchmark: the built benchmark.
        announce: takes every event.
        stopping: says whether the run was asked to stop.
    """

    def __init__(
        self,
        directory: RunDirectory,
        session: Session,
        benchmark: AudioVideoBenchmark,
        announce: Announce,
        stopping: Callable[[], bool],
    ) -> None:
        self.directory, self.config, self.benchmark = directory, directory.config, benchmark
        self.announce, self.stopping = announce, stopping
        self.session = session
        protocol = self.config.evaluation
        self.metric = RetrievalRecall(len(benchmark.tasks), protocol.recall_at, protocol.gallery)
        self.template = self.session.attach(benchmark.store, quiet_evaluator(self.metric), self._after_step)
        self.steps = [
            batches_per_epoch(len(rows_of(experience)), self.config.training.batch_size) * self.config.training.epochs
            for experience in benchmark.scenario.train_stream
        ]
        self._saved_at = self._logged_at = time.monotonic()
        self._logged = (0, 0)  # steps and clips when the last `step` event was written

    def execute(self, resumed: bool) -> None:
        """Train and evaluate whatever is left, and leave complete results behind.

        Raises:
            Interrupted: the run was asked to stop; a checkpoint is written.
        """
        saved = checkpoints.load_latest(self.directory.checkpoints)
        if saved is not None:
            self.session.restore(saved[1], saved[0])
        self.results = self._continued_results() if saved is not None else self._new_results()
        self._logged = (self.template.progress.step, self.template.progress.clips)
        self._announce_start(resumed)
        if saved is not None:
            self.directory.write_results(self.results)
            if saved[0] != checkpoints.latest(self.directory.checkpoints):
                text = f"the newest checkpoint is damaged; went back to {saved[0].name}, which gives the same result"
                self.announce("warning", code="damaged-checkpoint", message=text)
        else:
            self._evaluate(-1)
        for index in range(self.results.finished_experiences, len(self.steps)):
            if index >= self.template.progress.experience:
                self._train(index)
            self._evaluate(index)
        self._finish()

    # --- training -----------------------------------------------------------------------------------------------------

    def _train(self, index: int) -> None:
        experience = self.benchmark.scenario.train_stream[index]
        self.announce(
            "experience_started",
            experience=index,
            title=self.benchmark.tasks[index].title,
            steps=self.steps[index],
            epochs=self.config.training.epochs,
            clips=len(rows_of(experience)),
        )
        self.template.train([experience], eval_streams=[])
        self._save()

    def _after_step(self, template: AudioVideoPretraining) -> None:
        progress = template.progress
        if progress.step % self.config.training.log_every == 0:
            self._log_step()
        if self.stopping():
            self._save()
            self._stop()
        if time.monotonic() - self._saved_at >= 60 * self.config.training.checkpoint_minutes:
            self._save()

    def _stop(self) -> None:
        step = self.template.progress.step
        self.results = self._with_efficiency(self.results.model_copy(update={"status": "interrupted"}))
        self.directory.write_results(self.results)
        self.announce("interrupted", step=step)
        raise Interrupted(f"stopped at step {step} and saved; continue with `avbench resume {self.directory.path}`")

    def _log_step(self) -> None:
        progress, now = self.template.progress, time.monotonic()
        steps, clips = progress.step - self._logged[0], progress.clips - self._logged[1]
        terms = self.template.read_terms(max(steps, 1))
        rate = clips_per_second(clips, now - self._logged_at)
        total = sum(self.steps)
        seconds = self.template.stopwatch.total() / max(progress.step, 1) * (total - progress.step)
        memory = self.session.strategy.memory
        self.announce(
            "step",
            step=progress.step,
            total_steps=total,
            experience=progress.experience,
            epoch=progress.epoch,
            loss=terms.pop("loss"),
            terms=terms,
            clips_per_second=rate,
            memory_clips=0 if memory is None else len(memory),
            seconds_left=seconds,
        )
        self._logged, self._logged_at = (progress.step, progress.clips), time.monotonic()

    def _save(self) -> None:
        start, progress = time.monotonic(), self.template.progress
        keep = self.config.training.keep_checkpoints
        folder = self.directory.checkpoints
        checkpoints.save(folder, progress.step, progress.experience, self.session.checkpoint(), keep)
        self._saved_at = time.monotonic()
        self.announce("checkpoint", step=progress.step, seconds=round(self._saved_at - start, 3))

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def _evaluate(self, index: int) -> None:
        """Retrieval after experience `index`, or before any training (-1)."""
        if self.stopping() and index >= 0:  # its checkpoint is written, and evaluating a large gallery takes a while
            self._stop()
        start = time.monotonic()
        self.template.eval(self.benchmark.scenario.retrieval_stream)
        result = self.metric.last
        assert result is not None
        matrix = self.metric.similarity() if len(self.metric.clip_ids) <= self._largest_saved else None
        name = f"after-{index + 1:02d}.npz"  # after-00: before any training
        similarity_files.save(self.directory.similarity / name, result, self.metric.clip_ids, matrix)
        self.results = self._with_efficiency(_with_evaluation(self.results, result, index))
        if index + 1 == len(self.steps):
            self._save_examples(result)
        self.directory.write_results(self.results)
        seconds = time.monotonic() - start
        self.announce("evaluated", after=index, recall=result.recalls(), seconds=round(seconds, 3))
        self._logged_at = time.monotonic()

    @property
    def _largest_saved(self) -> int:
        return self.config.evaluation.largest_saved_similarity

    def _save_examples(self, result: RetrievalResult) -> None:
        ids, count = self.metric.clip_ids, self.config.evaluation.examples
        if not count or len(ids) > self._largest_saved:
            return
        store = self.benchmark.store
        row_of = {clip_id: row for row, clip_id in enumerate(store.clip_ids)}
        titles = [task.title for task in self.benchmark.tasks]
        save_examples(
            self.directory.examples,
            result,
            self.metric.similarity(),
            ids,
            lambda clip_id: store[row_of[clip_id]],
            titles,
            count,
            self.benchmark.label_of,
        )

    # --- results ------------------------------------------------------------------------------------------------------

    def _new_results(self) -> Results:
        benchmark, config = self.benchmark, self.config
        base = config.training.base_weights
        base_hash = None if base is None else weights.digest(weights.locate(base))
        retrieval = benchmark.scenario.retrieval_stream
        tasks = [
            TaskResult(
                id=task.id,
                title=task.title,
                classes=len(task.classes),
                train_clips=len(rows_of(train)),
                queries=len(rows_of(queries)),
            )
            for task, train, queries in zip(benchmark.tasks, benchmark.scenario.train_stream, retrieval, strict=True)
        ]
        return Results(
            status="running",
            strategy=config.strategy,
            bench=config.bench,
            profile=config.profile,
            seed=config.seed,
            order=config.order,
            synthetic=benchmark.synthetic,
            limit=config.limit,
            tasks=tasks,
            coverage=_coverage(benchmark),
            quarantined=dict(benchmark.quarantined),
            warnings=self._warnings(),
            provenance=self._provenance(),
            comparability_key=comparability_key(config, benchmark.version, benchmark.clip_list_hash, base_hash),
        )

    def _warnings(self) -> list[Warning]:
        found = list(self.session.strategy.warnings)
        found += [("benchmark", note) for note in self.benchmark.notes]
        if self.config.training.base_weights is None:
            text = "the model starts from random weights; the papers start from pre-trained ones"
            found.append(("no-base-weights", text))
        size = self.config.training.batch_size
        small = [
            task.title
            for task, experience in zip(self.benchmark.tasks, self.benchmark.scenario.train_stream, strict=True)
            if len(rows_of(experience)) < size
        ]
        if small:
            text = f"fewer clips than one batch of {size}, so batches are smaller in {', '.join(small)}"
            found.append(("small-experience", text))
        return [Warning(code=code, message=message) for code, message in found]

    def _continued_results(self) -> Results:
        """The results on disk, cut back to what the checkpoint knows."""
        results, trained = self.directory.read_results(), self.template.progress.experience
        same_clips = self.benchmark.clip_list_hash == results.provenance.clip_list_hash
        if results.finished_experiences < trained - 1 or not same_clips:
            raise RunDirectoryError(
                f"{self.directory.results} does not fit the checkpoint and the data: the clips have changed, or the "
                "file has; a run can only be continued on the very same clips"
            )
        directions = {
            way: DirectionResult(
                recall={name: Recall(before=r.before, after=r.after[:trained]) for name, r in found.recall.items()},
                median_rank=MedianRank(before=found.median_rank.before, after=found.median_rank.after[:trained]),
            )
            for way, found in results.directions.items()
        }
        changes = {"directions": directions, "summary": _summary(directions, len(results.tasks)), "status": "running"}
        return self._with_new_circumstances(results).model_copy(update=changes)

    def _with_new_circumstances(self, results: Results) -> Results:
        """A warning where a resumed run goes on with other software or hardware, which may change the last digits."""
        old, new = results.provenance, self._provenance()
        places = ("versions", "git_commit", "processor", "device", "accelerator")
        changed = [place for place in places if getattr(old, place) != getattr(new, place)]
        known = {warning.code for warning in results.warnings}
        if not changed or "resumed-elsewhere" in known:
            return results
        text = f"resumed under other circumstances: {', '.join(changed)} differ from those it began with"
        warning = Warning(code="resumed-elsewhere", message=text)
        return results.model_copy(update={"warnings": [*results.warnings, warning]})

    def _provenance(self) -> Provenance:
        config, benchmark = self.config, self.benchmark
        device = str(self.session.device)
        return collect_provenance(config, device, config.threads, benchmark.clip_list_hash, benchmark.version)

    def _with_efficiency(self, results: Results) -> Results:
        template, memory = self.template, self.session.strategy.memory
        peak, before = peak_memory(self.session.device), results.efficiency.peak_memory_bytes
        efficiency = Efficiency(
            clips_per_second=clips_per_second(template.progress.clips, template.stopwatch.total("data", "training")),
            seconds=template.stopwatch.state_dict(),
            peak_memory_bytes=PeakMemory(
                process=max(peak.process, before.process),
                cuda_allocated=max(peak.cuda_allocated, before.cuda_allocated),
                cuda_reserved=max(peak.cuda_reserved, before.cuda_reserved),
            ),
            memory_clips=0 if memory is None else len(memory),
            memory_bytes=0 if memory is None else memory.nbytes,
            parameters=sum(self.session.parameters.values()),
            steps=template.progress.step,
        )
        return results.model_copy(update={"efficiency": efficiency})

    # --- events -------------------------------------------------------------------------------------------------------

    def _announce_start(self, resumed: bool) -> None:
        benchmark = self.benchmark
        self.announce(
            "run_started",
            strategy=self.config.strategy,
            bench=self.config.bench,
            profile=self.config.profile,
            seed=self.config.seed,
            resumed=resumed,
            step=self.template.progress.step,
            total_steps=sum(self.steps),
            experiences=[task.title for task in benchmark.tasks],
            clips=[len(rows_of(experience)) for experience in benchmark.scenario.train_stream],
            parameters=sum(self.session.parameters.values()),
            device=str(self.session.device),
            threads=self.config.threads,
            synthetic=benchmark.synthetic,
            directory=str(self.directory.path),
        )
        for warning in self.results.warnings:
            self.announce("warning", code=warning.code, message=warning.message)

    def _finish(self) -> None:
        finished = self.results.provenance.model_copy(update={"finished": _utc_now()})
        self.results = self.results.model_copy(update={"status": "complete", "provenance": finished})
        self.directory.write_results(self.results)
        summary = {
            way: {name: row.model_dump() for name, row in rows.items()} for way, rows in self.results.summary.items()
        }
        self.announce("finished", seconds=round(self.template.stopwatch.total(), 3), summary=summary)


def _with_evaluation(results: Results, evaluation: RetrievalResult, index: int) -> Results:
    """`results` with the scores after experience `index`, or before any training (-1)."""

    def add(kind: type[Any], known: Any, values: list[float]) -> Any:
        return kind(before=values) if index < 0 else kind(before=known.before, after=[*known.after, values])

    directions: dict[Direction, DirectionResult] = {}
    for way in DIRECTIONS:
        old = results.directions.get(way, DirectionResult())
        recall = {
            name: add(Recall, old.recall.get(name, Recall()), values)
            for name, values in evaluation.recalls()[way].items()
        }
        rank = add(MedianRank, old.median_rank, evaluation.median_rank(way))
        directions[way] = DirectionResult(recall=recall, median_rank=rank)
    return results.model_copy(update={"directions": directions, "summary": _summary(directions, evaluation.tasks)})


def _summary(directions: Mapping[Direction, DirectionResult], tasks: int) -> dict[Direction, dict[str, MetricSummary]]:
    summary = {}
    for way, found in directions.items():
        rows = summarise({name: values.after for name, values in found.recall.items() if values.after}, tasks)
        summary[way] = {name: MetricSummary.model_validate(row) for name, row in rows.items()}
    return summary


def _coverage(benchmark: AudioVideoBenchmark) -> dict[str, list[TaskCoverage]]:
    return {
        stream: [TaskCoverage(listed=row.listed, usable=row.usable, unreadable=row.unreadable) for row in rows]
        for stream, rows in benchmark.coverage.items()
    }


def quiet_evaluator(metric: RetrievalRecall) -> EvaluationPlugin:
    """Avalanche's evaluator with one metric and no logger of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Avalanche warns that there is no logger: the journal is ours
        return EvaluationPlugin(metric, collect_all=False)


def _utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

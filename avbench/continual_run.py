"""A continual run: the stream, one experience after the other, evaluated behind each, written down as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property

from avbench import run_results
from avbench.benchmarks.streams import AudioVideoBenchmark, rows_of
from avbench.errors import Interrupted, RunDirectoryError
from avbench.evaluation import similarity as similarity_files
from avbench.evaluation.efficiency import clips_per_second
from avbench.evaluation.examples import save_examples
from avbench.evaluation.metric import RetrievalRecall, quiet_evaluator
from avbench.evaluation.retrieval import RetrievalResult
from avbench.model.mae import AudioVideoMAE
from avbench.results.directory import RunDirectory
from avbench.results.journal import Announce, now
from avbench.results.schema import Results
from avbench.run_attention import RunAttention
from avbench.training import backbones
from avbench.training import checkpoint as checkpoints
from avbench.training.budget import Allowance
from avbench.training.loader import batches_per_epoch
from avbench.training.session import Session
from avbench.training.template import AudioVideoPretraining


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
        training = self.config.training
        self.titles = run_results.experience_titles(benchmark)
        self.steps = [
            batches_per_epoch(len(rows_of(experience)), training.batch_size) * training.epochs
            for experience in benchmark.scenario.train_stream
        ]
        self.allowance = Allowance(training.budget, self.steps, session.compute)
        self.template = self.session.attach(
            benchmark.store, quiet_evaluator(self.metric), self._after_step, exhausted=self.allowance.exhausted
        )
        self.attention = RunAttention(directory, session, benchmark)
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
            title=self.titles[index],
            steps=self.steps[index],
            epochs=self.config.training.epochs,
            clips=len(rows_of(experience)),
        )
        self.template.train([experience], eval_streams=[])
        if self.config.evaluation.keep_weights:  # before the checkpoint, behind which nothing is trained again
            backbones.keep(self.directory.path, index + 1, next(iter(self.session.strategy.evaluated.values())))
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
        stopped = self.results.model_copy(update={"status": "interrupted"})
        self.results = run_results.with_efficiency(stopped, self.session)
        self.directory.write_results(self.results)
        self.announce("interrupted", step=step)
        raise Interrupted(f"stopped at step {step} and saved; continue with `avbench resume {self.directory.path}`")

    def _log_step(self) -> None:
        progress, now = self.template.progress, time.monotonic()
        steps, clips = progress.step - self._logged[0], progress.clips - self._logged[1]
        terms = self.template.read_terms(max(steps, 1))
        rate = clips_per_second(clips, now - self._logged_at)
        total = self.allowance.expected_steps(progress)
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
            memory_visits=0 if memory is None else memory.visits,
            memory_accepted=0 if memory is None else memory.accepted,
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
        evaluations = {
            name: self._evaluate_model(name, net, index)
            for name, net in reversed(self.session.strategy.evaluated.items())
        }
        evaluations = dict(reversed(evaluations.items()))
        result = next(iter(evaluations.values()))  # evaluated last, so the metric still holds its embeddings
        self.results = run_results.with_evaluation(self.results, evaluations, index)
        self.results = run_results.with_modality_gap(self.results, *self.metric.embeddings, result.task_of, index)
        if index >= 0:
            self.results = run_results.with_rehearsal(self.results, self.session.strategy.memory, self._experience_of)
        localisation = self.attention.look(self.results.localisation, index)
        self.results = self.results.model_copy(update={"localisation": localisation})
        self.results = run_results.with_efficiency(self.results, self.session)
        if index + 1 == len(self.steps):
            self._save_examples(result)
        self.directory.write_results(self.results)
        seconds = time.monotonic() - start
        others = {name: one.recalls() for name, one in evaluations.items() if one is not result}
        announced = {"after": index, "recall": result.recalls(), "seconds": round(seconds, 3)}
        self.announce("evaluated", **announced, **({"other_models": others} if others else {}))
        self._logged_at = time.monotonic()

    def _evaluate_model(self, name: str, net: AudioVideoMAE, index: int) -> RetrievalResult:
        self.template.eval(self.benchmark.scenario.retrieval_stream, net)
        result = self.metric.last
        assert result is not None
        matrix = self.metric.similarity() if len(self.metric.clip_ids) <= self._largest_saved else None
        primary = name == next(iter(self.session.strategy.evaluated))
        file = f"after-{index + 1:02d}{'' if primary else f'-{name}'}.npz"  # after-00: before any training
        embeddings = dict(zip(similarity_files.MODALITIES, self.metric.embeddings, strict=True))
        path = self.directory.similarity / file
        similarity_files.save(path, result, self.metric.clip_ids, matrix, embeddings)
        return result

    @cached_property
    def _experience_of(self) -> dict[str, int]:
        ids, stream = self.benchmark.store.clip_ids, self.benchmark.scenario.train_stream
        return {ids[row]: number for number, experience in enumerate(stream) for row in rows_of(experience)}

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
            self.benchmark.sound_of,
        )

    # --- results ------------------------------------------------------------------------------------------------------

    def _new_results(self) -> Results:
        return run_results.new_results(self.config, self.session, self.benchmark)

    def _continued_results(self) -> Results:
        """The results on disk, cut back to what the checkpoint knows."""
        trained = self.template.progress.experience
        if not self.directory.results.is_file():
            raise RunDirectoryError(
                f"{self.directory.results} is gone, and with it the scores of {trained} experiences, which can't be "
                "measured again; put the file back, or start a new run with `avbench run --config "
                f"{self.directory.path / 'config.yaml'} --out NEW`"
            )
        results = self.directory.read_results()
        same_clips = self.benchmark.clip_list_hash == results.provenance.clip_list_hash
        if results.finished_experiences < trained - 1 or not same_clips:
            raise RunDirectoryError(
                f"{self.directory.results} does not fit the checkpoint and the data: the clips have changed, or the "
                "file has; a run can only be continued on the very same clips"
            )
        new = run_results.provenance(self.config, self.session, self.benchmark)
        return run_results.with_new_circumstances(run_results.cut_back(results, trained), new)

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
            total_steps=self.allowance.expected_steps(self.template.progress),
            tasks=[task.title for task in benchmark.tasks],
            experiences=self.titles,
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
        finished = self.results.provenance.model_copy(update={"finished": now()})
        self.results = self.results.model_copy(update={"status": "complete", "provenance": finished})
        self.directory.write_results(self.results)
        summary = {
            way: {name: row.model_dump() for name, row in rows.items()} for way, rows in self.results.summary.items()
        }
        others = {
            name: {way: rows["Avg"].model_dump() for way, rows in scores.summary.items()}
            for name, scores in self.results.other_models.items()
        }
        told = {"evaluated_model": self.results.evaluated_model, "other_models": others} if others else {}
        seconds = round(self.template.stopwatch.total(), 3)
        self.announce("finished", seconds=seconds, summary=summary, **told)

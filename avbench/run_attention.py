"""Where a run's network sees what it hears: maps of a few clips after every experience, localisation first and last."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from avbench.benchmarks.streams import AudioVideoBenchmark, rows_of
from avbench.evaluation.attention import Look, attention_maps, in_batches
from avbench.evaluation.attention_examples import choose_examples, maps_of_examples
from avbench.evaluation.attention_files import FOLDER, ExampleClips, save_attention
from avbench.evaluation.localisation_run import LocalisationTest, Moment
from avbench.model.matching import AudioVideoMatching
from avbench.results.directory import RunDirectory
from avbench.results.localisation import Localisation
from avbench.training.session import Session

LOCALISATION_CLIPS = 128  # at most


class RunAttention:
    """Looks through the network that stands for the method; draws no random number of the run and counts as evaluation.

    Args:
        directory: claimed by this process.
        session: its template is attached.
        benchmark: the clips come from its retrieval stream.
    """

    def __init__(self, directory: RunDirectory, session: Session, benchmark: AudioVideoBenchmark) -> None:
        self.folder, self.examples = directory.path / FOLDER, directory.config.evaluation.examples
        self.batch_size = directory.config.evaluation.batch_size
        self.session, self.benchmark = session, benchmark
        store = benchmark.store
        self._groups = [
            [store.clip_ids[row] for row in rows_of(experience)] for experience in benchmark.scenario.retrieval_stream
        ]
        self._row_of = {clip_id: row for row, clip_id in enumerate(store.clip_ids)}

    def look(self, known: Localisation | None, index: int) -> Localisation | None:
        """Save the maps after experience `index`, or before training (-1), and score localisation.

        Args:
            known: the scores so far.

        Returns:
            `known`, extended before training and after the last experience where the truth of clips is known.

        Raises:
            RunDirectoryError: a file can't be written.
        """
        with self.session.template.stopwatch.measure("evaluation"):
            if self._clips is not None:
                maps = maps_of_examples(self._look, self._clips, self.session.device)
                save_attention(self.folder, index + 1, self._clips, maps)
            last = index + 1 == len(self.benchmark.scenario.train_stream)
            if not (last or index < 0) or self._test is None:
                return known
            moment: Moment = "after" if last else "before"
            return self._test.extend(known, self._look, self.session.device, moment)

    @property
    def _look(self) -> Look:
        strategy = self.session.strategy
        net = next(iter(strategy.evaluated.values()))
        matching = strategy.modules().get("matching")
        if net is not self.session.net or not isinstance(matching, AudioVideoMatching):
            matching = None  # it was trained on another network's tokens
        maps = partial(attention_maps, net, matching=matching, temperature=strategy.attention_temperature)
        return in_batches(maps, self.batch_size)

    @cached_property
    def _clips(self) -> ExampleClips | None:
        benchmark = self.benchmark
        return choose_examples(self._groups, self.examples, self._fetch, benchmark.label_of, benchmark.truth_of)

    @cached_property
    def _test(self) -> LocalisationTest | None:
        every = [clip_id for group in self._groups for clip_id in group]
        benchmark, shape = self.benchmark, self.session.config.clip
        return LocalisationTest.choose(
            every, self._fetch, benchmark.truth_of, benchmark.label_of, shape, LOCALISATION_CLIPS
        )

    def _fetch(self, clip_id: str) -> dict[str, Any]:
        return self.benchmark.store[self._row_of[clip_id]]

"""The hits of runs on disk, ready for statistics: seeds of one method, on the clips that all methods have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avbench.errors import RunDirectoryError
from avbench.evaluation.similarity import DIRECTIONS, MODALITIES, Similarity, load
from avbench.evaluation.statistics import Hits
from avbench.results.directory import RunDirectory


def read_hits(runs: Sequence[RunDirectory], model: str | None = None, clips: Iterable[str] | None = None) -> Hits:
    """The hits of one method's complete runs, one per seed.

    Args:
        runs: they differ in their seed alone.
        model: a network other than the one that stands for the method, such as a teacher.
        clips: score on these clips only, as queries and as gallery; by default on all that the first run has.

    Raises:
        RunDirectoryError: an evaluation is missing or damaged, or the runs were not asked the same clips.
    """
    wanted = None if clips is None else set(clips)
    values, seeds, known = [], [], None
    for run in runs:
        results = run.read_results()
        own = model is None or model == results.evaluated_model
        suffix = "" if own else f"-{model}"
        files = [run.similarity / f"after-{n:02d}{suffix}.npz" for n in range(1, results.experiences + 1)]
        evaluations = [_restricted(load(file), wanted, run) for file in files]
        asked = (evaluations[0].clip_ids, tuple(evaluations[0].task_of))
        known = known or asked
        if any((one.clip_ids, tuple(one.task_of)) != known for one in evaluations):
            raise RunDirectoryError(
                f"{run.path} was evaluated on other clips than {runs[0].path}; compare them on their common clips"
            )
        recall_at = run.config.evaluation.recall_at
        values.append([_hit_columns(one.ranks, recall_at) for one in evaluations])
        seeds.append(results.seed)
    assert known is not None, "at least one run"
    return Hits(tuple(seeds), np.asarray(values), np.asarray(known[1], dtype=np.int64))


def with_start(hits: Hits, runs: Sequence[RunDirectory]) -> Hits:
    """`read_hits` of `runs` on all of their clips, preceded by the hits before training.

    Raises:
        RunDirectoryError: that evaluation is missing or damaged, or of other clips.
    """
    found = [(run, load(run.similarity / "after-00.npz")) for run in runs]
    for run, one in found:
        if not np.array_equal(one.task_of, hits.task_of):
            raise RunDirectoryError(f"{run.path} was evaluated on other clips before training than after it")
    start = [[_hit_columns(one.ranks, run.config.evaluation.recall_at)] for run, one in found]
    return Hits(hits.seeds, np.concatenate([np.asarray(start), hits.values], axis=1), hits.task_of)


def common_clips(runs: Iterable[RunDirectory]) -> list[str]:
    """The clips that every run was asked, sorted."""
    found: set[str] | None = None
    for run in runs:
        ids = set(load(run.similarity / "after-01.npz").clip_ids)
        found = ids if found is None else found & ids
    return sorted(found or ())


def _hit_columns(ranks: Mapping[str, NDArray[np.float32]], recall_at: Sequence[int]) -> NDArray[np.float64]:
    hits = [ranks[way] <= k for way in DIRECTIONS for k in recall_at]
    return np.asarray(100.0 * np.stack(hits, axis=-1), dtype=np.float64)


def _restricted(one: Similarity, wanted: set[str] | None, run: RunDirectory) -> Similarity:
    if wanted is None or wanted == set(one.clip_ids):
        return one
    import torch  # takes seconds, and saved ranks do without it

    from avbench.evaluation.retrieval import evaluate

    rows = [row for row, clip in enumerate(one.clip_ids) if clip in wanted]
    if not one.embeddings or not rows:
        raise RunDirectoryError(f"{run.path} can't be scored on fewer clips: it kept no embeddings, or none are common")
    task_of = one.task_of[rows].astype(np.int64)
    z_audio, z_video = (torch.from_numpy(one.embeddings[name][rows]).float() for name in MODALITIES)
    tasks = int(one.task_of.max()) + 1
    result = evaluate(z_audio, z_video, task_of, run.config.evaluation.gallery, run.config.evaluation.recall_at, tasks)
    ranks: dict[str, NDArray[np.float32]] = {way: result.ranks[way].astype(np.float32) for way in DIRECTIONS}
    return Similarity(tuple(one.clip_ids[row] for row in rows), one.task_of[rows], ranks, None, {})

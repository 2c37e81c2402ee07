"""Retrieval against a plain-loop reference, its invariances and limiting cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.errors import AvbenchError
from avbench.evaluation import retrieval
from avbench.evaluation.chance import chance_recall
from avbench.evaluation.retrieval import DIRECTIONS, evaluate, ranks, similarity_matrix


def embeddings(clips: int, width: int = 16, seed: int = 0, noise: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    audio = torch.randn(clips, width, generator=generator)
    return audio, audio + noise * torch.randn(clips, width, generator=generator)


def slow_ranks(query: torch.Tensor, gallery: torch.Tensor) -> list[float]:
    """Loops, fractions of integers: embeddings must be small integer vectors, so that ties are exact."""
    found = []
    for i, q in enumerate(query.tolist()):
        scores = []
        for g in gallery.tolist():
            dot = sum(int(x) * int(y) for x, y in zip(q, g, strict=True))
            norm = sum(int(y) ** 2 for y in g)
            # cos^2 with the sign of cos: the query's own norm is common to all candidates.
            scores.append((math.copysign(1, dot) * dot * dot / norm) if norm else 0.0)
        better = sum(score > scores[i] and not math.isclose(score, scores[i], abs_tol=1e-12) for score in scores)
        tied = sum(math.isclose(score, scores[i], abs_tol=1e-12) for j, score in enumerate(scores) if j != i)
        found.append(1 + better + tied / 2)
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_ranks_equal_a_plain_loop_with_many_ties(clips: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randint(-2, 3, (clips, width), generator=generator).float()
    gallery = torch.randint(-2, 3, (clips, width), generator=generator).float()
    assert ranks(query, gallery).tolist() == slow_ranks(query, gallery)


@pytest.mark.parametrize("chunk", [1, 7, 100, 101, 1000])
def test_chunked_equals_unchunked(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, video = embeddings(101)
    whole = ranks(audio, video, 101)
    monkeypatch.setattr(retrieval, "_CANDIDATES", 13)
    assert torch.equal(ranks(audio, video, chunk), whole)


def test_perfect_and_adversarial_models() -> None:
    clips = 20
    audio = torch.eye(clips)
    assert ranks(audio, audio).tolist() == [1.0] * clips
    # Each partner points the opposite way, all other clips are orthogonal: last everywhere.
    assert ranks(audio, -audio).tolist() == [float(clips)] * clips


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e15])
def test_a_collapsed_model_gets_the_middle_rank_whatever_the_rounding(scale: float) -> None:
    one = scale * torch.randn(1, 48, generator=torch.Generator().manual_seed(1))
    same = one.repeat(37, 1)
    assert ranks(same, same).tolist() == [19.0] * 37  # of 1 to 37
    assert ranks(torch.zeros(5, 3), torch.zeros(5, 3)).tolist() == [3.0] * 5


def test_cosine_ignores_length_and_nearly_collapsed_embeddings_are_still_ranked() -> None:
    audio, video = embeddings(30)
    lengths = torch.linspace(0.01, 100, 30)[:, None]
    assert torch.equal(ranks(audio, video), ranks(audio * lengths, video / lengths))
    # All cosines within 1e-7 of one another, where float32 products would tie or shuffle them.
    offset = torch.full((1, 16), 1e3)
    query, gallery = audio.double() + offset.double(), audio.double() + offset.double()
    assert ranks(query, gallery).tolist() == [1.0] * 30


def test_random_embeddings_score_chance() -> None:
    clips = 1200
    audio, _ = embeddings(clips, 32, seed=1)
    _, video = embeddings(clips, 32, seed=2)
    result = evaluate(audio, video, [0] * clips)
    for way in DIRECTIONS:
        hits = result.recall(way, 100)[0] / 100 * clips
        expected = chance_recall(100, clips) / 100
        assert abs(hits - expected * clips) < 5 * math.sqrt(clips * expected * (1 - expected))
        assert abs(result.median_rank(way)[0] - (clips + 1) / 2) < 0.1 * clips


def test_recall_is_the_share_of_a_tasks_queries_within_the_whole_pool() -> None:
    audio, video = embeddings(40, 4)
    task_of = np.arange(40) % 3
    result = evaluate(audio, video, task_of, recall_at=(1, 3))
    similarity = similarity_matrix(audio, video).double().numpy()
    for way, scores in zip(DIRECTIONS, (similarity, similarity.T), strict=True):
        for task in range(3):
            queries = [i for i in range(40) if i % 3 == task]
            hits = [sum(scores[i] > scores[i, i]) < 3 for i in queries]
            assert result.recalls()[way]["R@3"][task] == pytest.approx(100 * sum(hits) / len(queries))
    assert result.queries == [14, 13, 13]


def test_gallery_of_the_task_ranks_as_if_the_other_tasks_did_not_exist() -> None:
    audio, video = embeddings(30, 3)
    task_of = np.repeat([0, 1, 2], 10)
    result = evaluate(audio, video, task_of, gallery="task")
    alone = evaluate(audio[10:20], video[10:20], [0] * 10)
    pool = evaluate(audio, video, task_of)
    for way in DIRECTIONS:
        assert result.ranks[way][10:20].tolist() == alone.ranks[way].tolist()
        assert (result.ranks[way] <= pool.ranks[way]).all()


@pytest.mark.parametrize("gallery", ["pool", "task"])
def test_scores_do_not_depend_on_the_order_of_clips_or_tasks(gallery: str) -> None:
    audio, video = embeddings(48, 4)
    task_of = np.repeat([0, 1, 2, 3], 12)
    before = evaluate(audio, video, task_of, gallery)  # type: ignore[arg-type]
    shuffled = np.random.default_rng(0).permutation(48)
    rename = np.array([2, 0, 3, 1])
    after = evaluate(audio[shuffled], video[shuffled], rename[task_of[shuffled]], gallery)  # type: ignore[arg-type]
    for way in DIRECTIONS:
        assert [after.recall(way, 1)[new] for new in rename] == before.recall(way, 1)
        assert [after.median_rank(way)[new] for new in rename] == before.median_rank(way)


def test_two_equal_clips_share_their_rank() -> None:
    audio = torch.eye(4)[[0, 1, 1, 3]]
    assert ranks(audio, audio).tolist() == [1.0, 1.5, 1.5, 1.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_diverged_model_has_no_score(value: float) -> None:
    audio, video = embeddings(6)
    video[3, 2] = value
    with pytest.raises(AvbenchError, match=r"1 of 6 video embeddings are not finite: the model has diverged"):
        evaluate(audio, video, [0] * 6)


def test_arguments_that_do_not_fit_are_refused() -> None:
    audio, video = embeddings(6)
    with pytest.raises(ValueError, match="6 embeddings, but 5 task indices"):
        evaluate(audio, video, [0] * 5)
    with pytest.raises(ValueError, match="no retrieval queries for task index 1, 3"):
        evaluate(audio, video, [0, 0, 0, 2, 2, 2], tasks=4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        evaluate(audio, video, [0, 0, 0, 2, 2, 1], tasks=2)
    with pytest.raises(ValueError, match="both be"):
        ranks(audio, video[:5])


def test_chance() -> None:
    assert chance_recall(1, 1353) == pytest.approx(0.0739, abs=1e-4)
    assert chance_recall(10, 4) == 100.0
    with pytest.raises(ValueError, match="at least one"):
        chance_recall(1, 0)

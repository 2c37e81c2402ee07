"""Importance and correlation: their bounds, and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from avbench.model.relation import correlation, importance, weighted_query
from avbench.model.selection import top_tokens

CLIPS, HEADS, AUDIO, VIDEO, SIZE = 3, 2, 5, 7, 4


@pytest.fixture
def qk() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"query_audio": AUDIO, "key_audio": AUDIO, "query_video": VIDEO, "key_video": VIDEO}
    return {name: 2 * torch.randn(CLIPS, HEADS, n, SIZE, generator=generator) for name, n in shapes.items()}


def scores(qk: dict[str, Tensor], temperature: float) -> tuple[Tensor, Tensor]:
    return importance(qk["query_audio"], qk["key_video"], qk["query_video"], qk["key_audio"], temperature)


def naive(query: Tensor, key: Tensor, temperature: float) -> list[float]:
    """The attention each key of one clip receives, averaged over heads and queries; (H, L, d) each."""
    received = [0.0] * key.shape[1]
    for h in range(HEADS):
        for q in query[h]:
            logits = [float(q @ k) / math.sqrt(SIZE) / temperature for k in key[h]]
            top = max(logits)
            total = sum(math.exp(x - top) for x in logits)
            for i, x in enumerate(logits):
                received[i] += math.exp(x - top) / total / (HEADS * query.shape[1])
    return received


@pytest.mark.parametrize("temperature", [0.1, 0.4, 1.0])
def test_importance_equals_plain_loops_and_sums_to_one(qk: dict[str, Tensor], temperature: float) -> None:
    audio, video = scores(qk, temperature)
    assert audio.shape == (CLIPS, AUDIO)
    assert video.shape == (CLIPS, VIDEO)
    for rows in (audio, video):
        torch.testing.assert_close(rows.sum(1), torch.ones(CLIPS))
        assert rows.min() >= 0
    for clip in range(CLIPS):
        expected = naive(qk["query_video"][clip], qk["key_audio"][clip], temperature)
        torch.testing.assert_close(audio[clip], torch.tensor(expected), atol=1e-5, rtol=1e-4)
        expected = naive(qk["query_audio"][clip], qk["key_video"][clip], temperature)
        torch.testing.assert_close(video[clip], torch.tensor(expected), atol=1e-5, rtol=1e-4)


def test_keys_that_all_answer_alike_are_equally_important(qk: dict[str, Tensor]) -> None:
    alike = qk | {"key_video": qk["key_video"][:, :, :1].expand(-1, -1, VIDEO, -1)}
    torch.testing.assert_close(scores(alike, 0.4)[1], torch.full((CLIPS, VIDEO), 1 / VIDEO))


def test_scores_are_full_precision_under_autocast(qk: dict[str, Tensor]) -> None:
    plain = scores(qk, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = scores(qk, 0.1)
        past = correlation(qk["key_video"], qk["query_audio"][:, :, 0], qk["query_audio"][:, :, 1], IDS, VIDEO)
    assert all(torch.equal(a, b) for a, b in zip(plain, mixed, strict=True))
    assert past.dtype == torch.float32


IDS = torch.tensor([[0, 3, 6], [5, 1, 2], [4, 2, 0]])


def test_the_logit_of_the_weighted_query_is_the_weighted_mean_of_the_logits(qk: dict[str, Tensor]) -> None:
    audio, _ = scores(qk, 0.4)
    top = top_tokens(audio, 3)
    mean_query = weighted_query(qk["query_audio"], audio, top)
    assert mean_query.shape == (CLIPS, HEADS, SIZE)
    logits = qk["query_audio"] @ qk["key_video"].mT * SIZE**-0.5  # (B, H, M, N)
    for clip in range(CLIPS):
        chosen = top[clip]
        weights = audio[clip, chosen] / audio[clip, chosen].sum()
        for h in range(HEADS):
            mean_logits = (weights[:, None] * logits[clip, h, chosen]).sum(0)
            of_mean = qk["key_video"][clip, h] @ mean_query[clip, h] * SIZE**-0.5
            torch.testing.assert_close(of_mean, mean_logits, atol=1e-5, rtol=1e-5)


def test_weights_are_relative(qk: dict[str, Tensor]) -> None:
    audio, _ = scores(qk, 0.4)
    top = top_tokens(audio, 3)
    once, thrice = (weighted_query(qk["query_audio"], k * audio, top) for k in (1, 3))
    torch.testing.assert_close(once, thrice)


def test_correlation_equals_plain_loops_and_is_zero_elsewhere(qk: dict[str, Tensor]) -> None:
    current, past = qk["query_audio"][:, :, 0], qk["query_audio"][:, :, 1]
    score = correlation(qk["key_video"], current, past, IDS, VIDEO)
    assert score.shape == (CLIPS, VIDEO)
    assert score.min() >= 0
    assert score.max() <= 1
    for clip in range(CLIPS):
        for token in range(VIDEO):
            expected = 0.0
            if token in IDS[clip].tolist():
                for h in range(HEADS):
                    key = qk["key_video"][clip, h, token]
                    old, new = (math.exp(float(key @ q[clip, h]) / math.sqrt(SIZE)) for q in (past, current))
                    expected += old / (old + new) / HEADS
            assert math.isclose(float(score[clip, token]), expected, abs_tol=1e-5)


def test_a_past_clip_that_asks_the_same_gives_one_half(qk: dict[str, Tensor]) -> None:
    query = qk["query_audio"][:, :, 0]
    score = correlation(qk["key_video"], query, query, IDS, VIDEO)
    assert torch.equal(score.gather(1, IDS), torch.full((CLIPS, 3), 0.5))


def test_extreme_logits_stay_finite(qk: dict[str, Tensor]) -> None:
    huge = {name: 1e4 * value for name, value in qk.items()}
    audio, video = scores(huge, 0.1)
    torch.testing.assert_close(audio.sum(1), torch.ones(CLIPS))
    torch.testing.assert_close(video.sum(1), torch.ones(CLIPS))
    query = huge["query_audio"]
    assert correlation(huge["key_video"], query[:, :, 0], query[:, :, 1], IDS, VIDEO).isfinite().all()

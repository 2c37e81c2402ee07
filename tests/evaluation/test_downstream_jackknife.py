"""Scores that are no means, compared over seeds and backbones by what each example adds to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from avbench.errors import UsageError
from avbench.evaluation.downstream.comparison import difference, estimate
from avbench.evaluation.downstream.jackknife import MOST, shares
from avbench.evaluation.downstream.judging import evaluation_of
from avbench.evaluation.downstream.segmentation_scores import FScore
from avbench.evaluation.downstream.task import Scores, Split
from avbench.results.downstream import DownstreamResult
from avbench.results.schema import Provenance

CLIPS = 60


def f_score(seed: int, noise: float) -> FScore:
    """Of logits that follow the masks of `CLIPS` clips more or less; the masks are always the same."""
    masks = torch.rand(CLIPS, 2, 8, 8, generator=torch.Generator().manual_seed(3)) < 0.3
    masks[:5, 0] = False
    drawn = torch.randn(masks.shape, generator=torch.Generator().manual_seed(seed))
    hard = torch.linspace(0.2, 2, CLIPS)[:, None, None, None]  # some clips are harder than others
    return FScore(masks.float() - 0.5 + noise * hard * drawn, masks)


def result(seed: int, noise: float, **changes: Any) -> DownstreamResult:
    split = Split(tuple(f"clip{number}" for number in range(CLIPS)), torch.zeros(CLIPS), None)  # type: ignore[arg-type]
    scores = Scores({}, {"F-score": 30.0}, pooled={"F-score": f_score(seed, noise)})
    fields: dict[str, Any] = {
        "task": "segmentation", "task_version": "1", "title": "Segmentation", "variant": "paper", "options": {},
        "backbone": "trained", "strategy": "er", "bench": "continual-synth", "profile": "quick", "seed": seed,
        "evaluated_model": "working", "dataset": "noise", "synthetic": True, "metrics": ["F-score"],
        "examples": list(split.names), "evaluations": [evaluation_of(scores, split, 8, 8)],
        "provenance": Provenance(clip_list_hash="same"),
    }  # fmt: skip
    return DownstreamResult(**fields | changes)


def test_the_shares_of_a_mean_are_its_outcomes() -> None:
    outcomes = np.random.default_rng(0).random(20)
    assert shares(lambda rows: float(outcomes[rows].mean()), 20) == pytest.approx(outcomes)


def test_the_mean_of_the_shares_is_the_score_and_their_spread_that_of_the_bootstrap() -> None:
    score = f_score(1, 0.5)
    found, random = shares(score, CLIPS), np.random.default_rng(0)
    assert found.mean() == pytest.approx(score(np.arange(CLIPS)))
    resampled = [score(random.choice(CLIPS, CLIPS)) for _ in range(400)]
    assert found.std(ddof=1) / np.sqrt(CLIPS) == pytest.approx(np.std(resampled), rel=0.15)


def test_a_score_that_is_no_mean_has_an_interval_over_seeds_and_clips() -> None:
    results = [result(seed, 0.5) for seed in range(3)]
    found = estimate(results, "F-score")
    assert found.value == pytest.approx(np.mean([one.final.scores["F-score"].value for one in results]), abs=1e-5)
    assert 0 < found.high - found.low < 20 and found.low < found.value < found.high


def test_differences_are_paired_by_clip() -> None:
    one, other = ([result(seed, noise) for seed in range(3)] for noise in (0.5, 0.9))
    assert difference(one, one, "F-score").standard_error == 0
    found = difference(one, other, "F-score")
    assert found.value > 0 and found.low > 0
    alone = [estimate(results, "F-score").standard_error for results in (one, other)]
    assert found.standard_error < np.hypot(*alone)  # hard clips are hard for both


def test_what_can_not_be_left_out_one_by_one_has_no_shares_and_says_so() -> None:
    assert not len(shares(lambda rows: 1.0, 1)) and not len(shares(lambda rows: 1.0, MOST + 1))
    assert not len(shares(lambda rows: np.nan if 3 not in rows else 1.0, 5))
    one = result(0, 0.5)
    (judged,) = one.evaluations
    without = one.model_copy(update={"evaluations": [judged.model_copy(update={"shares": {"F-score": []}})]})
    with pytest.raises(UsageError, match="no outcomes of 'F-score' per example; it has: none"):
        estimate([without], "F-score")


def test_shares_and_examples_belong_together() -> None:
    with pytest.raises(ValueError, match=f"{CLIPS} outcomes of 1 examples"):
        result(0, 0.5, examples=["a"])


def test_the_user_may_stop_between_two_examples() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        shares(lambda rows: 1.0, 5, stop)

"""Intervals and comparisons: against closed forms, brute force, and simulated methods that tie or differ."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import t as student

from avbench.evaluation.forgetting import average_forgetting
from avbench.evaluation.statistics import (
    Estimate,
    Hits,
    Metric,
    adjusted_p,
    difference,
    differences,
    estimate,
    holm,
    tiers,
)

TASKS, PER_TASK = 4, 60
TASK_OF = np.repeat(np.arange(TASKS), PER_TASK)


def simulated(
    random: np.random.Generator, effect: float, seeds: int = 3, seed_spread: float = 0.5, experiences: int = 1
) -> Hits:
    """A method whose recall is 20 % plus `effect`, with seeds that differ by `seed_spread` points."""
    level = 20 + effect + random.normal(0, seed_spread, (seeds, experiences, 1))
    return Hits(
        tuple(range(seeds)),
        100 * random.binomial(6, level / 100, (seeds, experiences, len(TASK_OF)))[..., None] / 6,
        TASK_OF,
    )


def is_called(found: Estimate) -> bool:
    """Whether a difference is called real."""
    return found.p is not None and found.p < 0.05


def test_a_method_does_not_differ_from_itself() -> None:
    hits = simulated(np.random.default_rng(0), 0.0)
    same = difference(hits, hits)
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_differences_are_antisymmetric() -> None:
    random = np.random.default_rng(1)
    first, second = simulated(random, 0.0), simulated(random, 4.0)
    there, back = difference(first, second), difference(second, first)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.p) == (pytest.approx(-back.high), pytest.approx(back.p))


def test_simulated_ties_are_called_different_no_more_often_than_the_level() -> None:
    random = np.random.default_rng(2)
    called = [
        is_called(
            difference(simulated(random, 0.0, seeds, spread), simulated(random, 0.0, seeds, spread), replicates=300)
        )
        for seeds, spread in ((3, 0.0), (3, 0.5), (3, 2.0), (2, 1.0), (5, 1.0))
        for _ in range(60)
    ]
    assert sum(called) <= 24  # of 300; with a true rate of 5 % more than 24 happen once in 100 times


def test_a_planted_difference_is_found_with_the_stated_power() -> None:
    random = np.random.default_rng(3)
    found = [is_called(difference(simulated(random, 6.0), simulated(random, 0.0), replicates=300)) for _ in range(60)]
    assert sum(found) >= 48  # six points, three seeds, 240 clips: power at least 80 %


def test_the_interval_over_queries_is_the_one_of_a_stratified_mean() -> None:
    hits = simulated(np.random.default_rng(4), 0.0, seeds=1)
    per_task = hits.values[0, -1].reshape(TASKS, PER_TASK)
    error = np.sqrt((per_task.var(axis=1) / PER_TASK).sum()) / TASKS
    found = estimate(hits, replicates=20_000)
    assert found.value == pytest.approx(per_task.mean())
    assert found.standard_error == pytest.approx(error, rel=0.03)


def test_the_interval_over_seeds_is_students_where_queries_add_nothing() -> None:
    levels = np.array([10.0, 14.0, 15.0])
    hits = Hits((0, 1, 2), np.repeat(levels[:, None, None, None], len(TASK_OF), axis=2), TASK_OF)
    found = estimate(hits, replicates=20_000)
    error = levels.std(ddof=1) / np.sqrt(3)
    assert found.standard_error == pytest.approx(error, rel=0.03)
    assert found.high - found.value == pytest.approx(student.ppf(0.975, 2) * error, rel=0.08)


def test_every_task_weighs_the_same_however_many_clips_it_has() -> None:
    task_of = np.array([0] * 9 + [1])
    values = np.array([[[0.0] * 9 + [100.0]]])[..., None]
    assert estimate(Hits((0,), values, task_of)).value == 50.0


def test_forgetting_is_that_of_the_accuracy_matrix_averaged_over_seeds() -> None:
    hits = simulated(np.random.default_rng(5), 0.0, experiences=TASKS)
    expected = np.mean(
        [average_forgetting(one.reshape(TASKS, TASKS, PER_TASK).mean(axis=2).tolist()) for one in hits.values]
    )
    assert estimate(hits, "forgetting").value == pytest.approx(expected)
    with pytest.raises(ValueError, match="one experience per task"):
        estimate(simulated(np.random.default_rng(5), 0.0), "forgetting")


def test_forgetting_is_taken_column_by_column_as_the_papers_do() -> None:
    random = np.random.default_rng(8)
    columns = [simulated(random, effect, experiences=TASKS).values for effect in (0.0, 8.0, 20.0)]
    together = Hits((0, 1, 2), np.concatenate(columns, axis=-1), TASK_OF)
    apart = [estimate(Hits((0, 1, 2), values, TASK_OF), "forgetting").value for values in columns]
    assert estimate(together, "forgetting").value == pytest.approx(np.mean(apart))
    blurred = Hits((0, 1, 2), together.values.mean(axis=-1, keepdims=True), TASK_OF)
    assert estimate(blurred, "forgetting").value < np.mean(apart)  # noise that averages out makes no best score
    assert estimate(blurred).value == pytest.approx(estimate(together).value)


def test_tiers_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(9)
    methods = {str(effect): simulated(random, effect) for effect in (0.0, 3.0, 9.0)}
    pairs = [("0.0", "3.0"), ("0.0", "9.0"), ("3.0", "9.0")]
    adjusted = adjusted_p([difference(methods[a], methods[b]) for a, b in pairs])
    worse = [a for (a, _), p in zip(pairs, adjusted, strict=True) if p is not None and p < 0.05]
    assert tiers(methods) == {name: 1 + worse.count(name) for name in methods}


def test_other_seeds_are_compared_unpaired_with_more_doubt() -> None:
    random = np.random.default_rng(6)
    first, second = simulated(random, 5.0), simulated(random, 0.0)
    renamed = Hits((7, 8, 9), second.values, TASK_OF)
    assert difference(first, renamed).value == pytest.approx(difference(first, second).value)
    with pytest.raises(ValueError, match="same clips"):
        difference(first, Hits((0,), np.zeros((1, 1, 2, 1)), np.array([0, 1])))


def of_seeds(hits: Hits, *seeds: int) -> Hits:
    """The same hits, as if they came from other seeds."""
    return Hits(seeds, hits.values[: len(seeds)], hits.task_of)


@pytest.mark.parametrize(("one", "two"), [((0,), (0,)), ((0,), (0, 1, 2)), ((0, 1, 2), (0,)), ((0,), (1, 2, 3))])
def test_with_a_single_seed_nothing_is_tested_and_the_interval_says_it_is_over_queries(
    one: tuple[int, ...], two: tuple[int, ...]
) -> None:
    random = np.random.default_rng(12)
    first, second = of_seeds(simulated(random, 30.0), *one), of_seeds(simulated(random, 0.0), *two)
    found = difference(first, second, replicates=20_000)
    assert found.p is None and not found.over_seeds  # though thirty points lie between them
    assert tiers({"first": first, "second": second}).keys() == {
        name for name, hits in (("first", first), ("second", second)) if len(hits.seeds) > 1
    }
    gains = (first.values[:, -1].mean(axis=0) - second.values[:, -1].mean(axis=0)).reshape(TASKS, PER_TASK)
    assert found.value == pytest.approx(gains.mean())
    assert found.standard_error == pytest.approx(np.sqrt((gains.var(axis=1) / PER_TASK).sum()) / TASKS, rel=0.03)
    assert not estimate(of_seeds(first, 0)).over_seeds and difference(simulated(random, 0.0), second).over_seeds == (
        len(two) > 1
    )


def test_one_shared_seed_of_several_makes_no_pair() -> None:
    random = np.random.default_rng(13)
    first, second = simulated(random, 2.0, seeds=2, seed_spread=2.0), simulated(random, 0.0, seeds=2, seed_spread=2.0)
    shared, none = (difference(first, of_seeds(second, *seeds)) for seeds in ((1, 2), (5, 6)))
    assert shared == none and shared.over_seeds  # all four seeds count, and their variance is known


def test_rows_of_one_seed_change_no_tier_of_the_others() -> None:
    random = np.random.default_rng(14)
    methods = {str(effect): simulated(random, effect) for effect in (0.0, 5.0, 12.0)}
    single = {f"single {number}": of_seeds(simulated(random, 40.0 * number), 0) for number in range(2)}
    assert tiers(methods | single) == tiers(methods)
    found = [difference(methods["0.0"], other) for other in (methods["5.0"], single["single 1"], methods["12.0"])]
    p_values = [one.p for one in found if one.p is not None]
    adjusted = holm(p_values)
    assert adjusted_p(found) == [adjusted[0], None, adjusted[1]]


def test_holm_is_the_step_down_of_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("metric", ["accuracy", "forgetting"])
def test_all_pairs_at_once_give_the_numbers_of_each_pair_alone(metric: Metric) -> None:
    random = np.random.default_rng(11)
    methods = [simulated(random, 2.0 * place, seeds=2 + place % 2, experiences=TASKS) for place in range(4)]
    found = differences(methods, metric)
    assert found == {(a, b): difference(methods[a], methods[b], metric) for a in range(4) for b in range(a + 1, 4)}
    assert differences(methods[:1], metric) == {}


def test_tiers_do_not_depend_on_the_order_of_methods_and_share_ranks() -> None:
    random = np.random.default_rng(7)
    methods = {"best": simulated(random, 12.0), "tied": simulated(random, 12.0), "worst": simulated(random, 0.0)}
    for order in permutations(methods):
        ranks = tiers({name: methods[name] for name in order})
        assert ranks == {"best": 1, "tied": 1, "worst": 3}
    assert tiers({"alone": methods["best"]}) == {"alone": 1}

"""Drawing patches: distributions, and the chunk procedure against a plain loop written from its description."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from avbench.model.selection import Axis, chunk_count, select_chunks, select_tokens, top_tokens


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_top_tokens_are_the_largest_in_order_and_ties_go_by_id() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.5, 0.2], [0.0, 0.0, 0.0, 0.0]])
    assert top_tokens(scores, 3).tolist() == [[1, 2, 3], [0, 1, 2]]


@pytest.mark.parametrize("count", [0, 5])
def test_counts_out_of_range_are_an_error(count: int) -> None:
    with pytest.raises(ValueError, match="of 4 tokens"):
        top_tokens(torch.ones(1, 4), count)


def test_draws_are_proportional_to_importance_among_what_is_left() -> None:
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    rows = 40_000
    drawn = select_tokens(weights.expand(rows, 4), torch.zeros(rows, 4, dtype=torch.bool), 2, uniform(rows, 4))
    pairs = Counter(tuple(pair) for pair in drawn.tolist())
    for i in range(4):
        for j in range(4):
            if i != j:
                chance = float(weights[i] * weights[j] / (1 - weights[i]))
                deviation = math.sqrt(chance * (1 - chance) / rows)
                assert abs(pairs[i, j] / rows - chance) < 5 * deviation


def test_draws_are_distinct_and_a_function_of_the_noise() -> None:
    weights, noise, excluded = uniform(50, 20), uniform(50, 20, seed=1), uniform(50, 20, seed=2) < 0.5
    drawn = select_tokens(weights, excluded, 12, noise)
    assert all(len(set(row)) == 12 for row in drawn.tolist())
    assert torch.equal(drawn, select_tokens(weights, excluded, 12, noise))
    assert torch.equal(drawn[7:9], select_tokens(weights[7:9], excluded[7:9], 12, noise[7:9]))


def test_excluded_tokens_only_fill_up() -> None:
    excluded = uniform(200, 20, seed=2) < 0.6
    drawn = select_tokens(uniform(200, 20), excluded, 10, uniform(200, 20, seed=1))
    flags = excluded.gather(1, drawn)
    missing = (10 - (~excluded).sum(1)).clamp(min=0)
    assert torch.equal(flags.sum(1), missing)
    assert 0 < int((missing > 0).sum()) < 200
    assert (flags.int().diff(dim=1) >= 0).all()


def test_zero_importance_comes_after_positive_and_before_excluded() -> None:
    weights = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.9]]).expand(100, 5)
    excluded = torch.tensor([[False, False, False, False, True]]).expand(100, 5)
    noise = uniform(100, 5)
    noise[0] = 0.0  # the smallest number a uniform draw can give
    drawn = select_tokens(weights, excluded, 5, noise)
    assert all(set(row[:2]) == {1, 3} and set(row[2:4]) == {0, 2} and row[4] == 4 for row in drawn.tolist())


# --- chunks ---------------------------------------------------------------------------------------------------------


def naive_chunks(
    scores: list[float],
    excluded: list[bool],
    count: int,
    chunk: int,
    grid: tuple[int, int],
    axis: Axis,
    noise: list[float],
    coin: bool,
) -> tuple[list[int], str]:
    """Chosen ids of one clip, and which case the boundary chunk was."""
    time, frequency = grid
    if axis == "time":
        members = [
            [t * frequency + f for t in range(start, start + chunk) for f in range(frequency)]
            for start in range(0, time, chunk)
        ]
    else:
        members = [
            [t * frequency + f for f in range(start, start + chunk) for t in range(time)]
            for start in range(0, frequency, chunk)
        ]
    arrival = []
    for ids, number in zip(members, noise, strict=True):
        weight = sum(scores[i] for i in ids) / len(ids)
        arrival.append(-math.log(number) / weight)
    order = sorted(range(len(members)), key=lambda c: arrival[c])

    chosen: list[int] = []
    taken: set[int] = set()
    case = "no boundary"
    for c in order:
        survivors = [i for i in members[c] if not excluded[i]]
        if len(chosen) + len(survivors) <= count:
            chosen += survivors
            taken.add(c)
            continue
        excess = len(chosen) + len(survivors) - count
        left, right = c - 1 in taken, c + 1 in taken
        drop_late = left if left != right else coin
        chosen += survivors[: len(survivors) - excess] if drop_late else survivors[excess:]
        case = {(1, 0): "left", (0, 1): "right", (1, 1): "both", (0, 0): "neither"}[(int(left), int(right))]
        case += " exact" if excess == len(survivors) else ""
        case += " edge" if c in (0, len(members) - 1) else ""
        break
    chosen.sort(key=lambda i: -scores[i])
    rest = sorted((i for i in range(len(scores)) if excluded[i]), key=lambda i: -scores[i])
    if case == "no boundary":
        case += " filled" if len(chosen) < count else " exact"
    return (chosen + rest)[:count], case


def compare(
    rows: int, count: int, chunk: int, grid: tuple[int, int], axis: Axis, share: float, seed: int
) -> Counter[str]:
    """Compare `rows` random clips, and count which cases they were."""
    length = grid[0] * grid[1]
    scores = uniform(rows, length, seed=seed) ** 2 + 1e-3
    excluded = uniform(rows, length, seed=seed + 1) < share
    noise = uniform(rows, chunk_count(grid, chunk, axis), seed=seed + 2).clamp(min=1e-6)
    coin = uniform(rows, seed=seed + 3) < 0.5
    ids = select_chunks(scores, excluded, count, chunk, grid, axis, noise, coin)
    assert ids.shape == (rows, count)
    cases: Counter[str] = Counter()
    for row in range(rows):
        settings = count, chunk, grid, axis, noise[row].tolist(), bool(coin[row])
        expected, case = naive_chunks(scores[row].tolist(), excluded[row].tolist(), *settings)
        assert ids[row].tolist() == expected, case
        assert len(set(expected)) == count
        cases[case] += 1
    return cases


def test_chunks_equal_the_plain_loop_in_every_case() -> None:
    cases: Counter[str] = Counter()
    for seed, (count, share) in enumerate([(20, 0.0), (20, 0.3), (24, 0.0), (24, 0.2), (24, 0.5), (30, 0.45)]):
        cases += compare(120, count, 2, (16, 3), "time", share, 10 * seed)
    for neighbours in ("left", "right", "both", "neither"):
        assert cases[neighbours], cases
        assert cases[f"{neighbours} exact"], cases
    assert cases["left edge"], cases
    assert cases["right edge"], cases
    assert cases["neither edge"], cases
    assert cases["no boundary filled"], cases
    assert cases["no boundary exact"], cases


@pytest.mark.parametrize(("axis", "chunk"), [("time", 2), ("time", 4), ("time", 8), ("frequency", 1), ("frequency", 2)])
def test_chunks_equal_the_plain_loop_at_the_size_of_the_paper(axis: Axis, chunk: int) -> None:
    compare(25, 256, chunk, (64, 8), axis, 0.25, chunk)


@pytest.mark.parametrize("count", [192, 256, 320])
def test_chunks_equal_the_plain_loop_at_each_published_ratio(count: int) -> None:
    compare(15, count, 4, (64, 8), "time", 0.4, count)


def test_nothing_is_chosen_from_excluded_tokens_unless_needed() -> None:
    excluded = uniform(40, 48) < 0.4
    noise, coin = uniform(40, 8, seed=1), uniform(40, seed=2) < 0.5
    ids = select_chunks(uniform(40, 48, seed=3), excluded, 20, 2, (16, 3), "time", noise, coin)
    assert int((~excluded).sum(1).min()) >= 20
    assert not excluded.gather(1, ids).any()


def test_with_everything_excluded_the_most_important_are_kept() -> None:
    scores = uniform(6, 48)
    everything = torch.ones(6, 48, dtype=torch.bool)
    ids = select_chunks(scores, everything, 20, 2, (16, 3), "time", uniform(6, 8, seed=1), uniform(6) < 0.5)
    assert torch.equal(ids, top_tokens(scores, 20))


def test_keeping_all_tokens_keeps_all() -> None:
    excluded = uniform(6, 48, seed=4) < 0.4
    ids = select_chunks(uniform(6, 48), excluded, 48, 2, (16, 3), "time", uniform(6, 8, seed=1), uniform(6) < 0.5)
    assert torch.equal(ids.sort(1).values, torch.arange(48).expand(6, 48))


def test_chunks_are_drawn_in_proportion_to_their_importance() -> None:
    rows = 20_000
    share = torch.tensor([0.1, 0.2, 0.3, 0.4])
    scores = share.repeat_interleave(4).expand(rows, 16) / 4
    nothing = torch.zeros(rows, 16, dtype=torch.bool)
    coin = uniform(rows, seed=1) < 0.5
    ids = select_chunks(scores, nothing, 4, 2, (8, 2), "time", uniform(rows, 4), coin)
    first = ids[:, 0] // 4
    assert torch.equal(first[:, None].expand(rows, 4), ids // 4)
    for chunk in range(4):
        chance = float(share[chunk])
        assert abs(float((first == chunk).float().mean()) - chance) < 5 * math.sqrt(chance * (1 - chance) / rows)


def test_a_grid_that_does_not_divide_is_an_error() -> None:
    assert chunk_count((64, 8), 4) == 16
    assert chunk_count((64, 8), 4, "frequency") == 2
    with pytest.raises(ValueError, match="8 audio tokens along frequency do not divide into chunks of 3"):
        chunk_count((64, 8), 3, "frequency")

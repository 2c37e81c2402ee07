"""One step of STELLA, computed a second time: clip by clip, head by head, patch by patch.

Scores come from the modules' own layers with the weights of before the step, draws from the generators as they stood
before it. Selections are checked on the scores the step noted, so that rounding can't turn a draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.config import ClipShape, RunConfig
from avbench.model.mae import AudioVideoMAE
from avbench.model.matching import AudioVideoMatching, matching_pairs
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Step

Config = Callable[..., RunConfig]
OTHER = {"audio": "video", "video": "audio"}
HISTORIES = [(6,), (6, 6, 6), (4, 6)]  # clips per step; the last two compare each clip with a past, once a shorter one
RATIO, BETA = 0.5, 0.4


@dataclass(frozen=True)
class Record:
    """The last step, beside the modules and generators of before it."""

    session: Session
    step: Step
    net: AudioVideoMAE
    matching: AudioVideoMatching
    states: dict[str, Tensor]

    @property
    def shape(self) -> ClipShape:
        return self.session.config.clip

    @property
    def lengths(self) -> dict[str, int]:
        return {"audio": self.shape.audio_tokens, "video": self.shape.video_tokens}

    @property
    def rows(self) -> int:
        return len(self.step.joint)

    def generator(self, name: str) -> torch.Generator:
        rewound = torch.Generator()
        rewound.set_state(self.states[name])
        return rewound


@pytest.fixture
def record(tiny_config: Config) -> Callable[..., Record]:
    def make(history: Sequence[int] = (6, 6, 6), **options: Any) -> Record:
        values = {"memory": 40, "chunk": 2, "sampling_ratio": RATIO, "temperature": BETA} | options
        session = Session(tiny_config("stella", options=values))
        matching = session.strategy.modules()["matching"]
        assert isinstance(matching, AudioVideoMatching)
        spread(matching)
        template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
        for clips in history:
            weights = [{k: v.clone() for k, v in module.state_dict().items()} for module in (session.net, matching)]
            states = session.generators.state_dict()
            template.mbatch = random_wire(session.config, clips, generator)
            template.run_iteration()
        session.net.load_state_dict(weights[0])
        matching.load_state_dict(weights[1])
        session.net.requires_grad_(False)
        matching.requires_grad_(False)
        return Record(session, template.step, session.net, matching, states)

    return make


def spread(matching: AudioVideoMatching) -> None:
    """Fresh weights are so small that all scores are nearly equal and most mistakes nearly invisible."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in matching.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)


# --- scores ---------------------------------------------------------------------------------------------------------


def heads(record: Record, kind: str, modality: str, clip: int) -> list[Tensor]:
    """Queries or keys of one clip of the stream, (L, d) per head: consecutive channels belong to one head."""
    codes = record.net.encode_tokens(record.step.stream)
    fused = dict(zip(("audio", "video"), record.net.fuse(*codes), strict=True))[modality][clip]
    normal = getattr(record.matching, f"norm_{modality}")(fused)
    projected = getattr(record.matching, f"{kind}_{modality}")(normal)
    size = projected.shape[1] // record.matching.heads
    return [projected[:, head * size : (head + 1) * size] for head in range(record.matching.heads)]


def important(record: Record, modality: str, clip: int) -> list[int]:
    """The ids of the floor(rho L) highest scores."""
    scores = record.step.notes[f"importance_{modality}"][clip].tolist()
    return sorted(range(len(scores)), key=lambda token: -scores[token])[: int(len(scores) * RATIO)]


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_importance_is_the_attention_received_from_the_other_modality(
    record: Callable[..., Record], modality: str
) -> None:
    run = record()
    for clip in range(6):
        total = torch.zeros(run.lengths[modality])
        queries, keys = heads(run, "query", OTHER[modality], clip), heads(run, "key", modality, clip)
        for head_queries, head_keys in zip(queries, keys, strict=True):
            for query in head_queries:
                powers = torch.exp((head_keys * query).sum(dim=1) / math.sqrt(len(query)) / BETA)
                total += powers / powers.sum()
        expected = total / (len(queries) * run.lengths[OTHER[modality]])
        assert expected.max() > 2 * expected.min()  # else the comparison would say little
        torch.testing.assert_close(run.step.notes[f"importance_{modality}"][clip], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_the_query_of_a_clip_is_the_mean_of_its_important_ones_weighted_by_importance(
    record: Callable[..., Record], modality: str
) -> None:
    run = record()
    for clip in range(6):
        scores, chosen = run.step.notes[f"importance_{modality}"][clip], important(run, modality, clip)
        for head, queries in enumerate(heads(run, "query", modality, clip)):
            weighted = torch.stack([scores[token] * queries[token] for token in chosen]).sum(dim=0)
            expected = weighted / sum(float(scores[token]) for token in chosen)
            torch.testing.assert_close(run.step.notes[f"query_{modality}"][clip, head], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("history", HISTORIES[1:])
@pytest.mark.parametrize("modality", ["audio", "video"])
def test_correlation_prefers_the_query_of_replayed_clip_i_to_the_own_one(
    record: Callable[..., Record], modality: str, history: Sequence[int]
) -> None:
    run, other = record(history), OTHER[modality]
    assert run.step.replay is not None
    for clip in range(6):
        expected = torch.zeros(run.lengths[modality])
        past = run.step.replay.fields[f"query_{other}"][clip % len(run.step.replay)]
        scores, partners = run.step.notes[f"importance_{other}"][clip], important(run, other, clip)
        share = scores[partners] / scores[partners].sum()
        queries, keys = heads(run, "query", other, clip), heads(run, "key", modality, clip)
        for token in important(run, modality, clip):
            for head, (head_queries, head_keys) in enumerate(zip(queries, keys, strict=True)):
                scale = 1 / math.sqrt(head_keys.shape[1])
                # The mean of the scores against all queries, as released; not the score against the mean query.
                current = (share * (head_queries[partners] @ head_keys[token])).sum() * scale
                before = (past[head] * head_keys[token]).sum() * scale
                expected[token] += torch.exp(before) / (torch.exp(before) + torch.exp(current)) / len(queries)
        assert (expected[expected > 0] - 0.5).abs().max() > 0.01  # far more than the tolerance
        torch.testing.assert_close(run.step.notes[f"correlation_{modality}"][clip], expected, rtol=1e-4, atol=1e-5)


# --- selection ------------------------------------------------------------------------------------------------------


def scores_of_all(run: Record, name: str) -> list[list[float]]:
    """Stream rows as scored in this step, replayed rows as they were stored."""
    stored = [] if run.step.replay is None else run.step.replay.fields[name].tolist()
    return [*run.step.notes[name].tolist(), *stored]


def race(weights: Sequence[float], draws: Sequence[float]) -> list[int]:
    """A weighted draw without replacement: first come the early arrivals."""
    return sorted(range(len(weights)), key=lambda item: -math.log(draws[item]) / weights[item])


def drawn(scores: Sequence[float], excluded: set[int], count: int, draws: Sequence[float]) -> set[int]:
    """Single patches; excluded ones only where the others do not suffice."""
    order = race(scores, draws)
    return set([*(i for i in order if i not in excluded), *(i for i in order if i in excluded)][:count])


def drawn_chunks(
    scores: Sequence[float],
    excluded: set[int],
    count: int,
    chunks: Sequence[Sequence[int]],
    draws: Sequence[float],
    coin: bool,
) -> set[int]:
    """Whole chunks, of the last one the end that touches no chunk taken before it."""
    taken: set[int] = set()
    kept: list[int] = []
    for chunk in race([sum(scores[i] for i in ids) / len(ids) for ids in chunks], draws):
        alive, room = [i for i in chunks[chunk] if i not in excluded], count - len(kept)
        if len(alive) > room:
            left, right = chunk - 1 in taken, chunk + 1 in taken
            cut_late = coin if left == right else left
            kept += alive[:room] if cut_late else alive[len(alive) - room :]
            break
        taken.add(chunk)
        kept += alive
    others = sorted(excluded, key=lambda i: -scores[i])
    return {*kept, *others[: count - len(kept)]}


def chunks_of(shape: ClipShape, axis: str, size: int) -> list[list[int]]:
    times, frequencies = shape.audio_grid
    if axis == "time":
        return [
            [t * frequencies + f for t in range(start, start + size) for f in range(frequencies)]
            for start in range(0, times, size)
        ]
    return [
        [t * frequencies + f for f in range(start, start + size) for t in range(times)]
        for start in range(0, frequencies, size)
    ]


def draws_of(run: Record, selection: str, size: int) -> tuple[dict[str, list[list[float]]], torch.Generator]:
    """What the step drew for selection, in its order, and the generator as the matching loss finds it."""
    aux, rows, draws = run.generator("aux"), run.rows, {}
    chunks = run.lengths["audio"] if selection == "none" else len(chunks_of(run.shape, selection, size))
    order = {"risk_audio": run.lengths["audio"], "risk_video": run.lengths["video"]}
    for name, width in (order | {"video": run.lengths["video"], "audio": chunks}).items():
        draws[name] = torch.rand(rows, width, generator=aux).tolist()
    return draws, aux


def exclusions(run: Record, modality: str, draws: dict[str, list[list[float]]]) -> list[set[int]]:
    """A Bernoulli draw for each patch of each row."""
    return [
        {token for token, (risk, draw) in enumerate(zip(*row, strict=True)) if draw < risk}
        for row in zip(scores_of_all(run, f"correlation_{modality}"), draws[f"risk_{modality}"], strict=True)
    ]


def check_selection(run: Record, selection: str, ratio: float, size: int, excluded: dict[str, list[set[int]]]) -> None:
    keep, (draws, _) = run.step.keep, draws_of(run, selection, size)
    assert keep is not None and keep.audio is not None and keep.video is not None
    assert len(keep.audio) == len(keep.video) == run.rows
    coins = (torch.rand(run.rows, generator=run.generator("coin")) < 0.5).tolist()
    audio, video = scores_of_all(run, "importance_audio"), scores_of_all(run, "importance_video")
    counts = {modality: int(length * ratio) for modality, length in run.lengths.items()}
    for row in range(run.rows):
        expected = drawn(video[row], excluded["video"][row], counts["video"], draws["video"][row])
        assert set(keep.video[row].tolist()) == expected, f"video patches of row {row}"
        given = audio[row], excluded["audio"][row], counts["audio"]
        if selection == "none":
            expected = drawn(*given, draws["audio"][row])
        else:
            chunks = chunks_of(run.shape, selection, size)
            expected = drawn_chunks(*given, chunks, draws["audio"][row], coins[row])
        assert set(keep.audio[row].tolist()) == expected, f"audio patches of row {row}"


@pytest.mark.parametrize("history", HISTORIES[1:])
@pytest.mark.parametrize("ratio", [0.5, 0.625])
@pytest.mark.parametrize(("selection", "size"), [("time", 2), ("frequency", 1), ("none", 2)])
def test_each_row_is_selected_by_its_own_scores_the_replayed_by_their_stored_ones(
    record: Callable[..., Record], selection: str, size: int, ratio: float, history: Sequence[int]
) -> None:
    run = record(history, audio_selection=selection, sampling_ratio=ratio, chunk=size)
    draws, _ = draws_of(run, selection, size)
    excluded = {modality: exclusions(run, modality, draws) for modality in OTHER}
    assert all(any(rows[:6]) for rows in excluded.values())
    check_selection(run, selection, ratio, size, excluded)


@pytest.mark.parametrize(("selection", "size"), [("time", 2), ("frequency", 1), ("none", 2)])
def test_without_a_past_nothing_is_excluded(record: Callable[..., Record], selection: str, size: int) -> None:
    run = record((6,), audio_selection=selection, chunk=size)
    for modality in OTHER:
        assert not run.step.notes[f"correlation_{modality}"].any()
    check_selection(run, selection, RATIO, size, {modality: [set()] * 6 for modality in OTHER})


# --- matching loss and memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("selection", ["time", "none"])
@pytest.mark.parametrize("history", HISTORIES)
def test_the_matching_loss_tells_true_pairs_from_pairs_with_the_partners_video(
    record: Callable[..., Record], history: Sequence[int], selection: str
) -> None:
    run = record(history, audio_selection=selection)
    _, aux = draws_of(run, selection, 2)
    is_match, partner = matching_pairs(6, aux)
    audio, video = run.net.encode_tokens(run.step.stream)
    losses = []
    for clip in range(6):
        shown = clip if is_match[clip] else int(partner[clip])
        assert (shown == clip) == bool(is_match[clip])
        logit = float(run.matching(*run.net.fuse(audio[clip : clip + 1], video[shown : shown + 1])))
        losses.append(math.log1p(math.exp(-logit if is_match[clip] else logit)))
    assert int(is_match.sum()) == 3
    assert float(run.step.terms["matching"].detach()) == pytest.approx(sum(losses) / 6, rel=1e-4)


@pytest.mark.parametrize("history", HISTORIES)
def test_the_memory_keeps_clips_scores_queries_and_embeddings_of_the_step(
    record: Callable[..., Record], history: Sequence[int]
) -> None:
    run = record(history)
    memory, out = run.session.strategy.memory, run.step.output
    assert memory is not None and out.z_audio is not None and out.z_video is not None
    stored = memory.read(torch.arange(sum(history) - 6, sum(history)))
    expected = {"z_audio": out.z_audio[:6], "z_video": out.z_video[:6]}
    expected |= {name: run.step.wire[name] for name in ("audio", "video")}
    for name in ("importance", "correlation", "query"):
        expected |= {f"{name}_{modality}": run.step.notes[f"{name}_{modality}"] for modality in OTHER}
    assert stored.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(stored[name], value), name
    assert memory.clip_ids[-6:] == list(run.step.stream.clip_id)

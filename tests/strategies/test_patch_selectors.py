"""Properties of patch selection on top of DER++: Random, MATS, STELLA's two halves, and what all selections share."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import ClipShape, RunConfig, validate
from avbench.errors import UsageError
from avbench.model.masking import Keep
from avbench.model.matching import AudioVideoMatching
from avbench.registry import find
from avbench.strategies.mats import MATS
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Step

Config = Callable[..., RunConfig]
Train = Callable[..., Session]
METHODS = ["random", "mats", "lpis-only", "rca-only", "stella-plus"]
NAMES = ["stella-plus-plus", "flava", "flava-plus"]  # of methods that are among the others
OTHER = {"audio": "video", "video": "audio"}


def options(**values: Any) -> dict[str, Any]:
    return {"memory": 40, **values}


def step_on(session: Session, steps: int, seed: int = 5) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        session.template.mbatch = random_wire(session.config, session.config.training.batch_size, generator)
        session.template.run_iteration()


def stepped(config: RunConfig, steps: int) -> Session:
    session = Session(config)
    session.attach(store=[])
    step_on(session, steps)
    return session


def weights(session: Session) -> list[Tensor]:
    modules = [session.net, *session.strategy.modules().values()]
    return [value.clone() for module in modules for value in module.state_dict().values()]


def same(one: Sequence[Tensor], two: Sequence[Tensor]) -> bool:
    return len(one) == len(two) and all(map(torch.equal, one, two))


# --- what all selections share --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "extra"),
    [("random", {}), ("random", {"audio_selection": "time"}), ("mats", {}), ("lpis-only", {}), ("rca-only", {})],
)
def test_a_ratio_of_one_is_derpp_bit_for_bit(tiny_config: Config, train: Train, strategy: str, extra: Any) -> None:
    shared = options(memory=9, alpha=0.7)
    derpp = train(tiny_config("derpp", options=shared))
    whole, half = (train(tiny_config(strategy, options=shared | extra | {"sampling_ratio": r})) for r in (1.0, 0.5))
    reference = list(derpp.net.state_dict().values())
    assert same(list(whole.net.state_dict().values()), reference)
    assert not same(list(half.net.state_dict().values()), reference)


@pytest.mark.parametrize("strategy", METHODS + NAMES)
def test_a_restored_session_goes_on_bit_for_bit(tiny_config: Config, strategy: str) -> None:
    one = stepped(tiny_config(strategy, options=options(memory=7)), 3)
    saved, two = copy.deepcopy(one.checkpoint()), Session(one.config)
    two.attach(store=[])
    two.restore(saved, Path("checkpoint"))
    for session in (one, two):
        step_on(session, 3, seed=9)
    assert same(weights(one), weights(two))
    assert one.strategy.memory and two.strategy.memory
    states = one.strategy.memory.state_dict(), two.strategy.memory.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("strategy", METHODS)
def test_a_stream_cut_into_experiences_or_given_whole_leaves_the_same_weights(
    tiny_config: Config, train: Train, strategy: str
) -> None:
    config = tiny_config(strategy, training={"epochs": 1})
    whole, cut = (train(config, clips=24, cuts=cuts, shuffle=False) for cuts in ((), (6, 18)))
    assert same(weights(whole), weights(cut))


@pytest.mark.parametrize(
    ("strategy", "audio", "video"),
    [
        ("random", (102, 154), (156, 236)),
        ("mats", (102, 410), (156, 236)),
        ("stella", (102, 154), (156, 236)),
        ("stella-plus", (102, 154), (156, 236)),
    ],
)
def test_visible_and_target_patches_are_the_published_ones(
    tiny_config: Config, strategy: str, audio: tuple[int, int], video: tuple[int, int]
) -> None:
    config = tiny_config(strategy, options=options(memory=4), training={"batch_size": 2}, clip=ClipShape())
    seen: list[list[tuple[int, int]]] = []
    session = Session(config)
    session.net.decoder.register_forward_pre_hook(
        lambda _, args: seen.append([(mask.visible.shape[1], mask.targets.shape[1]) for mask in args[1:]])
    )
    session.attach(store=[])
    step_on(session, 2)
    assert seen == [[audio, video]] * 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"variant": "faithful"}, r"^options\.variant: Input should be 'stella'[^;]*$"),
        ({"draws": 2}, r"^options\.draws: Input should be 1 "),
        ({"replay_masks": "stored"}, r"^options\.replay_masks: Input should be 'fresh' "),
        ({"beta": 0.4}, r"^options\.beta: Input should be 1 "),
        ({"sampling_ratio": 0}, r"^options\.sampling_ratio: "),
    ],
)
@pytest.mark.parametrize("strategy", ["stella", *METHODS])
def test_other_forms_of_derpp_are_refused(strategy: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        validate(find("strategies", strategy).load().Config, values, "options")


@pytest.mark.parametrize("strategy", METHODS)
def test_a_ratio_that_leaves_nothing_to_reconstruct_is_refused(tiny_config: Config, strategy: str) -> None:
    with pytest.raises(UsageError, match=r"options\.sampling_ratio = 0\.2 .* model\.mask_ratio = 0\.8"):
        Session(tiny_config(strategy, options=options(sampling_ratio=0.2)))


@pytest.mark.parametrize("strategy", NAMES)
def test_other_names_are_the_same_algorithm(tiny_config: Config, strategy: str) -> None:
    original = {"flava": "stella"}.get(strategy, "stella-plus")
    assert same(*(weights(stepped(tiny_config(name, options=options()), 3)) for name in (strategy, original)))


# --- random -----------------------------------------------------------------------------------------------------------


def drawn_by(config: RunConfig, rows: int) -> Keep:
    """The selection of one step on `rows` clips."""
    nothing = Batch(torch.empty(rows, 0), torch.empty(rows, 0), ())
    keep = Session(config).strategy.patches(Step(wire={}, stream=nothing, joint=nothing))
    assert keep is not None
    return keep


def test_random_keeps_every_pair_of_patches_equally_often(tiny_config: Config) -> None:
    rows, keep = 5000, drawn_by(tiny_config("random"), 5000)
    for ids, length in ((keep.audio, 32), (keep.video, 48)):
        assert ids is not None
        count = length // 2
        kept = torch.zeros(rows, length).scatter(1, ids, 1.0)
        assert (kept.sum(dim=1) == count).all()
        pairs = kept.T @ kept / rows
        single, double = count / length, count * (count - 1) / (length * (length - 1))
        expected = torch.full((length, length), double).fill_diagonal_(single)
        deviation = math.sqrt(double * (1 - double) / rows)
        assert (pairs - expected).abs().max() < 5 * deviation


@pytest.mark.parametrize(("axis", "chunk"), [("time", 2), ("frequency", 1)])
def test_random_can_draw_whole_stretches_of_sound(tiny_config: Config, axis: str, chunk: int) -> None:
    keep = drawn_by(tiny_config("random", options=options(audio_selection=axis, chunk=chunk)), 3000)
    assert keep.audio is not None
    # 8 x 4 patches: half of them are two of four stretches of two columns, or two of four rows.
    place = [token // 4 // chunk if axis == "time" else token % 4 for token in range(32)]
    pairs = Counter(tuple(sorted(Counter(place[token] for token in row).items())) for row in keep.audio.tolist())
    assert all(size == 8 for pair in pairs for _, size in pair)
    assert len(pairs) == 6
    assert all(abs(seen - 500) < 5 * math.sqrt(500) for seen in pairs.values())


# --- mats -------------------------------------------------------------------------------------------------------------


def test_mats_keeps_the_patches_whose_embedding_moves_most(tiny_config: Config) -> None:
    session = Session(tiny_config("mats", options=options()))
    session.attach(store=[])
    step_on(session, 2)
    embed = copy.deepcopy(session.net.video_encoder.embed)  # of before the step
    step_on(session, 1)
    step, shape = session.template.step, session.config.clip
    assert step.replay is not None and step.keep is not None and step.keep.video is not None
    assert step.keep.audio is None
    side, cells = shape.patch, shape.image_size // shape.patch
    pixels = [(y, x, channel) for y in range(side) for x in range(side) for channel in range(3)]
    for clip, kept in zip(step.joint.video.tolist(), step.keep.video.tolist(), strict=True):
        codes = [
            [
                embed(torch.tensor([frame[channel][r + y][q + x] for y, x, channel in pixels]))
                for r in range(0, shape.image_size, side)
                for q in range(0, shape.image_size, side)
            ]
            for frame in clip
        ]
        change = [
            [float((now - before).norm()) for now, before in zip(codes[t], codes[t - 1], strict=True)]
            for t in range(1, shape.frames)
        ]
        flat = [distance for frame in [change[0], *change] for distance in frame]
        expected = sorted(range(len(flat)), key=lambda token: -flat[token])[: len(flat) // 2]
        assert len(flat) == shape.frames * cells**2
        assert set(kept) == set(expected)


def test_mats_keeps_a_moving_square_first(tiny_config: Config) -> None:
    session = Session(tiny_config("mats"))
    assert isinstance(session.strategy, MATS)
    frame = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))
    video = frame.repeat(1, 3, 1, 1, 1)
    for t, column in enumerate((0, 1, 2)):  # one patch further in every frame
        video[0, t, :, 8:16, 8 * column : 8 * column + 8] += 2.0
    batch = Batch(torch.empty(1, 0), video, ("square",))
    keep = session.strategy.patches(Step(wire={}, stream=batch, joint=batch))
    assert keep.video is not None
    square = [4 + 0, 16 + 4 + 1, 32 + 4 + 2]
    left_behind = [16 + 4 + 0, 32 + 4 + 1]
    borrowed = [4 + 1]  # the first frame takes the changes of the second
    assert set(keep.video[0, :6].tolist()) == {*square, *left_behind, *borrowed}
    motion = session.strategy.motion(video)[0].sort(descending=True).values
    assert motion[6:].max() < 1e-4 * motion[5]


def test_mats_needs_two_frames(tiny_config: Config) -> None:
    clip = tiny_config("mats").clip.model_copy(update={"frames": 1})
    with pytest.raises(UsageError, match=r"clip\.frames = 1"):
        Session(tiny_config("mats", clip=clip))


def test_mats_measures_motion_in_full_precision(tiny_config: Config) -> None:
    half, single = (stepped(tiny_config("mats", precision=precision), 1) for precision in ("bf16", "fp32"))
    keeps = [session.template.step.keep for session in (half, single)]
    assert torch.equal(*(keep.video for keep in keeps if keep is not None and keep.video is not None))


# --- STELLA's halves --------------------------------------------------------------------------------------------------


def third_step(config: RunConfig) -> tuple[Session, Any, AudioVideoMatching, torch.Generator]:
    """The third step, beside the network, matching module and auxiliary generator of before it."""
    session = Session(config)
    matching = session.strategy.modules()["matching"]
    assert isinstance(matching, AudioVideoMatching)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():  # fresh weights are so small that all scores are nearly equal
        for parameter in matching.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    session.attach(store=[])
    step_on(session, 2)
    before = copy.deepcopy((session.net, matching))
    aux = torch.Generator()
    aux.set_state(session.generators["aux"].get_state())
    step_on(session, 1, seed=8)
    for module in before:
        module.requires_grad_(False)
    return session, *before, aux


def check_draws(step: Step, excluded: dict[str, list[set[int]]], aux: torch.Generator) -> None:
    """Single patches of all rows, from the generator as it stands before them: video first."""
    assert step.keep is not None and step.replay is not None
    for modality in ("video", "audio"):
        chosen, name = getattr(step.keep, modality), f"importance_{modality}"
        rows = [*step.notes[name].tolist(), *step.replay.fields[name].tolist()]
        draws = torch.rand(chosen.shape[0], len(rows[0]), generator=aux).tolist()
        for row, importance in enumerate(rows):
            arrival = [-math.log(draw) / weight for draw, weight in zip(draws[row], importance, strict=True)]
            order = sorted(range(len(arrival)), key=lambda token: (token in excluded[modality][row], arrival[token]))
            assert set(chosen[row].tolist()) == set(order[: chosen.shape[1]])


def exclusions(step: Step, aux: torch.Generator) -> dict[str, list[set[int]]]:
    """A Bernoulli draw for every patch of every row, audio first."""
    assert step.replay is not None
    found = {}
    for modality in ("audio", "video"):
        name = f"correlation_{modality}"
        rows = [*step.notes[name].tolist(), *step.replay.fields[name].tolist()]
        draws = torch.rand(len(rows), len(rows[0]), generator=aux).tolist()
        found[modality] = [
            {token for token, (draw, risk) in enumerate(zip(*pair, strict=True)) if draw < risk}
            for pair in zip(draws, rows, strict=True)
        ]
    return found


def test_lpis_only_scores_as_stella_and_excludes_nothing(tiny_config: Config) -> None:
    session, *_, aux = third_step(tiny_config("lpis-only", options=options(audio_selection="none")))
    step = session.template.step
    for modality in OTHER:
        assert not step.notes[f"correlation_{modality}"].any()
        scores = step.notes[f"importance_{modality}"]
        assert float(scores.max()) > 1.5 * float(scores.min())
    excluded = exclusions(step, aux)
    assert not any(any(rows) for rows in excluded.values())
    check_draws(step, excluded, aux)


def test_lpis_only_is_stella_until_there_is_a_past(tiny_config: Config) -> None:
    sessions = [stepped(tiny_config(name, options=options()), 1) for name in ("lpis-only", "stella")]
    assert same(*map(weights, sessions))
    for session in sessions:
        step_on(session, 1)
    assert not same(*map(weights, sessions))


def test_rca_only_excludes_by_correlation_among_patches_that_all_matter_alike(tiny_config: Config) -> None:
    session, net, matching, aux = third_step(tiny_config("rca-only", options=options(audio_selection="none")))
    step, lengths = session.template.step, {"audio": 32, "video": 48}
    assert step.replay is not None
    fused = dict(zip(("audio", "video"), net.fuse(*net.encode_tokens(step.stream)), strict=True))
    draws = {name: torch.rand(6, length, generator=aux).tolist() for name, length in lengths.items()}
    assessed = {
        name: [sorted(range(lengths[name]), key=lambda token: row[token])[: lengths[name] // 2] for row in draws[name]]
        for name in lengths
    }
    for name, other in OTHER.items():
        torch.testing.assert_close(step.notes[f"importance_{name}"], torch.full((6, lengths[name]), 1 / lengths[name]))
        for clip in range(6):
            keys = getattr(matching, f"key_{name}")(getattr(matching, f"norm_{name}")(fused[name][clip]))
            queries = getattr(matching, f"query_{other}")(getattr(matching, f"norm_{other}")(fused[other][clip]))
            own = sum(queries[token] for token in assessed[other][clip]) / len(assessed[other][clip])
            past = step.replay.fields[f"query_{other}"][clip].flatten()
            expected = torch.zeros(lengths[name])
            for token in assessed[name][clip]:
                for head in (slice(0, 8), slice(8, 16)):
                    gain = float(((past - own)[head] * keys[token][head]).sum()) / math.sqrt(8)
                    expected[token] += 1 / (1 + math.exp(-gain)) / 2
            assert (expected[expected > 0] - 0.5).abs().max() > 0.01  # far more than the tolerance
            torch.testing.assert_close(step.notes[f"correlation_{name}"][clip], expected, rtol=1e-4, atol=1e-5)
    excluded = exclusions(step, aux)
    assert all(any(rows) for rows in excluded.values())
    check_draws(step, excluded, aux)


def test_rca_only_assesses_patches_anywhere_in_a_clip(tiny_config: Config) -> None:
    notes = stepped(tiny_config("rca-only", options=options()), 3).template.step.notes
    for modality in OTHER:
        correlation = notes[f"correlation_{modality}"]
        half = correlation.shape[1] // 2
        assert ((correlation > 0).sum(dim=1) == half).all()
        assert (correlation[:, half:] > 0).any()


def test_rca_only_has_no_temperature() -> None:
    with pytest.raises(UsageError, match=r"options\.temperature: unknown option"):
        validate(find("strategies", "rca-only").load().Config, {"temperature": 0.4}, "options")

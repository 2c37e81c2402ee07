"""Localisation: every measure against plain loops and in its limits, and controls that tell looking from listening."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avbench.batch import Batch
from avbench.benchmarks.streams import ClipTruth, unknown_truth
from avbench.config import ClipShape
from avbench.evaluation import localisation
from avbench.evaluation.localisation import CHANCE_DRAWS, MEASURES, gains, means, of_another_class, score
from avbench.evaluation.localisation_run import LocalisationTest
from avbench.evaluation.maps import Kind, Maps
from avbench.results.localisation import Localisation


def scene(clips: int = 3, frames: int = 2, side: int = 6, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """A map, sources, silent objects, and which frames count, all random."""
    generator = np.random.default_rng(seed)
    objects = generator.integers(0, 4, (clips, frames, side, side))
    maps = generator.integers(0, 8, (clips, frames, side, side)) / 8  # with ties
    return maps, objects == 1, objects == 2, np.ones((clips, frames), dtype=bool)


def by_hand(maps: Any, source: Any, silent: Any) -> dict[str, float]:
    """The measures of one clip of maps as large as the picture, in plain loops."""
    low, high = maps.min(), maps.max()
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for frame, is_source, is_silent in zip((maps - low) / (high - low), source, silent, strict=True):
        cells = [
            (float(v), bool(s), bool(q)) for v, s, q in zip(frame.flat, is_source.flat, is_silent.flat, strict=True)
        ]
        inside, outside = [v for v, s, _ in cells if s], [v for v, s, _ in cells if not s]
        top = max(v for v, _, _ in cells)
        peaks = [s for v, s, _ in cells if v == top]
        iou = sum(v >= 0.5 and s for v, s, _ in cells) / sum(v >= 0.5 or s for v, s, _ in cells)
        reached = [float(iou >= step) for step in np.linspace(0, 1, 21)]
        pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
        quiet = [v for v, _, q in cells if q]
        found["pointing"].append(sum(peaks) / len(peaks))
        found["iou"].append(iou)
        found["auc"].append(sum((a + b) / 2 * 0.05 for a, b in pairwise(reached)))
        found["pixel_auc"].append(sum(pairs) / len(pairs))
        found["preference"].append((np.mean(inside) > np.mean(quiet)) + 0.5 * (np.mean(inside) == np.mean(quiet)))
    return {name: sum(values) / len(values) for name, values in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_measures_against_plain_loops(seed: int) -> None:
    maps, sources, silent, scored = scene(seed=seed)
    found = score(maps, sources, scored, silent)
    assert set(found) == set(MEASURES)
    for clip in range(len(maps)):
        expected = by_hand(maps[clip], sources[clip], silent[clip])
        assert {name: values[clip] for name, values in found.items()} == pytest.approx(expected)


def test_limits() -> None:
    _, sources, silent, scored = scene()
    truth = sources.astype(float)
    perfect, worst, flat = (score(maps, sources, scored, silent) for maps in (truth, -truth, 0 * truth))
    for name in MEASURES:
        np.testing.assert_allclose(perfect[name], 1)
        np.testing.assert_allclose(worst[name], 0.025 if name == "auc" else 0)  # a threshold of 0 is always reached
    area = sources.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(flat["pointing"], area)
    np.testing.assert_allclose(flat["pixel_auc"], 0.5)
    np.testing.assert_allclose(flat["preference"], 0.5)
    np.testing.assert_allclose(flat["iou"], 0)


def test_a_map_is_scaled_per_clip_not_per_frame() -> None:
    maps, sources, silent, scored = scene()
    same = score(7 * maps - 3, sources, scored, silent)
    for name, values in score(maps, sources, scored, silent).items():
        np.testing.assert_allclose(same[name], values)
    faint = sources.astype(float)
    faint[:, 1] *= 0.4  # below half of the other frame's height
    found = score(faint, sources, scored, silent)
    np.testing.assert_allclose(found["iou"], 0.5)
    np.testing.assert_allclose(found["pointing"], 1)
    np.testing.assert_allclose(found["pixel_auc"], 1)


def test_frames_that_have_nothing_to_find_do_not_count() -> None:
    maps, sources, silent, scored = scene()
    sources[0, 0], sources[1, 1], scored[2, 0] = False, True, False
    sources[2, 1] = False
    found = score(maps, sources, scored, silent)
    alone = score(maps, sources, np.array([[False, True], [True, False], [False, False]]), silent)
    for name in MEASURES:
        np.testing.assert_array_equal(found[name], alone[name])
        assert np.isnan(found[name][2]) and not np.isnan(found[name][:2]).any()
    assert means(found)["iou"] == pytest.approx(100 * found["iou"][:2].mean())


def test_without_known_silent_objects_there_is_no_preference() -> None:
    maps, sources, silent, scored = scene()
    assert set(score(maps, sources, scored)) == set(MEASURES) - {"preference"}
    silent[0] = False
    assert np.isnan(score(maps, sources, scored, silent)["preference"][0])
    assert means(score(maps, sources, scored, np.zeros_like(silent))).keys() == set(MEASURES) - {"preference"}


def test_chance() -> None:
    _, sources, silent, scored = scene(clips=400, side=8)
    drawn = [score(localisation.random_maps(400, (2, 8, 8), draw), sources, scored, silent) for draw in (0, 1)]
    chance = means(*drawn)
    assert chance["pixel_auc"] == pytest.approx(50, abs=1) and chance["preference"] == pytest.approx(50, abs=4)
    assert chance["pointing"] == pytest.approx(100 * sources.mean(), abs=4)
    first, again, other = (localisation.random_maps(5, (2, 3, 3), draw) for draw in (1, 1, 0))
    assert np.array_equal(first, again) and not np.isclose(first, other).any()


def test_maps_without_a_model() -> None:
    centre = localisation.centre_prior(2, (3, 4, 4))
    assert centre.shape == (2, 3, 4, 4)
    for turned in (centre[:, :, ::-1], centre[..., ::-1], centre.swapaxes(2, 3), centre[:, ::-1]):
        assert np.array_equal(turned, centre)
    assert centre[0, 0, 1, 1] == pytest.approx(np.exp(-2 * 0.125**2 / (2 * 0.25**2)))
    video = np.zeros((1, 2, 3, 8, 8), dtype=np.uint8)
    video[0, 1, 0, :4, 4:] = 200  # red, top right, in the second frame
    video[0, 0] = 90  # grey, however bright, is no colour
    assert localisation.saliency(video, (2, 2, 2)).tolist() == [[[[0, 0], [0, 0]], [[0, 200], [0, 0]]]]
    audio = np.zeros((1, 1, 6, 4), dtype=np.float16)
    audio[0, 0, 2:4] = 5
    assert localisation.loudness(audio, (1, 1, 3)).tolist() == [[[[0, 5, 0]]]]


@given(st.lists(st.sampled_from("abcde"), max_size=24))
def test_everybody_meets_another_class_once(labels: list[str]) -> None:
    partner = of_another_class(labels)
    possible = labels and max(Counter(labels).values()) <= len(labels) // 2
    assert (partner is not None) == bool(possible)
    if partner is not None:
        assert sorted(partner.tolist()) == list(range(len(labels)))
        assert all(labels[row] != labels[other] for row, other in enumerate(partner.tolist()))


def test_gains_are_paired() -> None:
    generator = np.random.default_rng(0)
    own = {"iou": generator.random(50), "pointing": np.array([1.0, *[np.nan] * 49])}
    other = {"iou": own["iou"] - 0.1, "pointing": np.zeros(50)}
    assert gains(own, other) == {"iou": (pytest.approx(10), pytest.approx(0, abs=1e-9))}
    points, margin = gains(own, {**other, "iou": generator.random(50)})["iou"]
    assert abs(points) < 3 * margin / 1.96 and margin == pytest.approx(196 * np.sqrt(2 / 12 / 50), rel=0.3)


# --- the test of a run ------------------------------------------------------------------------------------------------

SHAPE = ClipShape(frames=2, image_size=8, audio_frames=12, mel_bins=4, patch=2)
CLIPS = [f"clip-{number}" for number in range(12)]


def number_of(clip_id: str) -> int:
    return int(clip_id.split("-")[1])


def fetch(clip_id: str) -> dict[str, Any]:
    """Sound and frames that say which clip they belong to."""
    number = number_of(clip_id)
    audio = torch.full((1, 12, 4), float(number), dtype=torch.float16)
    return {"audio": audio, "video": torch.full((2, 3, 8, 8), 10 * number, dtype=torch.uint8), "clip_id": clip_id}


def truth_of(clip_id: str) -> ClipTruth:
    generator = np.random.default_rng(number_of(clip_id))
    cells = generator.permutation(16).reshape(4, 4)
    objects = np.broadcast_to(cells.repeat(2, axis=0).repeat(2, axis=1), (2, 8, 8))
    active = (generator.permutation(6) < 2).repeat(2)
    return ClipTruth(objects < 4, np.array([True, False]), (objects >= 4) & (objects < 8), active)


def label_of(clip_id: str) -> str:
    return f"class {number_of(clip_id) % 4}"


def sounds(batch: Batch) -> list[int]:
    return [round(level) for level in batch.audio.mean(dim=(1, 2, 3)).tolist()]


def pictures(batch: Batch) -> list[int]:
    return [round((red * 0.229 + 0.485) * 255 / 10) for red in batch.video[:, 0, 0, 0, 0].tolist()]


def pointing_at(source_of: list[int], active_of: list[int]) -> Mapping[Kind, Maps]:
    """Maps of the sources of some clips and of the active columns of others."""
    sources = np.stack([truth_of(CLIPS[number]).sources for number in source_of])
    active = np.stack([truth_of(CLIPS[number]).active for number in active_of]).astype(np.float32)
    video = torch.nn.functional.avg_pool2d(torch.from_numpy(sources).float(), 2)
    columns = torch.nn.functional.avg_pool1d(torch.from_numpy(active), 2)
    return {"cosine": Maps(columns[:, :, None].repeat(1, 1, 2).numpy(), video.numpy())}


def listener(batch: Batch) -> Mapping[Kind, Maps]:
    """Finds the source by the sound, and the time by the picture, whatever clip they come from."""
    return pointing_at(sounds(batch), pictures(batch))


def onlooker(batch: Batch) -> Mapping[Kind, Maps]:
    """Finds the source by the picture, and the time by the sound: it never compares the two."""
    return pointing_at(pictures(batch), sounds(batch))


@pytest.fixture
def probe() -> LocalisationTest:
    chosen = LocalisationTest.choose(CLIPS, fetch, truth_of, label_of, SHAPE)
    assert chosen is not None
    return chosen


def test_a_map_that_listens_gains_and_one_that_looks_does_not(probe: LocalisationTest) -> None:
    device = torch.device("cpu")
    heard = probe.extend(None, listener, device, "before")
    both = probe.extend(heard, onlooker, device, "after")
    for domain in (both.picture, both.time):
        assert domain is not None and domain.clips == len(CLIPS)
        listened, looked = domain.before["cosine"], domain.after["cosine"]
        assert looked.own == listened.own and looked.own == looked.exchanged  # finds the source without listening
        assert all(gain.points == gain.margin == 0 for gain in looked.gain.values())
        assert listened.own["pixel_auc"] > 99 and listened.exchanged["pixel_auc"] < 70
        assert listened.gain["pixel_auc"].points > 30 > listened.gain["pixel_auc"].margin
        assert set(domain.controls) == {"chance", "centre", "saliency"}
    assert both.picture is not None and "preference" in both.picture.controls["centre"]
    assert Localisation.model_validate_json(both.model_dump_json()) == both
    forgotten = both.before_training()
    assert forgotten == heard


def test_only_frames_that_are_heard_count(probe: LocalisationTest) -> None:
    def wrong_in_silence(batch: Batch) -> Mapping[Kind, Maps]:
        maps = listener(batch)["cosine"]
        maps.video[:, 1] = 1 - maps.video[:, 1]
        return {"cosine": maps}

    found = probe.extend(None, wrong_in_silence, torch.device("cpu"), "after")
    assert found.picture is not None and found.picture.after["cosine"].own["pixel_auc"] > 99


def test_clips_are_spread_and_few_are_enough() -> None:
    few = LocalisationTest.choose(CLIPS, fetch, truth_of, label_of, SHAPE, count=4)
    assert few is not None and few.clip_ids == ("clip-0", "clip-3", "clip-6", "clip-9")
    assert few.extend(None, listener, torch.device("cpu"), "after").picture is not None


def test_nothing_is_scored_where_nothing_is_known() -> None:
    assert LocalisationTest.choose(CLIPS, fetch, unknown_truth, label_of, SHAPE) is None
    assert LocalisationTest.choose(CLIPS, fetch, truth_of, lambda clip_id: "one class", SHAPE) is None
    assert LocalisationTest.choose([], fetch, truth_of, label_of, SHAPE) is None

    def timeless(clip_id: str) -> ClipTruth:
        truth = truth_of(clip_id)
        return ClipTruth(truth.sources, truth.heard)

    partly = LocalisationTest.choose(CLIPS, fetch, timeless, label_of, SHAPE)
    assert partly is not None
    found = partly.extend(None, listener, torch.device("cpu"), "after")
    assert found.time is None and found.picture is not None and "preference" not in found.picture.after["cosine"].own


def test_a_domain_in_which_nothing_can_be_found_is_left_out() -> None:
    def always(clip_id: str) -> ClipTruth:
        truth = truth_of(clip_id)
        return ClipTruth(truth.sources, truth.heard, truth.silent, np.ones(12, dtype=bool))

    tested = LocalisationTest.choose(CLIPS, fetch, always, label_of, SHAPE)
    assert tested is not None
    cpu = torch.device("cpu")
    found = tested.extend(tested.extend(None, listener, cpu, "before"), listener, cpu, "after")
    assert found.time is None and found.picture is not None


def test_chance_is_drawn_several_times(probe: LocalisationTest) -> None:
    found = probe.extend(None, listener, torch.device("cpu"), "before").picture
    assert found is not None and CHANCE_DRAWS > 1
    drawn = [
        score(
            localisation.random_maps(12, (2, 4, 4), draw),
            np.stack([truth.sources for truth in probe.truth]),
            np.stack([truth.heard for truth in probe.truth]),
        )
        for draw in range(CHANCE_DRAWS)
    ]
    assert found.controls["chance"]["pixel_auc"] == pytest.approx(means(*drawn)["pixel_auc"])

"""Sound: heard when and only when a source is active, at its events, and following its size."""

import numpy as np
import pytest

from avbench.data.world import ClipKey, World, WorldConfig
from avbench.data.world.families import BY_NAME, FAMILIES
from avbench.data.world.sound import SAMPLE_RATE

CLEAN = {"snr_db": None, "frames": 2, "classes_per_task": 20, "video_noise": 0.0}
IMPACTS = ("knocking", "bouncing", "ringing", "plucking", "drumming", "clapping", "clinking", "ticking", "dripping")


def keys_of(world: World, family: str, count: int) -> list[ClipKey]:
    keys = [key for key in world.clips("evaluation") if world.identity(key).family is BY_NAME[family]]
    return keys[:: max(1, len(keys) // count)][:count]


@pytest.mark.parametrize("family", IMPACTS)
def test_energy_rises_at_the_events(family: str) -> None:
    world = World(WorldConfig(**CLEAN))
    for key in keys_of(world, family, 4):
        clip = world.render(key)
        energy = np.convolve(np.square(clip.waveform), np.ones(48), "full")[: len(clip.waveform)]
        events = clip.truth.objects[0].events
        faded = np.diff(events, prepend=-1.0) > 4 * BY_NAME[family].decay  # what still rings hides the next onset
        for event in events[faded]:
            start = round(event * SAMPLE_RATE)
            before, after = energy[start - 1], energy[start : start + round(0.03 * SAMPLE_RATE)].max()
            assert after > 1.5 * before + 1e-6, f"no onset at {event:.3f} s"
        loud = np.flatnonzero(np.abs(clip.waveform) > 0.02 * np.abs(clip.waveform).max())
        assert abs(loud[0] / SAMPLE_RATE - clip.truth.objects[0].events[0]) < 0.01


@pytest.mark.parametrize("sources", [1, 2])
def test_silence_outside_the_gates(sources: int) -> None:
    world = World(WorldConfig(**CLEAN, sources=sources, seconds=6.0, sparsity=0.6))
    for key in world.clips("retrieval")[::173]:
        clip = world.render(key)
        inside = clip.truth.sounding(np.arange(len(clip.waveform)) / SAMPLE_RATE)
        assert not clip.waveform[~inside].any()
        assert np.abs(clip.waveform[inside]).max() > 0.01
        for thing in clip.truth.objects:
            assert all(((event >= thing.gates[:, 0]) & (event < thing.gates[:, 1])).any() for event in thing.events)


def test_silent_objects_are_not_heard() -> None:
    alone = World(WorldConfig(distractors=0))
    crowded = World(WorldConfig(distractors=4, distractor_activity=1.0))
    for key in alone.clips("retrieval")[::99]:
        one, other = alone.render(key), crowded.render(key)
        assert np.array_equal(one.waveform, other.waveform)
        assert one.truth.objects[0].events is not other.truth.objects[0].events
        assert np.array_equal(one.truth.objects[0].centre, other.truth.objects[0].centre)


def test_larger_objects_sound_lower_as_measured() -> None:
    """Area of the mask against the strongest frequency of beeps, both read from the clip itself."""
    world = World(WorldConfig(**CLEAN, distractors=0, image_size=96, clutter=0.0))
    keys = keys_of(world, "beeping", 10_000)
    by_class = {key.task: [] for key in keys}
    for key in keys:
        clip = world.render(key)
        tone = np.abs(np.fft.rfft(clip.waveform)).argmax() / world.config.seconds
        by_class[key.task].append((np.log(clip.truth.objects[0].factors.size), np.log(tone)))
    slopes = [np.corrcoef(np.array(points).T)[0, 1] for points in by_class.values()]
    assert max(slopes) < -0.9


def test_factors_are_linked_and_otherwise_free() -> None:
    world = World(WorldConfig())
    drawn = np.array(
        [
            [np.log(f.size), np.log(f.pitch), f.lightness, f.tilt, np.log(f.amplitude)]
            for f in (world.scene(key).actors[0].factors for key in world.clips("train")[::4])
        ]
    )
    links = np.corrcoef(drawn.T)
    assert links[0, 1] < -0.98 and links[2, 3] < -0.98
    assert np.abs(links[np.ix_([0, 2, 4], [0, 2, 4])] - np.eye(3)).max() < 0.15


def test_lighter_objects_sound_brighter_and_wider_motion_louder() -> None:
    world = World(WorldConfig(**CLEAN, distractors=0))
    facts = []
    for key in keys_of(world, "droning", 60):
        clip = world.render(key)
        power = np.abs(np.fft.rfft(clip.waveform)) ** 2
        centre, level = _centre_and_level(power)
        facts.append((key.task, centre - np.log(clip.truth.objects[0].pitch_hz), level, clip.truth.objects[0].factors))
    for task in {fact[0] for fact in facts}:
        brightness, level, factors = zip(*[fact[1:] for fact in facts if fact[0] == task], strict=True)
        assert np.corrcoef(brightness, [each.lightness for each in factors])[0, 1] > 0.6
        assert np.corrcoef(level, [np.log(each.amplitude) for each in factors])[0, 1] > 0.8


def _centre_and_level(power: np.ndarray) -> tuple[float, float]:
    frequency = np.arange(len(power))
    return float(np.log((power * frequency).sum() / power.sum())), float(np.log(power.sum()))


@pytest.mark.parametrize("ratio", [0.0, 20.0])
def test_background_noise_has_the_asked_ratio(ratio: float) -> None:
    clean, noisy = World(WorldConfig(snr_db=None)), World(WorldConfig(snr_db=(ratio, ratio)))
    for key in clean.clips("evaluation")[::200]:
        one, other = clean.render(key), noisy.render(key)
        inside = one.truth.sounding(np.arange(len(one.waveform)) / SAMPLE_RATE)
        signal, noise = one.waveform[inside], other.waveform - one.waveform
        assert 10 * np.log10(np.mean(signal**2) / np.mean(noise**2)) == pytest.approx(ratio, abs=0.5)
        assert other.truth.snr_db == ratio


def test_a_driving_source_is_loudest_in_the_middle() -> None:
    world = World(WorldConfig(**CLEAN, distractors=0))
    keys = [key for key in world.clips("evaluation") if world.identity(key).motion == "drive"]
    assert keys
    places, levels = [], []
    for key in keys[::40]:
        times = np.linspace(0.05, 2.5, 50)
        clip = world.render(key, times)
        inside = clip.truth.sounding(times - 0.03) & clip.truth.sounding(times + 0.03)
        for time, (x, _) in zip(times[inside], clip.truth.objects[0].centre[inside], strict=True):
            piece = clip.waveform[round((time - 0.02) * SAMPLE_RATE) : round((time + 0.02) * SAMPLE_RATE)]
            places.append(abs(x - 0.5))
            levels.append(np.log(np.mean(np.square(piece)) / clip.truth.objects[0].factors.amplitude ** 2 + 1e-9))
    assert np.corrcoef(places, levels)[0, 1] < -0.4


def test_every_family_is_well_formed() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) == 26
    for family in FAMILIES:
        assert family.partials or family.noise, f"{family.name} is silent"
        assert len(set(family.motions)) == len(family.motions) > 0

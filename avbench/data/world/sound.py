"""From a scene to its waveform: each source alone, their sum, and background noise. Silent objects are not read."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from avbench.data.world.classes import REGISTERS
from avbench.data.world.families import Family
from avbench.data.world.motion import doppler_and_gain
from avbench.data.world.scene import Actor, Floats, Scene

Wave = NDArray[np.float32]

SAMPLE_RATE = 16000  # Hz, at which all sound is made
_HIGHEST = 7600.0  # Hz; partials above are left out
_PEAK, _LEVEL = 0.6, 0.13  # of a struck sound, root mean square of a steady one, both at full amplitude
_CONTROL_RATE = 200  # Hz, at which swings and the Doppler shift are computed
_LONGEST = 1.5  # seconds of one struck sound


def mix(scene: Scene, sample_rate: int = SAMPLE_RATE) -> Wave:
    """The waveform (n,) of a clip, -1..1, `n = round(seconds * sample_rate)`."""
    samples = round(scene.seconds * SAMPLE_RATE)
    wave, active = np.zeros(samples, np.float32), np.zeros(samples, np.bool_)
    for actor in scene.actors:
        if actor.sounds:
            gate = actor.gate(_clock(samples, SAMPLE_RATE)).astype(np.float32)
            wave += source(actor, scene) * gate
            active |= gate > 0
    if scene.snr_db is not None:
        level = np.sqrt(np.mean(np.square(wave[active]))) * 10 ** (-scene.snr_db / 20)
        wave += level * _background(scene, samples)
    np.clip(wave, -1, 1, out=wave)
    if sample_rate == SAMPLE_RATE:
        return wave
    divisor = np.gcd(sample_rate, SAMPLE_RATE)
    resampled: Wave = signal.resample_poly(wave, sample_rate // divisor, SAMPLE_RATE // divisor).astype(np.float32)
    return np.clip(resampled[: round(scene.seconds * sample_rate)], -1, 1)


def pitch_of(actor: Actor) -> float:
    """The fundamental, or the middle of the noise band, in Hz, before glides, swings and the Doppler shift."""
    return actor.identity.family.pitch * REGISTERS[actor.identity.register] * actor.factors.pitch


def source(actor: Actor, scene: Scene) -> Wave:
    """One actor's sound (n,) at 16 kHz before its gate, as if it were never silent."""
    generator = np.random.default_rng([scene.seed, 5, actor.number])
    samples = round(scene.seconds * SAMPLE_RATE)
    if actor.identity.family.steady:
        return _steady(actor, samples, generator)
    return _struck(actor, samples, generator)


def _struck(actor: Actor, samples: int, generator: np.random.Generator) -> Wave:
    hit = _hit(actor, generator)
    wave = np.zeros(samples + len(hit), np.float32)
    for event, strength in zip(actor.events, actor.strengths, strict=True):
        start = round(event * SAMPLE_RATE)
        wave[start : start + len(hit)] += np.float32(strength) * hit
    return wave[:samples]


def _hit(actor: Actor, generator: np.random.Generator) -> Wave:
    """The sound of one event at full strength, its largest sample `_PEAK` times the actor's amplitude."""
    family, pitch = actor.identity.family, pitch_of(actor)
    longest = family.hold + 5 * max(
        family.decay if family.partials else 0.0, family.noise_decay if family.noise else 0.0
    )
    time = _clock(max(512, round(min(longest, _LONGEST) * SAMPLE_RATE)), SAMPLE_RATE).astype(np.float32)
    after = np.maximum(time - np.float32(family.hold), 0)
    glide = family.glide * family.glide_time * (1 - np.exp(-time / np.float32(family.glide_time)))
    phase = np.float32(2 * np.pi * pitch) * (time + glide.astype(np.float32))
    wave = np.zeros(len(time), np.float32)
    for ratio, level in _partials(actor, highest_glide=max(family.glide, 0.0)):
        wave += (
            np.float32(level)
            * np.sin(np.float32(ratio) * phase)
            * np.exp(-after * (ratio**family.damping / family.decay))
        )
    if family.noise:
        band = _band_noise(len(time), pitch * family.noise_centre, family.noise_width, actor.factors.tilt, generator)
        wave += np.float32(family.noise) * band * np.exp(-after / np.float32(family.noise_decay))
    if family.tremolo:
        wave *= 1 - family.tremolo * (0.5 + 0.5 * np.cos(np.float32(2 * np.pi * family.tremolo_rate) * time))
    wave *= np.minimum(1, time / np.float32(family.attack)) * np.minimum(1, (time[-1] - time) / np.float32(0.01))
    return wave * np.float32(_PEAK * actor.factors.amplitude / np.abs(wave).max())


def _steady(actor: Actor, samples: int, generator: np.random.Generator) -> Wave:
    family, pitch = actor.identity.family, pitch_of(actor)
    control = np.arange(0, samples / SAMPLE_RATE + 2 / _CONTROL_RATE, 1 / _CONTROL_RATE)
    swing = actor.swing(control)
    shift, nearness = doppler_and_gain(actor, control)
    cycles = np.cumsum(_smooth(pitch * 2 ** (family.vibrato * np.cos(swing)) * shift, samples)) / SAMPLE_RATE
    wave = np.zeros(samples, np.float32)
    for ratio, level in _partials(actor, highest_glide=family.vibrato):
        wave += np.float32(level) * _sine(cycles * ratio)
    if family.noise:
        centre = pitch * family.noise_centre
        if family.vibrato:  # a narrow band on a carrier, so that the noise follows the pitch
            width = centre * (2 ** (family.noise_width / 2) - 1)
            band = _shaped_noise(samples, np.exp(-np.square(_frequencies(samples) / np.float32(width))), generator)
            band *= np.float32(np.sqrt(2)) * _sine(cycles * family.noise_centre)
        else:
            band = _band_noise(samples, centre, family.noise_width, actor.factors.tilt, generator)
        wave += np.float32(family.noise) * band
    wave *= np.float32(_LEVEL * actor.factors.amplitude / np.sqrt(np.mean(np.square(wave))))
    return wave * _smooth((1 - family.tremolo * (0.5 - 0.5 * np.cos(swing))) * nearness, samples).astype(np.float32)


def _partials(actor: Actor, highest_glide: float) -> list[tuple[float, float]]:
    """(ratio, level) of each partial below the highest frequency, levels summing to one."""
    family, pitch = actor.identity.family, pitch_of(actor)
    pairs = [
        (ratio, level * ratio**-actor.factors.tilt * _resonance(family, ratio * pitch, actor.factors.pitch))
        for ratio, level in family.partials
        if ratio == family.partials[0][0] or ratio * pitch * 2**highest_glide < _HIGHEST
    ]
    total = sum(level for _, level in pairs)
    return [(ratio, level / total) for ratio, level in pairs]


def _resonance(family: Family, frequency: float, scale: float) -> float:
    if not family.formants:
        return 1.0
    peaks = ((frequency / (formant * scale) - 1) / 0.18 for formant in family.formants)
    return 0.12 + sum(float(np.exp(-0.5 * peak**2)) for peak in peaks)


def _sine(cycles: Floats) -> Wave:
    """Sine of an angle in turns, the whole turns taken off in double precision."""
    wave: Wave = np.sin(np.float32(2 * np.pi) * (cycles - np.floor(cycles)).astype(np.float32))
    return wave


def _smooth(control: Floats, samples: int) -> Floats:
    """A control curve, read linearly at every sample."""
    position = _clock(samples, SAMPLE_RATE / _CONTROL_RATE)
    return np.interp(position, np.arange(len(control)), control)


@lru_cache(maxsize=16)
def _clock(samples: int, rate: float) -> Floats:
    return np.arange(samples) / rate


@lru_cache(maxsize=16)
def _frequencies(samples: int) -> Wave:
    """Of the bins of a real Fourier transform, Hz; the first is given the value of the second."""
    result = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE).astype(np.float32)
    result[0] = result[1]
    return result


def _shaped_noise(samples: int, magnitude: Wave, generator: np.random.Generator) -> Wave:
    """Gaussian noise (samples,) with the given spectrum and root mean square 1."""
    spectrum = generator.standard_normal((2, len(magnitude)), dtype=np.float32) * magnitude
    wave: Wave = fft.irfft(spectrum[0] + 1j * spectrum[1], samples)
    wave /= np.sqrt(np.mean(np.square(wave)))
    return wave


def _band_noise(samples: int, centre: float, width: float, tilt: float, generator: np.random.Generator) -> Wave:
    octaves = np.log2(_frequencies(samples)) - np.float32(np.log2(min(centre, _HIGHEST)))
    return _shaped_noise(
        samples, np.exp2(-2 * np.square(octaves / np.float32(width)) - np.float32(tilt) * octaves), generator
    )


def _background(scene: Scene, samples: int) -> Wave:
    generator = np.random.default_rng([scene.seed, 6])
    return _shaped_noise(samples, _frequencies(samples) ** np.float32(-scene.noise_tilt), generator)

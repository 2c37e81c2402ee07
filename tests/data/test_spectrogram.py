"""The filterbank is Kaldi's: against its definition in plain numpy, and against recorded values."""

import numpy as np
import pytest

from avbench.data.preprocessing import Preprocessing
from avbench.data.spectrogram import log_mel

PAPER = Preprocessing()


def waveform(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * 16000)) / 16000
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time)
    waves = sum(np.sin(2 * np.pi * f * time + f) / (k + 2) for k, f in enumerate((110.0, 523.25, 1760.0, 5274.0)))
    return (0.1 * envelope * waves + 0.02).astype(np.float32)


def kaldi_filterbank(wave: np.ndarray, rate: int, bins: int) -> np.ndarray:
    """Log-mel energies (T, bins) from the definition: 25 ms frames each 10 ms, mean off, pre-emphasis, Hann window,
    power spectrum of 512 points, triangles on the mel scale between 20 Hz and half the rate."""
    length, shift = rate * 25 // 1000, rate * 10 // 1000
    points = 1 << (length - 1).bit_length()
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)  # noqa: E731
    edges = np.linspace(mel(20.0), mel(rate / 2), bins + 2)
    of_bin = mel(np.arange(points // 2) * rate / points)
    rising = (of_bin[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - of_bin[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    wave = wave.astype(np.float64) - wave.mean(dtype=np.float64)
    rows = []
    for start in range(0, len(wave) - length + 1, shift):
        frame = wave[start : start + length]
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, points))[: points // 2] ** 2
        rows.append(np.log(np.maximum(triangles @ power, np.finfo(np.float32).eps)))
    return np.array(rows)


@pytest.mark.parametrize("bins", [64, 128])
def test_against_the_definition(bins):
    preprocessing = PAPER.model_copy(update={"mel_bins": bins, "audio_frames": 198})
    noisy = waveform(2.0) + np.random.default_rng(0).normal(0, 0.01, 32000).astype(np.float32)
    expected = (kaldi_filterbank(noisy, 16000, bins) + 5.081) / 4.4849
    assert expected.shape == (198, bins)
    assert np.abs(log_mel(noisy, preprocessing) - expected).max() < 1e-3


# (column, mel bin): value of the paper's settings, recorded with torchaudio 2.11
RECORDED = {
    (0, 0): -1.1270,
    (0, 5): -0.4032,
    (1, 10): -1.6817,
    (40, 28): 0.6429,
    (100, 60): -1.1233,
    (250, 46): -2.4218,
    (250, 90): -2.4218,
    (333, 109): 1.6555,
    (500, 13): -1.9590,
    (512, 110): -0.3220,
    (700, 71): -2.4218,
    (900, 31): -0.8483,
    (997, 64): 0.5764,
}


def test_recorded_values():
    found = log_mel(waveform(10.0), PAPER)
    assert found.shape == (1024, 128)
    assert found.dtype == np.float32
    assert {position: found[position] for position in RECORDED} == pytest.approx(RECORDED, abs=1e-3)


def test_ten_seconds_fill_998_columns_and_padding_is_normalised():
    found = log_mel(waveform(10.0), PAPER)
    assert not np.allclose(found[997], 5.081 / 4.4849)
    assert np.all(found[998:] == np.float32(5.081) / np.float32(4.4849))
    assert found[998, 0] == pytest.approx(1.133, abs=1e-3)


def test_longer_audio_is_cut_and_shorter_padded():
    short = PAPER.model_copy(update={"audio_frames": 16})
    found = log_mel(waveform(1.0), short)
    assert np.array_equal(found, log_mel(waveform(1.0), PAPER)[:16])
    for samples in (0, 1, 399):  # less than one frame of 25 ms
        assert np.all(log_mel(waveform(1.0)[:samples], short) == np.float32(5.081) / np.float32(4.4849))
    assert np.all(log_mel(waveform(1.0)[:400], short)[1:] == np.float32(5.081) / np.float32(4.4849))


def test_a_constant_offset_changes_nothing():
    wave = waveform(1.0)
    assert np.abs(log_mel(wave + 0.125, PAPER) - log_mel(wave, PAPER)).max() < 2e-2

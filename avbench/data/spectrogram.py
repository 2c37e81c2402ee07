"""Waveform to normalised log-mel spectrogram, exactly as CAV-MAE and STELLA compute it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from avbench.data.preprocessing import Preprocessing


def log_mel(waveform: npt.NDArray[np.floating], preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Kaldi filterbank energies of a mono waveform, padded with zeros or cut in time, then normalised.

    Padding comes before the normalisation, so padded columns hold -mean / std, not 0 (CAV-MAE's data loader).

    Args:
        waveform: float (n,), in [-1, 1], at `preprocessing.sample_rate`.

    Returns:
        float32 (T, F), time before frequency.
    """
    columns = np.zeros((preprocessing.audio_frames, preprocessing.mel_bins), np.float32)
    energies = _filterbank(waveform, preprocessing)[: preprocessing.audio_frames]
    columns[: len(energies)] = energies
    return (columns - np.float32(preprocessing.audio_mean)) / np.float32(preprocessing.audio_std)


def _filterbank(waveform: npt.NDArray[np.floating], preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    if len(waveform) < int(preprocessing.sample_rate * preprocessing.frame_length_ms / 1000):
        return np.zeros((0, preprocessing.mel_bins), np.float32)
    # torchaudio refuses to import beside some torch releases; only building a spectrogram needs it.
    import torch
    from torchaudio.compliance import kaldi

    centred = waveform.astype(np.float32) - np.float32(waveform.mean(dtype=np.float64))
    energies: npt.NDArray[np.float32] = kaldi.fbank(
        torch.from_numpy(centred).unsqueeze(0),
        htk_compat=True,
        sample_frequency=preprocessing.sample_rate,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=preprocessing.mel_bins,
        dither=0.0,
        frame_shift=preprocessing.frame_shift_ms,
        frame_length=preprocessing.frame_length_ms,
    ).numpy()
    return energies

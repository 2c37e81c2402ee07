"""The sound of an example clip as a small MP3, which every browser plays."""

from __future__ import annotations

import io

from avbench.data.clip import Sound

RATE = 16_000  # Hz
BITS_PER_SECOND = 24_000
LONGEST = 10.0  # seconds


def encode(sound: Sound) -> bytes:
    """`sound`, at most its first ten seconds, as a mono MP3 of 3 kB a second; the same bytes for the same sound.

    Raises:
        ValueError: there is no sample, or one that is not finite.
    """
    import av
    import numpy as np

    wave = np.clip(sound.waveform[: round(LONGEST * sound.sample_rate)], -1, 1).astype(np.float32)
    if not len(wave) or not np.isfinite(wave).all():
        raise ValueError("a sound needs samples, and every one of them finite")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = BITS_PER_SECOND
        frame = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")
        frame.sample_rate = sound.sample_rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return buffer.getvalue()

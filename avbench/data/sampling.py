"""Whether clips can be stored as configured, and where frames may be taken from a stored one.

All of it is plain arithmetic, so that a configuration is checked without torch.
"""

from __future__ import annotations

from itertools import pairwise

from avbench.config import ClipShape
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.errors import UsageError

LARGEST_CLIP = 2**31  # bytes of frames of one stored clip
LONGEST_WAVEFORM = 2**28  # samples: 1 GiB
FEWEST_MEL_BINS = 4  # of the filterbank
LARGEST_HALF = 65504.0  # of the numbers that a stored spectrogram is made of
LOUDEST = 40.0  # no log-mel energy of a waveform in [-1, 1] is further from 0
LARGEST_NOISE = 1000.0
LARGEST_ROLL = 2**31


def check(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> None:
    """Whether clips can be stored like this and sampled like that.

    Raises:
        UsageError: the spectrograms differ in size, there are too few stored frames, or a number makes no sense.
    """
    check_storage(preprocessing)
    _check_draws(preprocessing, sampling)
    for name in ("audio_frames", "mel_bins"):
        stored, wanted = getattr(preprocessing, name), getattr(shape, name)
        if stored != wanted:
            raise UsageError(f"clip.{name} = {wanted}, but clips are stored with {name} = {stored}; make them equal")
    needed = window_offsets(preprocessing, sampling, shape)[-1] + 1 if sampling.frames == "window" else shape.frames
    if needed > preprocessing.stored_frames:
        raise UsageError(
            f"{shape.frames} frames need {needed} stored frames, but clips have {preprocessing.stored_frames}; "
            "lower clip.frames or window_step_seconds, or raise stored_frames"
        )


def check_storage(preprocessing: Preprocessing) -> None:
    """Whether clips can be stored like this.

    Raises:
        UsageError: a number makes no sense.
    """
    p = preprocessing
    size = 3 * p.stored_frames * p.stored_size**2
    if size > LARGEST_CLIP:
        raise _refused("stored_frames", "stored_size", f"one clip would take {size / 2**30:,.0f} GiB; lower one")
    if p.stored_size < 2:
        raise _refused("stored_size = 1", "no picture can be cut from one pixel; raise it")
    if p.clip_seconds * p.sample_rate > LONGEST_WAVEFORM:
        raise _refused("clip_seconds", "sample_rate", "the sound of one clip would take more than 1 GiB; lower one")
    for name, fewest in (("frame_shift_ms", 1), ("frame_length_ms", 2)):
        milliseconds, most = getattr(p, name), p.clip_seconds * p.sample_rate
        if not fewest <= milliseconds * p.sample_rate / 1000 <= most:
            text = f"at sample_rate = {p.sample_rate} it must be {fewest} to {most:g} samples long, no more than a clip"
            raise _refused(f"{name} = {milliseconds:g}", text)
    if p.mel_bins < FEWEST_MEL_BINS:
        raise _refused(f"mel_bins = {p.mel_bins}", f"a spectrogram has at least {FEWEST_MEL_BINS}; raise it")
    if abs(p.audio_mean) + LOUDEST > p.audio_std * LARGEST_HALF:
        raise _refused("audio_mean", "audio_std", "spectrograms scaled with them don't fit half precision; mend one")


def _check_draws(preprocessing: Preprocessing, sampling: Sampling) -> None:
    most = {"noise": LARGEST_NOISE, "roll": LARGEST_ROLL}
    if sampling.frames == "window":
        most["window_step_seconds"] = preprocessing.clip_seconds
    for name, limit in most.items():
        if getattr(sampling, name) > limit:
            raise UsageError(f"data.sampling.{name} = {getattr(sampling, name):g} is above {limit:g}; lower it")


def _refused(*names_and_reason: str) -> UsageError:
    *names, reason = names_and_reason
    return UsageError(f"{' and '.join(f'data.preprocessing.{name}' for name in names)}: {reason}")


def window_offsets(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> list[int]:
    """Numbers of a window's frames, counted from its first."""
    step = sampling.window_step_seconds * preprocessing.stored_frames / preprocessing.clip_seconds
    return [round(index * step) for index in range(shape.frames)]


def window_length(preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape) -> int:
    """Stored frames that a window takes up: its frames times their spacing."""
    seconds = shape.frames * sampling.window_step_seconds
    return round(seconds * preprocessing.stored_frames / preprocessing.clip_seconds)


def segments(preprocessing: Preprocessing, shape: ClipShape) -> list[tuple[int, int]]:
    """Bounds `[low, high)`, in stored frames, of each of `shape.frames` equal stretches of the clip."""
    bounds = [index * preprocessing.stored_frames // shape.frames for index in range(shape.frames + 1)]
    return list(pairwise(bounds))

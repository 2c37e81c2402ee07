"""Storage and sampling that can't work are refused while a configuration is read, by plain arithmetic."""

import subprocess
import sys
from pathlib import Path

import pytest

from avbench.config import ClipShape
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.sampling import check
from avbench.errors import UsageError

SMALL = {"clip_seconds": 1.0, "stored_frames": 8, "stored_size": 24, "audio_frames": 48, "mel_bins": 16}
SHAPE = {"frames": 4, "image_size": 16, "audio_frames": 48, "mel_bins": 16}
DRAWS = {"window_step_seconds": 0.1}


def checked(stored=None, draws=None, shape=None) -> None:
    sections = (Preprocessing, SMALL, stored), (Sampling, DRAWS, draws), (ClipShape, SHAPE, shape)
    check(*(section(**{**usual, **(changes or {})}) for section, usual, changes in sections))


def test_the_published_and_the_small_sizes_pass():
    checked()
    check(Preprocessing(), Sampling(), ClipShape())


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ({"stored_frames": 1000, "stored_size": 10**5}, "27,940 GiB"),
        ({"stored_size": 1}, "stored_size = 1"),
        ({"sample_rate": 10**9}, "sample_rate"),
        ({"clip_seconds": 1e300}, "clip_seconds"),
        ({"frame_length_ms": 1e308}, "frame_length_ms"),
        ({"frame_length_ms": 1e-300}, "frame_length_ms"),
        ({"frame_shift_ms": 1e308}, "frame_shift_ms"),
        ({"frame_shift_ms": 1e-300}, "frame_shift_ms"),
        ({"audio_std": 1e-300}, "audio_std"),
        ({"audio_mean": -1e300}, "audio_mean"),
    ],
)
def test_clips_that_could_not_be_stored_are_refused_by_name(stored, named):
    with pytest.raises(UsageError, match=named):
        checked(stored)


def test_too_few_mel_bins_for_a_filterbank():
    with pytest.raises(UsageError, match="mel_bins = 2"):
        checked({"mel_bins": 2}, shape={"mel_bins": 2, "patch": 1})


@pytest.mark.parametrize("draws", [{"roll": 2**62}, {"noise": 1e300}, {"window_step_seconds": 1e308}])
def test_draws_that_overflow_are_refused_by_name(draws):
    with pytest.raises(UsageError, match=rf"data\.sampling\.{next(iter(draws))} = "):
        checked(draws=draws, shape={"frames": 1})


def test_a_window_that_is_never_used_is_not_judged():
    checked(draws={"frames": "segments", "window_step_seconds": 100.0})


def test_checking_loads_no_torch():
    script = "import sys; from avbench.data.sampling import check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0

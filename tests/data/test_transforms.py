"""Sampling of frames, crops and augmentation: their sets of outcomes, their distributions, their invariants."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from avbench.config import ClipShape
from avbench.data import transforms
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.errors import UsageError

PAPER = Preprocessing(), Sampling(), ClipShape()
QUICK = (
    Preprocessing(
        clip_seconds=2.56, stored_frames=8, stored_size=64, audio_frames=256, mel_bins=64, image_format="raw"
    ),
    Sampling(frames="segments", crop="none", roll=256),
    ClipShape(image_size=64, audio_frames=256, mel_bins=64),
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def near_uniform(counts: Counter, outcomes: int) -> bool:
    expected = counts.total() / outcomes
    return len(counts) == outcomes and all(abs(n - expected) < 5 * expected**0.5 for n in counts.values())


def test_paper_windows():
    assert transforms.evaluation_frames(*PAPER) == [24, 32, 40, 48]
    draw = generator(0)
    starts = Counter()
    for _ in range(9600):
        frames = transforms.training_frames(*PAPER, draw)
        assert np.diff(frames).tolist() == [8, 8, 8]
        starts[frames[0] / 8] += 1
    assert set(starts) == {i / 8 for i in range(48)}  # 0 to 5.875 s
    assert near_uniform(starts, 48)


@pytest.mark.parametrize(
    ("stored", "seconds", "frames", "step"), [(40, 10, 4, 1), (8, 2.56, 4, 0.64), (30, 10, 3, 1.4)]
)
def test_every_window_fits(stored, seconds, frames, step):
    preprocessing = Preprocessing(stored_frames=stored, clip_seconds=seconds)
    sampling, shape = Sampling(window_step_seconds=step), ClipShape(frames=frames)
    transforms.check(preprocessing, sampling, shape)
    draw = generator(1)
    drawn = [transforms.training_frames(preprocessing, sampling, shape, draw) for _ in range(300)]
    for numbers in [*drawn, transforms.evaluation_frames(preprocessing, sampling, shape)]:
        assert len(set(numbers)) == frames
        assert min(numbers) >= 0
        assert max(numbers) < stored
    starts = {numbers[0] for numbers in drawn}
    assert transforms.evaluation_frames(preprocessing, sampling, shape)[0] in starts


def test_segments_give_one_frame_each():
    draw = generator(2)
    seen = Counter(tuple(transforms.training_frames(*QUICK, draw)) for _ in range(8000))
    assert near_uniform(seen, 2**4)
    assert all(number // 2 == segment for numbers in seen for segment, number in enumerate(numbers))
    assert [n // 2 for n in transforms.evaluation_frames(*QUICK)] == [0, 1, 2, 3]
    uneven = QUICK[0].model_copy(update={"stored_frames": 7}), *QUICK[1:]
    assert transforms.evaluation_frames(*uneven) == [0, 2, 4, 6]


def coordinates(height: int, width: int, frames: int = 2) -> torch.Tensor:
    """uint8 (frames, 3, H, W) whose first channel is the column and second the row."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)]).to(torch.uint8).expand(frames, 3, height, width)


def boxes(height: int, width: int, size: int, draws: int) -> Counter:
    draw, seen = generator(3), Counter()
    frames = coordinates(height, width)
    for _ in range(draws):
        crop = transforms.multiscale_crop(frames, size, draw)
        assert torch.equal(crop[0], crop[1])
        x, y = crop[0, :2, 0, 0].tolist()
        assert crop[0, :2, -1, -1].tolist() == [x + crop.shape[3] - 1, y + crop.shape[2] - 1]
        seen[x, y, crop.shape[3], crop.shape[2]] += 1
    return seen


def test_multiscale_crops_are_those_of_the_paper():
    seen = boxes(256, 256, 224, 9000)
    sizes = Counter()
    for (_, _, width, height), count in seen.items():
        sizes[width, height] += count
    assert near_uniform(sizes, 7)
    assert set(sizes) == {(256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192)}
    places = {(x, y) for x, y, width, height in seen if (width, height) == (192, 192)}
    ends, middle, quarters = (0, 64), 32, (16, 48)
    expected = {(x, y) for x in ends for y in ends} | {(x, y) for x in quarters for y in quarters}
    assert places == expected | {(middle, middle), (0, middle), (64, middle), (middle, 0), (middle, 64)}


def test_crops_stay_inside_any_frame_and_snap_to_the_wanted_size():
    for x, y, width, height in boxes(101, 90, 77, 500):
        assert x + width <= 90
        assert y + height <= 101
        assert {width, height} <= {90, 77, 67}  # 78 = int(90 * .875) is within 2 of 77
    assert {(width, height) for _, _, width, height in boxes(30, 30, 32, 50)} <= {
        (w, h) for w in (30, 26, 22) for h in (30, 26, 22)
    }


@pytest.mark.parametrize(("height", "width", "size"), [(256, 256, 224), (224, 192, 224), (64, 64, 32), (50, 90, 64)])
def test_resize_is_pillows(height, width, size):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    found = transforms.resize(torch.from_numpy(picture).permute(2, 0, 1)[None], size)
    assert found.is_contiguous()
    assert np.abs(found[0].permute(1, 2, 0).numpy() - expected).max() <= 2


def test_noise_is_uniform_with_a_uniform_amplitude():
    silent = torch.zeros(64, 128, dtype=torch.float16)
    only_noise = Sampling(roll=0, noise=0.1)
    draw = generator(4)
    levels = []
    for _ in range(400):
        noisy = transforms.augment(silent, only_noise, draw)
        assert noisy.dtype == torch.float16
        assert noisy.min() >= 0
        amplitude = noisy.max().item()
        assert amplitude <= 0.1001
        assert abs(noisy.float().mean().item() - amplitude / 2) < 0.05 * amplitude + 1e-4
        levels.append(amplitude)
    assert abs(np.mean(levels) - 0.05) < 0.006
    assert not silent.any()


def test_roll_is_circular_in_time_only():
    columns = torch.arange(64, dtype=torch.float16)[:, None] + torch.tensor([0, 0.5])
    draw = generator(5)
    shifts = Counter()
    for _ in range(6400):
        rolled = transforms.augment(columns, Sampling(noise=0, roll=64), draw)
        shift = int(rolled[0, 0])
        assert torch.equal(rolled, torch.cat([columns[shift:], columns[:shift]]))
        shifts[shift] += 1
    assert near_uniform(shifts, 64)  # from -64 to 63: each circular shift twice
    small = Sampling(noise=0, roll=2)
    drawn = Counter(int(transforms.augment(columns, small, draw)[0, 0]) for _ in range(800))
    assert set(drawn) == {2, 1, 0, 63}  # by -2, -1, 0 and 1 columns


def test_without_noise_and_roll_the_spectrogram_is_untouched():
    log_mel = torch.randn(32, 16, generator=generator(6)).half()
    assert torch.equal(transforms.augment(log_mel, Sampling(noise=0, roll=0), generator(0)), log_mel)


class Reader:
    """Frames whose every pixel is their number, and a counting spectrogram; records what was asked for."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        numbers = torch.arange(preprocessing.stored_frames, dtype=torch.uint8).view(-1, 1, 1, 1)
        side = preprocessing.stored_size
        self.frames = numbers.expand(-1, 3, side, side)
        self.log_mel = torch.randn(preprocessing.audio_frames, preprocessing.mel_bins, generator=generator(7)).half()
        self.asked: list[list[int]] = []

    def __call__(self, numbers):
        self.asked.append(list(numbers))
        return self.frames[list(numbers)], self.log_mel


@pytest.mark.parametrize("setting", [PAPER, QUICK], ids=["paper", "quick"])
def test_views_have_wire_format_and_read_only_their_frames(setting):
    preprocessing, _, shape = setting
    reader = Reader(preprocessing)
    trained = transforms.training_view(reader, *setting, generator(8))
    evaluated = transforms.evaluation_view(reader, *setting)
    assert len(reader.asked) == 2
    for wire, numbers in zip((trained, evaluated), reader.asked, strict=True):
        assert wire["video"].shape == (shape.frames, 3, shape.image_size, shape.image_size)
        assert wire["audio"].shape == (1, shape.audio_frames, shape.mel_bins)
        assert (wire["video"].dtype, wire["audio"].dtype) == (torch.uint8, torch.float16)
        assert wire["video"].amax((1, 2, 3)).tolist() == wire["video"].amin((1, 2, 3)).tolist() == numbers
    assert torch.equal(evaluated["audio"][0], reader.log_mel)


def test_a_training_view_follows_from_its_generator_alone():
    reader = Reader(PAPER[0])
    first, again, other = (transforms.training_view(reader, *PAPER, generator(seed)) for seed in (9, 9, 10))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["audio"], other["audio"])


def test_sizes_that_cannot_work_are_refused():
    preprocessing, sampling, shape = PAPER
    with pytest.raises(UsageError, match="audio_frames = 512"):
        transforms.check(preprocessing, sampling, shape.model_copy(update={"audio_frames": 512}))
    with pytest.raises(UsageError, match="mel_bins"):
        transforms.check(preprocessing, sampling, shape.model_copy(update={"mel_bins": 64}))
    with pytest.raises(UsageError, match="81 stored frames"):
        transforms.check(preprocessing, sampling, shape.model_copy(update={"frames": 11}))
    with pytest.raises(UsageError, match="9 stored frames"):
        transforms.check(QUICK[0], QUICK[1], QUICK[2].model_copy(update={"frames": 9}))
    transforms.check(*PAPER)
    transforms.check(*QUICK)

"""The published sizes: parameters, tokens, and the lengths every part works on. All on the meta device, so cheap.

The meta device has no values: whatever runs on it can't read one back, nor branch on one, so these tests also show
that a pass never waits for the device.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig
from avbench.errors import UsageError
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Keep, Noise, visible_counts
from avbench.model.matching import AudioVideoMatching
from avbench.model.parameters import decay_groups
from avbench.model.relation import correlation, importance, weighted_query
from avbench.model.selection import kept_count, select_chunks, select_tokens, top_tokens

PAPER = ClipShape()


@pytest.fixture(scope="module")
def paper_net() -> AudioVideoMAE:
    with torch.device("meta"):
        return AudioVideoMAE(PAPER, ModelConfig())


@pytest.fixture(scope="module")
def paper_matching() -> AudioVideoMatching:
    with torch.device("meta"):
        return AudioVideoMatching(768, 12)


@pytest.fixture
def meta_batch() -> Batch:
    return Batch(torch.empty(2, 1, 1024, 128, device="meta"), torch.empty(2, 4, 3, 224, 224, device="meta"), ("a", "b"))


@pytest.fixture
def meta_noise() -> Noise:
    return Noise(torch.empty(2, 512, device="meta"), torch.empty(2, 784, device="meta"))


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_parameter_counts_are_the_published_ones(
    paper_net: AudioVideoMAE, paper_matching: AudioVideoMatching
) -> None:
    assert size(paper_net) == 185_534_976
    assert size(paper_net) - size(paper_net.decoder) == 158_730_240
    assert size(paper_matching) == 5_904_385


def test_tokens_and_visible_counts_are_the_published_ones() -> None:
    assert (PAPER.audio_tokens, PAPER.video_tokens) == (512, 784)
    assert visible_counts(PAPER, 0.8) == (102, 156)


@pytest.mark.parametrize(("ratio", "audio", "video"), [(0.375, 192, 294), (0.5, 256, 392), (0.625, 320, 490)])
def test_selection_sizes_are_the_published_ones(ratio: float, audio: int, video: int) -> None:
    assert (kept_count(PAPER.audio_tokens, ratio), kept_count(PAPER.video_tokens, ratio)) == (audio, video)


def test_visible_counts_truncate_the_product_as_floats() -> None:
    # 1 - 0.9 is a little under 0.1, and 40 times that a little under 4.
    shape = ClipShape(frames=2, image_size=64, audio_frames=160, mel_bins=64)
    assert shape.audio_tokens == 40
    assert visible_counts(shape, 0.9) == (3, 3)


def test_a_mask_ratio_that_hides_everything_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mask_ratio = 0\.9 leaves 0 of 4 audio"):
        visible_counts(ClipShape(frames=4, image_size=64, audio_frames=32, mel_bins=32), 0.9)


@pytest.mark.parametrize(
    ("kept", "lengths", "targets"), [(False, (512, 784), (410, 628)), (True, (256, 392), (154, 236))]
)
def test_the_lengths_each_part_works_on(
    paper_net: AudioVideoMAE,
    meta_batch: Batch,
    meta_noise: Noise,
    kept: bool,
    lengths: tuple[int, int],
    targets: tuple[int, int],
) -> None:
    seen: dict[str, object] = {}
    handles = [
        paper_net.audio_encoder.blocks[0].register_forward_pre_hook(lambda _, args: seen.update(a=args[0].shape[1])),
        paper_net.video_encoder.blocks[0].register_forward_pre_hook(lambda _, args: seen.update(v=args[0].shape[1])),
        paper_net.fusion.blocks[0].register_forward_pre_hook(lambda _, args: seen.update(fusion=dict(args[1]))),
        paper_net.decoder.blocks[0].register_forward_pre_hook(lambda _, args: seen.update(decoder=tuple(args[1]))),
        paper_net.decoder.register_forward_hook(
            lambda _, args, out: seen.update(targets=(out[0].shape[1], out[1].shape[1]))
        ),
    ]
    ids = [torch.empty(2, count, dtype=torch.long, device="meta") for count in (256, 392)]
    paper_net(meta_batch, meta_noise, Keep(*ids) if kept else None)
    for handle in handles:
        handle.remove()
    assert seen == {
        "a": 102,
        "v": 156,
        "fusion": {"audio": 102, "video": 156, "joint": 258},
        "decoder": lengths,
        "targets": targets,
    }


def test_scoring_and_selection_never_read_a_value_back(
    paper_net: AudioVideoMAE, paper_matching: AudioVideoMatching, meta_batch: Batch
) -> None:
    fused = paper_net.fuse(*paper_net.encode_tokens(meta_batch))
    assert [tuple(tokens.shape) for tokens in fused] == [(2, 512, 768), (2, 784, 768)]
    assert paper_matching(*fused).shape == (2,)
    parts = paper_matching.queries_keys(*fused)
    audio, video = importance(parts.query_audio, parts.key_video, parts.query_video, parts.key_audio, 0.4)
    assert (audio.shape, video.shape) == ((2, 512), (2, 784))
    top = top_tokens(video, 392)
    query = weighted_query(parts.query_video, video, top)
    assert query.shape == (2, 12, 64)
    assert correlation(parts.key_video, query, query, top, 784).shape == (2, 784)
    assert select_tokens(video, video > 0, 392, video).shape == (2, 392)
    coin, noise = torch.empty(2, dtype=torch.bool, device="meta"), torch.empty(2, 16, device="meta")
    assert select_chunks(audio, audio > 0, 256, 4, (64, 8), "time", noise, coin).shape == (2, 256)


def test_only_matrices_decay(paper_net: AudioVideoMAE) -> None:
    names = {id(parameter): name for name, parameter in paper_net.named_parameters()}
    decay, no_decay = ([names[id(parameter)] for parameter in group] for group in decay_groups(paper_net))
    assert sorted(decay + no_decay) == sorted(names.values())
    assert all(name.endswith(".weight") and "norm" not in name for name in decay)
    exempt = (".bias", ".modality", ".position", ".inter_position", ".mask_token")
    assert all(name.endswith(exempt) or "norm" in name for name in no_decay)


def test_a_shared_parameter_is_listed_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    decay, no_decay = decay_groups(nn.ModuleList([first, second, nn.LayerNorm(3)]))
    assert [id(parameter) for parameter in decay] == [id(first.weight)]
    assert len(no_decay) == 4

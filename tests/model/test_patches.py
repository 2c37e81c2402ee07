"""Where each pixel goes, and what the position tables say."""

from __future__ import annotations

import pytest
import torch

from avbench.config import ClipShape, ModelConfig
from avbench.model.mae import AudioVideoMAE
from avbench.model.patches import gather_tokens, patchify_audio, patchify_video, sincos_positions


def test_audio_tokens_are_time_major() -> None:
    audio = torch.randn(2, 1, 12, 6)
    patches = patchify_audio(audio, 3)
    assert patches.shape == (2, 8, 9)
    for t in range(4):
        for f in range(2):
            for i in range(3):
                for j in range(3):
                    expected = audio[:, 0, 3 * t + i, 3 * f + j]
                    assert torch.equal(patches[:, t * 2 + f, i * 3 + j], expected)


def test_video_tokens_are_frame_major_and_patches_row_column_channel() -> None:
    video = torch.randn(2, 3, 3, 4, 6)
    patches = patchify_video(video, 2)
    assert patches.shape == (2, 18, 12)
    for frame in range(3):
        for row in range(2):
            for column in range(3):
                token = patches[:, frame * 6 + row * 3 + column]
                for p in range(2):
                    for q in range(2):
                        for c in range(3):
                            expected = video[:, frame, c, 2 * row + p, 2 * column + q]
                            assert torch.equal(token[:, (p * 2 + q) * 3 + c], expected)


def test_gather_picks_rows_per_clip() -> None:
    tokens, ids = torch.randn(3, 5, 2), torch.tensor([[4, 0], [1, 1], [2, 3]])
    gathered = gather_tokens(tokens, ids)
    for clip in range(3):
        for place in range(2):
            assert torch.equal(gathered[clip, place], tokens[clip, ids[clip, place]])


def test_position_rows_follow_the_token_order() -> None:
    time, frequency, width = 5, 3, 16
    table = sincos_positions((time, frequency), width).view(time, frequency, width)
    of_time, of_frequency = table[..., :8], table[..., 8:]
    assert torch.equal(of_time, of_time[:, :1].expand_as(of_time))
    assert torch.equal(of_frequency, of_frequency[:1].expand_as(of_frequency))
    for t in range(time):
        for k in range(4):
            angle = torch.tensor(t / 10_000 ** (k / 4))
            torch.testing.assert_close(table[t, 0, k], angle.sin())
            torch.testing.assert_close(table[t, 0, 4 + k], angle.cos())


@pytest.mark.parametrize("width", [12, 13, 16, 64])
def test_every_position_has_its_own_row(width: int) -> None:
    table = sincos_positions((2, 3, 3), width)
    assert table.shape == (18, width)
    assert len({tuple(row.tolist()) for row in table}) == 18


def test_a_table_too_narrow_to_tell_positions_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="3 axes"):
        sincos_positions((2, 2, 2), 5)


def test_a_new_model_holds_these_tables_and_is_a_function_of_its_generator(
    shape: ClipShape, config: ModelConfig
) -> None:
    first, again, other = (
        AudioVideoMAE(shape, config, torch.Generator().manual_seed(s)).state_dict() for s in (5, 5, 6)
    )
    assert torch.equal(first["audio_encoder.position"], sincos_positions(shape.audio_grid, config.width))
    assert torch.equal(first["decoder.video.position"], sincos_positions(shape.video_grid, config.decoder_width))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["decoder.audio.mask_token"], other["decoder.audio.mask_token"])
    assert not torch.equal(first["fusion.blocks.0.mlp.fc1.weight"], other["fusion.blocks.0.mlp.fc1.weight"])


def test_building_a_model_gives_the_same_weights_whatever_the_global_generator(
    shape: ClipShape, config: ModelConfig
) -> None:
    weights = []
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            weights.append(AudioVideoMAE(shape, config).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

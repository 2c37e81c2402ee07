"""Attention maps against plain loops, what may reach them, which clips are drawn, and their files."""

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench.batch import Batch
from avbench.benchmarks.streams import ClipTruth, unknown_truth
from avbench.config import ClipShape, ModelConfig
from avbench.errors import RunDirectoryError
from avbench.evaluation.attention import attention_maps, exchanged_maps, in_batches
from avbench.evaluation.attention_examples import choose_examples, maps_of_examples
from avbench.evaluation.attention_files import CLIPS, ExampleClips, load_clips, load_maps, save_attention
from avbench.evaluation.maps import Kind, Maps
from avbench.model.mae import AudioVideoMAE
from avbench.model.matching import AudioVideoMatching

# M = 3 x 2 audio and N = 2 x 2 x 2 video tokens.
SHAPE = ClipShape(frames=2, image_size=8, audio_frames=12, mel_bins=8, patch=4)
CPU = torch.device("cpu")
MODEL = ModelConfig(
    width=12,
    heads=2,
    unimodal_depth=1,
    fusion_depth=2,
    decoder_width=8,
    decoder_depth=1,
    decoder_heads=2,
    mask_ratio=0.5,
)


@pytest.fixture(scope="module")
def net() -> AudioVideoMAE:
    return shaken(AudioVideoMAE(SHAPE, MODEL))


@pytest.fixture(scope="module")
def matching() -> AudioVideoMatching:
    return shaken(AudioVideoMatching(12, 2))


def shaken(module: Any) -> Any:
    """Every parameter random, norms and biases included."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module


def clips(count: int = 4, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    audio = torch.randn(count, 1, 12, 8, generator=generator)
    return Batch(audio, torch.randn(count, 2, 3, 8, 8, generator=generator), tuple(map(str, range(count))))


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_cosine_maps_by_hand(net: AudioVideoMAE) -> None:
    batch = clips(2)
    maps = attention_maps(net, batch)["cosine"]
    with torch.no_grad():
        z_audio, z_video = net.embed(batch)  # the means of the tokens that the maps compare with
        codes = [
            encoder.locate(code)
            for encoder, code in zip((net.audio_encoder, net.video_encoder), net.encode_tokens(batch), strict=True)
        ]
        alone = [
            net.fusion.finish(p, net.fusion({p: code})[p]) for p, code in zip(("audio", "video"), codes, strict=True)
        ]
    for clip in range(2):
        for time in range(3):
            for band in range(2):
                expected = cosine(alone[0][clip, time * 2 + band].tolist(), z_video[clip].tolist())
                assert maps.audio[clip, time, band].item() == pytest.approx(expected, abs=1e-5)
        for frame in range(2):
            for row in range(2):
                for column in range(2):
                    expected = cosine(alone[1][clip, frame * 4 + row * 2 + column].tolist(), z_audio[clip].tolist())
                    assert maps.video[clip, frame, row, column].item() == pytest.approx(expected, abs=1e-5)


def test_matching_maps_are_the_attention_received(net: AudioVideoMAE, matching: AudioVideoMatching) -> None:
    batch = clips(2)
    maps = attention_maps(net, batch, matching, temperature=0.3)
    assert list(maps) == ["matching", "cosine"]
    with torch.no_grad():
        qk = matching.queries_keys(*net.fuse(*net.encode_tokens(batch)))
    for query, key, found in (
        (qk.query_audio, qk.key_video, maps["matching"].video),
        (qk.query_video, qk.key_audio, maps["matching"].audio),
    ):
        received = torch.zeros(2, key.shape[2])
        for head in range(2):
            for token in range(query.shape[2]):
                logits = (key[:, head] @ query[:, head, token, :, None])[..., 0] / math.sqrt(6) / 0.3
                received += logits.exp() / logits.exp().sum(dim=1, keepdim=True) / (2 * query.shape[2])
        np.testing.assert_allclose(found.reshape(2, -1), received, rtol=1e-5)
        np.testing.assert_allclose(found.sum(axis=tuple(range(1, found.ndim))), 1, rtol=1e-5)


def test_looking_leaves_no_trace(net: AudioVideoMAE, matching: AudioVideoMatching) -> None:
    before = torch.get_rng_state(), {name: value.clone() for name, value in net.state_dict().items()}
    maps = attention_maps(net, clips(), matching)
    assert torch.equal(before[0], torch.get_rng_state())
    assert all(torch.equal(value, before[1][name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in (*net.parameters(), *matching.parameters()))
    again = attention_maps(net, clips(), matching)
    assert all(np.array_equal(maps[kind].video, again[kind].video) for kind in maps)


def test_batches_do_not_matter(net: AudioVideoMAE, matching: AudioVideoMatching) -> None:
    def look(batch: Batch) -> Mapping[Kind, Maps]:
        return attention_maps(net, batch, matching)

    whole, parts = look(clips(5)), in_batches(look, 2)(clips(5))
    for kind, maps in whole.items():
        np.testing.assert_allclose(parts[kind].audio, maps.audio, atol=1e-6)
        np.testing.assert_allclose(parts[kind].video, maps.video, atol=1e-6)


def test_nothing_of_the_own_half_reaches_an_exchanged_map(net: AudioVideoMAE, matching: AudioVideoMatching) -> None:
    def look(batch: Batch) -> Mapping[Kind, Maps]:
        return attention_maps(net, batch, matching)

    batch, partner = clips(4), torch.tensor([1, 2, 3, 0])
    own, exchanged = look(batch), exchanged_maps(look, batch, partner)
    itself = exchanged_maps(look, batch, torch.arange(4))
    other = clips(4, seed=1)
    # Clip 0 with another sound: clip 0's picture is asked by clip 1, clip 3's by clip 0.
    audio = torch.cat([other.audio[:1], batch.audio[1:]])
    heard = exchanged_maps(look, Batch(audio, batch.video, batch.clip_id), partner)
    for kind in own:
        same, close = np.testing.assert_allclose, {"atol": 1e-6}
        same(itself[kind].video, own[kind].video, **close)
        same(itself[kind].audio, own[kind].audio, **close)
        same(heard[kind].video[:3], exchanged[kind].video[:3], **close)
        same(heard[kind].audio[1:], exchanged[kind].audio[1:], **close)
        assert np.abs(heard[kind].video[3] - exchanged[kind].video[3]).max() > 1e-3
        assert np.abs(exchanged[kind].video - own[kind].video).max() > 1e-3


# --- example clips ----------------------------------------------------------------------------------------------------


def fetch(clip_id: str) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(len(clip_id) + ord(clip_id[-1]))
    video = torch.randint(256, (2, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return {"audio": torch.randn(1, 12, 8, generator=generator).half(), "video": video, "clip_id": clip_id}


def truth_of(clip_id: str) -> ClipTruth:
    return ClipTruth(np.eye(8, dtype=bool)[None].repeat(2, 0), np.ones(2, dtype=bool), active=np.arange(12) < 5)


def groups(tasks: int, size: int = 10) -> list[list[str]]:
    return [[f"{task}-{number}" for number in range(size)] for task in range(tasks)]


@pytest.mark.parametrize(("tasks", "count"), [(8, 6), (2, 6), (8, 2), (1, 3), (5, 1), (20, 6)])
def test_examples_are_spread_and_partners_are_of_the_past(tasks: int, count: int) -> None:
    chosen = choose_examples(groups(tasks), count, fetch, str, unknown_truth)
    assert chosen is not None and chosen.sources is None and chosen.active is None
    assert len(set(chosen.clip_ids)) == count == len(chosen.labels)
    assert [int(name.split("-")[0]) for name in chosen.clip_ids] == chosen.task_of.tolist() == sorted(chosen.task_of)
    assert set(chosen.task_of) == set(range(tasks)) or len(set(chosen.task_of)) == count
    assert chosen.task_of[0] == 0 and chosen.task_of[-1] == (tasks - 1 if count > 1 else 0)
    for row, partner in enumerate(chosen.partner):
        assert partner == -1 or chosen.task_of[partner] < chosen.task_of[row]
        assert (partner == -1) == (chosen.task_of[row] == 0)


def test_few_clips_and_none() -> None:
    few = choose_examples([["a"], ["b"]], 6, fetch, str, truth_of)
    assert few is not None and few.clip_ids == ("a", "b") and few.sources is not None
    assert few.sources.shape == (2, 2, 8, 8) and few.active is not None and few.active.shape == (2, 12)
    assert choose_examples(groups(3), 0, fetch, str, unknown_truth) is None


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["known", "unknown"])
def examples(request: pytest.FixtureRequest) -> ExampleClips:
    chosen = choose_examples(groups(3), 3, fetch, "<b>{}".format, truth_of if request.param else unknown_truth)
    assert chosen is not None
    return chosen


@pytest.fixture
def saved(tmp_path: Path, net: AudioVideoMAE, matching: AudioVideoMatching, examples: ExampleClips) -> Path:
    maps = maps_of_examples(lambda batch: attention_maps(net, batch, matching), examples, CPU)
    for number in (10, 0, 2):
        save_attention(tmp_path / "attention", number, examples, maps)
    return tmp_path / "attention"


def test_round_trip(saved: Path, net: AudioVideoMAE, matching: AudioVideoMatching, examples: ExampleClips) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["after-00.npz", "after-02.npz", "after-10.npz", CLIPS]
    loaded = load_clips(saved)
    assert loaded is not None and (loaded.clip_ids, loaded.labels) == (examples.clip_ids, examples.labels)
    for name in ("task_of", "partner", "audio", "video", "sources", "active"):
        one, other = getattr(loaded, name), getattr(examples, name)
        assert one is other is None or np.array_equal(one, other)
    moments = load_maps(saved, loaded)
    assert list(moments) == [0, 2, 10]
    expected = maps_of_examples(lambda batch: attention_maps(net, batch, matching), examples, CPU)
    for kind in expected.own:
        for modality in ("audio", "video"):
            assert np.array_equal(getattr(moments[2].own[kind], modality), getattr(expected.own[kind], modality))
            assert np.array_equal(getattr(moments[2].past[kind], modality), getattr(expected.past[kind], modality))
    own, past = expected.own["cosine"].video, expected.past["cosine"].video
    np.testing.assert_allclose(past[0], own[0], atol=1e-6)  # the first task has no past
    assert np.abs(past[1:] - own[1:]).max() > 1e-3


def test_a_run_without_maps(tmp_path: Path) -> None:
    assert load_clips(tmp_path / "nothing") is None


def test_only_methods_with_a_matching_module_have_its_maps(
    tmp_path: Path, net: AudioVideoMAE, examples: ExampleClips
) -> None:
    save_attention(tmp_path, 1, examples, maps_of_examples(lambda batch: attention_maps(net, batch), examples, CPU))
    assert list(load_maps(tmp_path, examples)[1].own) == ["cosine"]


class Executed:
    happened = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Executed, "happened", True)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (CLIPS, {"video": None}, "no array 'video'"),
        (CLIPS, {"task_of": np.arange(2)}, "task_of"),
        (CLIPS, {"partner": np.array([-1, 1, 1])}, "out of range"),
        (CLIPS, {"partner": np.array([-1, -2, 1])}, "out of range"),
        (CLIPS, {"audio": np.zeros((3, 1, 12, 8), np.int64)}, "audio"),
        (CLIPS, {"video": np.zeros((3, 2, 4, 8, 8), np.uint8)}, "RGB"),
        (CLIPS, {"sources": np.zeros((3, 2, 8, 7), bool)}, "sources"),
        (CLIPS, {"active": np.zeros((3, 12))}, "active"),
        (CLIPS, {"labels": np.array([Executed()] * 3, dtype=object)}, "pickle"),
        ("after-02.npz", {"cosine_video": None}, "no array 'cosine_video'"),
        ("after-02.npz", {"cosine_video_past": np.zeros((3, 2, 2))}, "cosine_video_past"),
        ("after-02.npz", {"matching_audio": np.zeros((2, 3, 2))}, "matching_audio"),
        ("after-02.npz", {"matching_audio": np.full((3, 3, 2), np.nan)}, "not finite"),
    ],
)
def test_damaged_files_are_told(
    saved: Path, examples: ExampleClips, name: str, changes: dict[str, Any], message: str
) -> None:
    with np.load(saved / name) as archive:
        arrays = {**{key: archive[key] for key in archive.files}, **changes}
    np.savez(saved / name, **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(RunDirectoryError, match=message):
        load_clips(saved) if name == CLIPS else load_maps(saved, examples)
    assert not Executed.happened


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", pickle.dumps([1])])
def test_files_that_are_no_archives(saved: Path, examples: ExampleClips, content: bytes) -> None:
    (saved / CLIPS).write_bytes(content)
    (saved / "after-02.npz").write_bytes(content)
    with pytest.raises(RunDirectoryError, match="can't read the attention maps"):
        load_clips(saved)
    with pytest.raises(RunDirectoryError, match="can't read the attention maps"):
        load_maps(saved, examples)


def test_a_failed_write_keeps_the_older_file(
    saved: Path, examples: ExampleClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (saved / "after-02.npz").read_bytes()
    maps = load_maps(saved, examples)[0]

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(RunDirectoryError, match="no space left"):
        save_attention(saved, 2, examples, maps)
    assert (saved / "after-02.npz").read_bytes() == before and len(list(saved.iterdir())) == 4

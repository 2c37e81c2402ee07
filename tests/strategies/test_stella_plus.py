"""STELLA+: a memory of selected patches in place of clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig, RunConfig
from avbench.errors import UsageError
from avbench.model.masking import Mask
from avbench.model.relation import correlation
from avbench.strategies.derpp import DERPlusPlus
from avbench.strategies.stella_plus import StellaPlus
from avbench.training.memory import Field
from avbench.training.session import Session, random_wire

Config = Callable[..., RunConfig]


def iterate(session: Session, steps: int) -> list[dict[str, Any]]:
    """Train on named clips of noise; returns them one by one, with the patches each of them was trained on."""
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    seen: list[dict[str, Any]] = []
    for number in range(steps):
        wire = random_wire(session.config, 6, generator)
        wire["clip_id"] = [f"clip-{number}-{row}" for row in range(6)]
        template.mbatch = wire
        template.run_iteration()
        keep = template.step.keep
        for row, name in enumerate(wire["clip_id"]):
            ids = {modality: sorted(getattr(keep, modality)[row].tolist()) for modality in ("audio", "video")}
            seen.append({"clip_id": name, "audio": wire["audio"][row], "video": wire["video"][row], "ids": ids})
    return seen


def session(tiny_config: Config, strategy: str = "stella-plus", **options: Any) -> Session:
    return Session(tiny_config(strategy, options={"memory": 40, **options}))


def patch_of(clip: Tensor, modality: str, token: int, shape: ClipShape) -> Tensor:
    """One patch of a clip as it was loaded, cut by hand."""
    side = shape.patch
    if modality == "audio":
        time, band = divmod(token, shape.mel_bins // side)
        return clip[0, time * side : (time + 1) * side, band * side : (band + 1) * side]
    frame, place = divmod(token, (shape.image_size // side) ** 2)
    row, column = divmod(place, shape.image_size // side)
    return clip[frame, :, row * side : (row + 1) * side, column * side : (column + 1) * side]


def test_the_memory_holds_the_selected_patches_and_no_scores(tiny_config: Config) -> None:
    run = session(tiny_config)
    seen, memory, shape = iterate(run, 2), run.strategy.memory, run.config.clip
    assert memory is not None
    names = {f"{kind}_{modality}" for kind in ("patches", "ids", "query", "z") for modality in ("audio", "video")}
    stored = memory.read(torch.arange(12))
    assert stored.keys() == names
    kinds = {"patches_audio": torch.float16, "patches_video": torch.uint8, "ids_audio": torch.int16}
    assert all(stored[name].dtype == dtype for name, dtype in kinds.items())
    for slot, clip in enumerate(seen):
        for modality, length in (("audio", shape.audio_tokens), ("video", shape.video_tokens)):
            ids = stored[f"ids_{modality}"][slot].tolist()
            assert sorted(ids) == list(range(length))
            assert ids[: length // 2] == clip["ids"][modality]
            for token, patch in zip(ids, stored[f"patches_{modality}"][slot], strict=False):
                pixels = patch_of(clip[modality], modality, token, shape)
                expected = pixels.permute(1, 2, 0) if modality == "video" else pixels
                assert torch.equal(patch, expected.flatten())


def test_replayed_patches_are_bit_for_bit_those_of_the_whole_clip(tiny_config: Config) -> None:
    run = session(tiny_config)
    seen = {clip["clip_id"]: clip for clip in iterate(run, 3)}
    step, shape = run.template.step, run.config.clip
    assert step.replay is not None and step.keep is not None
    for row, name in enumerate(step.replay.batch.clip_id):
        clip = seen[name]
        whole = Batch.from_wire(clip["audio"][None], clip["video"][None], (name,))
        for modality in ("audio", "video"):
            kept = sorted(getattr(step.keep, modality)[6 + row].tolist())
            assert kept == clip["ids"][modality]  # the selection of when the clip was stored
            ours, theirs = getattr(step.replay.batch, modality)[row], getattr(whole, modality)[0]
            for token in kept:
                assert torch.equal(patch_of(ours, modality, token, shape), patch_of(theirs, modality, token, shape))


def test_patches_that_were_not_stored_influence_nothing(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = session(tiny_config)
    iterate(clean, 4)
    rebuild, spoiled = StellaPlus.stored_batch, []

    def with_garbage(self: StellaPlus, fields: Mapping[str, Tensor], names: Sequence[str]) -> Batch:
        batch, shape = rebuild(self, fields, names), self.context.shape
        for modality in ("audio", "video"):
            for row, ids in enumerate(fields[f"ids_{modality}"].tolist()):
                for token in ids[len(ids) // 2 :]:
                    patch_of(getattr(batch, modality)[row], modality, token, shape).fill_(float("nan"))
                    spoiled.append(token)
        return batch

    monkeypatch.setattr(StellaPlus, "stored_batch", with_garbage)
    dirty = session(tiny_config)
    iterate(dirty, 4)
    assert len(spoiled) == 3 * 6 * (16 + 24)
    assert all(map(torch.equal, clean.net.state_dict().values(), dirty.net.state_dict().values()))


def test_selections_of_replayed_clips_are_frozen_and_their_masks_are_not(tiny_config: Config) -> None:
    run = session(tiny_config, memory="50kB")  # a few clips, so that each comes back often
    assert run.strategy.memory is not None
    assert 6 <= run.strategy.memory.capacity < 12
    seen = {clip["clip_id"]: clip["ids"] for clip in iterate(run, 2)}
    masks: dict[str, list[frozenset[int]]] = {}
    generator = torch.Generator().manual_seed(6)
    for _ in range(4):
        run.template.mbatch = random_wire(run.config, 6, generator)
        run.template.run_iteration()
        step = run.template.step
        assert step.replay is not None and step.keep is not None
        visible = Mask.split(step.noise.video, step.keep.video, run.net.visible_video).visible
        for row, name in enumerate(step.replay.batch.clip_id, start=6):
            if name not in seen:
                continue
            for modality, ids in seen[name].items():
                assert sorted(getattr(step.keep, modality)[row].tolist()) == ids
            masks.setdefault(name, []).append(frozenset(visible[row].tolist()))
    repeated = [found for found in masks.values() if len(found) > 1]
    assert repeated
    assert all(len(set(found)) == len(found) for found in repeated)


def test_correlation_is_that_of_the_streams_clips_with_stored_queries(tiny_config: Config) -> None:
    run = session(tiny_config)
    iterate(run, 2)
    keys: list[tuple[Tensor, Tensor]] = []
    matching = run.strategy.modules()["matching"]
    scored = matching.queries_keys
    matching.queries_keys = lambda *tokens: keys.append(scored(*tokens)) or keys[-1]  # type: ignore[operator]
    run.template.mbatch = random_wire(run.config, 6, torch.Generator().manual_seed(9))
    run.template.run_iteration()
    (parts,) = keys
    notes, replay = run.template.step.notes, run.template.step.replay
    assert replay is not None
    for own, other, key in (("audio", "video", parts.key_audio), ("video", "audio", parts.key_video)):
        scores, length = notes[f"importance_{own}"], key.shape[2]
        top = scores.argsort(dim=1, descending=True)[:, : length // 2]
        queries = notes[f"query_{other}"], replay.fields[f"query_{other}"]
        assert torch.equal(notes[f"correlation_{own}"], correlation(key, *queries, top, length))
        assert len(notes[f"correlation_{own}"]) == 6


def test_the_first_step_is_stellas_and_later_ones_are_not(tiny_config: Config) -> None:
    runs = [session(tiny_config, name) for name in ("stella", "stella-plus")]
    for steps, equal in ((1, True), (2, False)):
        for run in runs:
            iterate(run, steps)
        assert all(map(torch.equal, *(run.net.state_dict().values() for run in runs))) == equal


@pytest.mark.parametrize("clip_gradient", [None, 0.1])
def test_a_ratio_of_one_is_derpp_bit_for_bit(
    tiny_config: Config, train: Callable[..., Session], clip_gradient: float | None
) -> None:
    derpp, plus = (
        train(tiny_config(name, {"clip_gradient": clip_gradient}, options={"memory": 100, **extra}))
        for name, extra in (("derpp", {}), ("stella-plus", {"sampling_ratio": 1.0}))
    )
    assert all(map(torch.equal, derpp.net.state_dict().values(), plus.net.state_dict().values()))


# --- capacity ---------------------------------------------------------------------------------------------------------


def at_paper_size(memory: int | str, **clip: Any) -> StellaPlus:
    """A strategy that knows its sizes only; nothing is allocated."""
    strategy = StellaPlus(StellaPlus.Config.model_validate({"memory": memory}))
    shape = ClipShape(**clip)
    strategy.context = SimpleNamespace(shape=shape, model=ModelConfig())  # type: ignore[assignment]
    strategy.counts = {"audio": shape.audio_tokens // 2, "video": shape.video_tokens // 2}
    return strategy


def single_precision(fields: Mapping[str, Field]) -> int:
    """Bytes of a record whose pixels and spectrogram are float32, as published; ids stay what they are."""
    sizes = {torch.uint8: 4, torch.float16: 4, torch.float32: 4, torch.int16: 2}
    return sum(field.nbytes // field.dtype.itemsize * sizes[field.dtype] for field in fields.values())


@pytest.mark.parametrize(("memory", "published"), [(2000, 3968), (5000, 9920)])
def test_in_single_precision_it_holds_the_published_number_of_clips(memory: int, published: int) -> None:
    strategy = at_paper_size(memory)
    room = memory * single_precision(DERPlusPlus.memory_fields(strategy))
    assert room // single_precision(strategy.memory_fields()) == published


def test_a_memory_in_clips_is_the_room_of_as_many_clips_of_derpp() -> None:
    strategy = at_paper_size(2000)
    derpp = 4 * 3 * 224 * 224 + 2 * 1024 * 128 + 4 * 2 * 768
    own = 392 * 768 + 2 * 256 * 256 + 4 * 2 * 768 + 4 * 2 * 768 + 2 * (512 + 784)
    assert strategy.memory_capacity(strategy.memory_fields()) == 2000 * derpp // own == 3894


def test_a_memory_in_bytes_is_divided_by_its_own_record() -> None:
    strategy = at_paper_size("1GiB")
    fields = strategy.memory_fields()
    size = sum(field.nbytes for field in fields.values())
    capacity = strategy.memory_capacity(fields)
    assert capacity * size <= 2**30 < (capacity + 1) * size


def test_ids_of_long_clips_are_not_cut() -> None:
    fields = at_paper_size(10, frames=200).memory_fields()  # 39,200 patches of video
    assert (fields["ids_audio"].dtype, fields["ids_video"].dtype) == (torch.int16, torch.int32)


def test_a_memory_smaller_than_a_batch_is_refused(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.memory = 2 clips is smaller than training\.batch_size = 6"):
        session(tiny_config, memory=2)

"""Imported weights compute what the other model does, and every tensor is accounted for."""

from __future__ import annotations

import pytest
import torch
from foreign_checkpoints import (
    Importer,
    accounted,
    authors_embeddings,
    authors_shapes,
    cav_mae_embeddings,
    cav_mae_shapes,
    mae_shapes,
    random_weights,
    vision_transformer,
)
from torch import Tensor
from torch.testing import assert_close

from avbench.batch import Batch
from avbench.config import ClipShape, ModelConfig
from avbench.model.importing import SOURCES
from avbench.model.importing.plan import Imported
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Mask
from avbench.model.matching import AudioVideoMatching
from avbench.model.patches import patchify_audio, patchify_video, sincos_positions

HEADS = 3


def net_of(found: Imported, shape: ClipShape, model: ModelConfig) -> AudioVideoMAE:
    net = AudioVideoMAE(shape, model)
    net.load_state_dict({n: t for n, t in found.tensors.items() if not n.startswith("matching.")})
    return net


def embedded(net: AudioVideoMAE, batch: Batch) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return net.embed(batch)


# --- CAV-MAE ----------------------------------------------------------------------------------------------------------


def eleven_and_one(model: ModelConfig) -> ModelConfig:
    return model.model_copy(update={"unimodal_depth": 11, "fusion_depth": 1})


def test_a_cav_mae_of_the_same_depths_computes_the_same(
    imported: Importer, shape: ClipShape, model: ModelConfig, batch: Batch
) -> None:
    checkpoint, exact = random_weights(cav_mae_shapes()), eleven_and_one(model)
    found = imported("cav-mae", checkpoint, model=exact)
    accounted(found, checkpoint)
    ours = embedded(net_of(found, shape, exact), batch)
    for row in range(len(batch)):
        theirs = cav_mae_embeddings(checkpoint, batch.audio[row, 0], batch.video[row], HEADS)
        for mine, wanted in zip(ours, theirs, strict=True):
            assert_close(mine[row], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ["audio", "video"])
def test_blocks_of_one_encoder_as_fusion_block_leave_its_tower_as_it_was(
    imported: Importer, shape: ClipShape, model: ModelConfig, batch: Batch, encoder: str
) -> None:
    checkpoint = random_weights(cav_mae_shapes())
    found = imported("cav-mae", checkpoint, fusion_from=encoder)
    accounted(found, checkpoint)
    ours = dict(zip(("audio", "video"), embedded(net_of(found, shape, model), batch), strict=True))
    theirs = cav_mae_embeddings(checkpoint, batch.audio[0, 0], batch.video[0], HEADS)
    for modality, wanted in zip(("audio", "video"), theirs, strict=True):
        same = torch.allclose(ours[modality][0], wanted, atol=1e-5, rtol=1e-5)
        assert same == (modality == encoder)


def test_a_mean_of_equal_encoders_changes_nothing(
    imported: Importer, shape: ClipShape, model: ModelConfig, batch: Batch
) -> None:
    checkpoint = random_weights(cav_mae_shapes())
    checkpoint |= {name.replace("blocks_a", "blocks_v"): t for name, t in checkpoint.items() if "blocks_a" in name}
    ours = embedded(net_of(imported("cav-mae", checkpoint), shape, model), batch)
    theirs = cav_mae_embeddings(checkpoint, batch.audio[1, 0], batch.video[1], HEADS)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert_close(mine[1], wanted, atol=1e-5, rtol=1e-5)


def test_the_mean_is_of_both_encoders_and_each_path_keeps_its_own_norm(imported: Importer) -> None:
    checkpoint = random_weights(cav_mae_shapes())
    tensors = imported("cav-mae", checkpoint).tensors
    for name in ("attn.qkv.weight", "mlp.fc2.bias"):
        ours = tensors[f"fusion.blocks.0.{name.replace('attn', 'attention')}"]
        assert_close(ours, (checkpoint[f"blocks_a.10.{name}"] + checkpoint[f"blocks_v.10.{name}"]) / 2)
    assert_close(tensors["fusion.blocks.0.norm1.audio.weight"], checkpoint["blocks_a.10.norm1.weight"])
    assert_close(tensors["fusion.blocks.0.norm2.video.bias"], checkpoint["blocks_v.10.norm2.bias"])
    assert_close(tensors["fusion.blocks.1.norm2.video.bias"], checkpoint["blocks_u.0.norm2_v.bias"])
    assert_close(tensors["fusion.blocks.1.norm1.joint.weight"], checkpoint["blocks_u.0.norm1.weight"])


def test_the_decoder_names_the_same_spectrogram_cells(imported: Importer, shape: ClipShape, model: ModelConfig) -> None:
    """A patch CAV-MAE would predict for token (f, t) with pixels (f, t) is ours for token (t, f), pixels (t, f)."""
    checkpoint = random_weights(cav_mae_shapes())
    net = net_of(imported("cav-mae", checkpoint), shape, model)
    times, frequencies = shape.audio_grid
    spectrogram = torch.arange(float(shape.audio_frames * shape.mel_bins)).view(1, 1, shape.audio_frames, -1)
    theirs = spectrogram[0, 0].T.unfold(0, 4, 4).unfold(1, 4, 4).reshape(frequencies * times, 16)  # (f, t), (f, t)
    ours = patchify_audio(spectrogram, shape.patch)[0]
    order = [f * times + t for t in range(times) for f in range(frequencies)]
    turned = theirs[order].view(-1, 4, 4).transpose(1, 2).flatten(1)
    assert_close(ours, turned)
    # The output layer turns likewise: prediction for cell (f, t) of the patch becomes row t * P + f.
    hidden = torch.randn(16, generator=torch.Generator().manual_seed(3))
    wanted = checkpoint["decoder_pred_a.weight"] @ hidden + checkpoint["decoder_pred_a.bias"]
    assert_close(net.decoder.audio.head(hidden), wanted.view(4, 4).T.flatten())
    assert_close(net.decoder.audio.position[1 * frequencies + 2], checkpoint["decoder_pos_embed_a"][0, 2 * times + 1])
    everything = torch.arange(shape.audio_tokens)[None]
    mask = Mask(everything[:, :4], everything[:, 4:])
    seen = net.decoder.audio.tokens(torch.zeros(1, 4, 16), mask)
    assert_close(seen[0, 0], checkpoint["decoder_pos_embed_a"][0, 0] + checkpoint["decoder_modality_a"][0, 0])


def test_a_fine_tuned_cav_mae_leaves_the_decoder_as_it_was(
    imported: Importer, shape: ClipShape, model: ModelConfig
) -> None:
    checkpoint = random_weights(cav_mae_shapes())
    checkpoint = {n: t for n, t in checkpoint.items() if not n.startswith(("decoder_", "mask_token"))}
    checkpoint |= {"mlp_head.0.weight": torch.ones(24), "mlp_head.1.weight": torch.ones(7, 24)}
    found = imported("cav-mae", checkpoint)
    accounted(found, checkpoint)
    initial = AudioVideoMAE(shape, model).state_dict()
    kept = {entry.tensor for entry in found.entries if entry.status == "initial"}
    assert kept == {name for name in initial if name.startswith("decoder.")}
    assert all(torch.equal(found.tensors[name], initial[name]) for name in kept)


def test_at_the_papers_size_all_647_tensors_are_accounted_for_and_fit() -> None:
    """On the meta device: shapes without memory."""
    shapes = cav_mae_shapes(width=768, decoder=512, patch=16, picture=196, grid=(64, 8))
    assert len(shapes) == 647
    with torch.device("meta"):
        checkpoint = {name: torch.empty(size) for name, size in shapes.items()}
    for model in (ModelConfig(), eleven_and_one(ModelConfig())):
        kind = SOURCES["cav-mae"](ClipShape(), model)
        kind.check_sizes(checkpoint)
        expected = model_on_meta(model)
        plan = kind.plan(checkpoint, list(expected))
        assert {rule.target for rule in plan.rules} == expected.keys()
        used = {name for rule in plan.rules for name in rule.sources}
        assert used | plan.ignored.keys() == checkpoint.keys()
        for rule in plan.rules:
            given = [checkpoint[name] for name in rule.sources] or [expected[rule.target]]
            made = rule.change(*given) if rule.change else given[0]
            assert made.shape == expected[rule.target].shape, rule.target


def model_on_meta(model: ModelConfig) -> dict[str, Tensor]:
    small = model.model_copy(update={"width": 24, "heads": 3, "decoder_width": 16, "decoder_heads": 4})
    names = AudioVideoMAE(ClipShape(), small).state_dict()
    scale = {24: 768, 16: 512, 72: 2304, 48: 1536, 96: 3072, 64: 2048}

    def size(name: str, shape: torch.Size) -> tuple[int, ...]:
        fixed = 0 if name.endswith("position") else None  # rows of a table are tokens
        return tuple(n if axis == fixed else scale.get(n, n) for axis, n in enumerate(shape))

    return {name: torch.empty(size(name, tensor.shape), device="meta") for name, tensor in names.items()}


# --- MAE and timm -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", [True, False])
def test_both_towers_compute_what_the_image_transformer_computes(
    imported: Importer, shape: ClipShape, model: ModelConfig, batch: Batch, decoder: bool
) -> None:
    checkpoint = random_weights(mae_shapes())
    if not decoder:
        checkpoint = {n: t for n, t in checkpoint.items() if not n.startswith(("decoder_", "mask_token"))}
    found = imported("mae", checkpoint)
    accounted(found, checkpoint)
    ours = embedded(net_of(found, shape, model), batch)
    for row in range(len(batch)):
        video = vision_transformer(checkpoint, batch.video[row], HEADS)
        audio = vision_transformer(checkpoint, batch.audio[row][None], HEADS, spectrogram=True)
        assert_close(ours[0][row], audio, atol=1e-5, rtol=1e-5)
        assert_close(ours[1][row], video, atol=1e-5, rtol=1e-5)
    assert found.ignored == {"cls_token": "our model has no class token"}


def test_the_published_adaptation(imported: Importer, shape: ClipShape) -> None:
    checkpoint = random_weights(mae_shapes())
    tensors = imported("mae", checkpoint).tensors
    for path in ("joint", "audio", "video"):
        assert_close(tensors[f"fusion.blocks.1.norm2.{path}.weight"], checkpoint["blocks.11.norm2.weight"])
        assert_close(tensors[f"fusion.norm.{path}.bias"], checkpoint["norm.bias"])
    assert_close(tensors["video_encoder.inter_position"][9:], checkpoint["pos_embed"][0, 1:])
    assert_close(tensors["decoder.video.position"][:9], checkpoint["decoder_pos_embed"][0, 1:])
    for name in ("audio_encoder.position", "audio_encoder.inter_position", "audio_encoder.modality",
                 "video_encoder.modality", "decoder.audio.position", "decoder.video.modality"):  # fmt: skip
        assert not tensors[name].any()
    assert_close(tensors["decoder.audio.head.weight"], checkpoint["decoder_pred.weight"][:16])
    assert_close(tensors["decoder.audio.mask_token"], checkpoint["mask_token"][0, 0])


def test_sincos_positions_of_the_audio_are_mae_s_table_in_our_order(imported: Importer, shape: ClipShape) -> None:
    """Row t * F + f holds the waves of f, MAE's column, in the first half, and those of t, its row, in the second."""
    table = imported("mae", random_weights(mae_shapes()), audio_positions="sincos").tensors["audio_encoder.position"]
    times, frequencies = shape.audio_grid
    for t in range(times):
        for f in range(frequencies):
            waves = [f / 10_000 ** (k / 6) for k in range(6)], [t / 10_000 ** (k / 6) for k in range(6)]
            row = torch.cat([w for angles in waves for w in (torch.tensor(angles).sin(), torch.tensor(angles).cos())])
            assert_close(table[t * frequencies + f], row)
    assert not torch.equal(table, sincos_positions(shape.audio_grid, 24))


def test_state_dict_of_timm_itself(imported: Importer, batch: Batch) -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    theirs = VisionTransformer(img_size=12, patch_size=4, embed_dim=24, depth=12, num_heads=3, num_classes=5)
    checkpoint = dict(theirs.state_dict())
    found = imported("timm-mae", checkpoint)
    accounted(found, checkpoint)
    assert set(found.ignored) == {"cls_token", "head.weight", "head.bias"}
    assert_close(found.tensors["video_encoder.embed.weight"] @ patchify_video(batch.video, 4)[0, 0],
                 (theirs.patch_embed(batch.video[0])[0, 0] - theirs.patch_embed.proj.bias).detach())  # fmt: skip


def test_timm_s_base_model_fits_the_paper_s() -> None:
    import timm

    with torch.device("meta"):
        checkpoint = dict(timm.create_model("vit_base_patch16_224", pretrained=False).state_dict())
    kind = SOURCES["timm-mae"](ClipShape(), ModelConfig())
    kind.check_sizes(checkpoint)
    expected = model_on_meta(ModelConfig())
    plan = kind.plan(checkpoint, list(expected))
    assert {name for rule in plan.rules for name in rule.sources} | plan.ignored.keys() == checkpoint.keys()
    for rule in plan.rules:
        if rule.sources:
            made = rule.change(checkpoint[rule.sources[0]]) if rule.change else checkpoint[rule.sources[0]]
            assert made.shape == expected[rule.target].shape, rule.target


# --- the authors' code ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [False, True])
def test_the_authors_model_computes_the_same(
    imported: Importer, shape: ClipShape, model: ModelConfig, batch: Batch, alone: bool
) -> None:
    """A method's checkpoint, or that of the backbone alone, whose keys have no prefix."""
    checkpoint = random_weights(authors_shapes(matching=not alone))
    if alone:
        checkpoint = {name.removeprefix("backbone.transformer."): tensor for name, tensor in checkpoint.items()}
    found = imported("authors", checkpoint)
    accounted(found, checkpoint)
    assert not found.ignored
    assert any(name.startswith("matching.") for name in found.tensors) != alone
    ours = embedded(net_of(found, shape, model), batch)
    theirs = authors_embeddings(checkpoint, batch.audio[1, 0], batch.video[1], HEADS)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert_close(mine[1], wanted, atol=1e-5, rtol=1e-5)


def test_the_authors_matching_module_gives_the_same_logits(imported: Importer, model: ModelConfig) -> None:
    """Written out for one clip with the released merge of heads: (H, L, d) read as (L, H * d)."""
    weights = random_weights(authors_shapes())
    found = imported("authors", weights)
    ours = AudioVideoMatching(24, HEADS, legacy_head_merge=True)
    ours.load_state_dict(
        {n.removeprefix("matching."): t for n, t in found.tensors.items() if n.startswith("matching.")}
    )
    own = {n.removeprefix("avmatching_module."): t for n, t in weights.items() if n.startswith("avmatching_module.")}
    tokens = {letter: torch.randn(length, 24, generator=torch.Generator().manual_seed(length))
              for letter, length in (("a", 15), ("v", 18))}  # fmt: skip
    heads = {}
    for letter, given in tokens.items():
        normed = torch.nn.functional.layer_norm(given, (24,), own[f"norm_{letter}.weight"], own[f"norm_{letter}.bias"])
        for what in "qkv":
            heads[letter + what] = (normed @ own[f"to_{letter}_{what}.weight"].T).view(-1, HEADS, 8).transpose(0, 1)
    pooled = []
    for asking, asked in (("v", "a"), ("a", "v")):
        scores = (heads[asking + "q"] @ heads[asked + "k"].transpose(1, 2) / 8**0.5).softmax(dim=2)
        pooled.append((scores @ heads[asked + "v"]).reshape(-1, 24).mean(dim=0))
    dense, score = "matching_score.pooler.dense", "matching_score.fc"
    hidden = torch.tanh(own[f"{dense}.weight"] @ torch.cat(pooled) + own[f"{dense}.bias"])
    wanted = own[f"{score}.weight"] @ hidden + own[f"{score}.bias"]
    with torch.no_grad():
        assert_close(ours(tokens["a"][None], tokens["v"][None]), wanted, atol=1e-5, rtol=1e-5)

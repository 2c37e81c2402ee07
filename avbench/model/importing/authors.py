"""Checkpoints of STELLA's released code: the same architecture under other names, and its matching module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor

from avbench.model.importing import tensors
from avbench.model.importing.blocks import PARTS, block, fusion_block, layer
from avbench.model.importing.plan import Plan, Rule
from avbench.model.importing.source import CheckpointSource, depth, first_sizes

BACKBONE, MATCHING = "backbone.transformer.", "avmatching_module."
_SUFFIXES = {"joint": "", "audio": "_a", "video": "_v"}
_LETTERS = {"audio": "a", "video": "v"}
_PROJECTIONS = {"query": "q", "key": "k", "value": "v"}


class Authors(CheckpointSource):
    """Keys of the method's module (`backbone.transformer.*`, `avmatching_module.*`) or of the backbone alone."""

    title = "STELLA's released code"

    def sizes(self, checkpoint: Mapping[str, Tensor]) -> dict[str, int]:
        """Width, depths, patch and tokens."""
        stem = _stem(checkpoint)
        places = {
            "width": (f"{stem}blocks_a.0.attn.qkv.weight", 1),
            "MLP width": (f"{stem}blocks_a.0.mlp.fc1.weight", 0),
            "patch side": (f"{stem}patch_embed_v.proj.weight", 2),
            "decoder width": (f"{stem}decoder_embed.weight", 0),
            "video tokens": (f"{stem}pos_embed_v", 1),
            "audio tokens": (f"{stem}pos_embed_a", 1),
        }
        found = first_sizes(checkpoint, places)
        depths = {"unimodal depth": "blocks_a", "fusion depth": "blocks_u", "decoder depth": "decoder_blocks"}
        return found | {name: blocks for name, part in depths.items() if (blocks := depth(checkpoint, stem + part))}

    def wanted(self) -> dict[str, int]:
        """Every size of the model but its heads, which no tensor tells."""
        depths = {"unimodal depth": self.model.unimodal_depth, "fusion depth": self.model.fusion_depth}
        tokens = {"video tokens": self.shape.video_tokens, "audio tokens": self.shape.audio_tokens}
        return {**self.model_sizes(), **depths, **tokens}

    def plan(self, names: Iterable[str], targets: Sequence[str]) -> Plan:
        """Everything under its new name; the matching module where the checkpoint has one."""
        names = list(names)
        stem = _stem(names)
        backbone = [*self._embedding(), *self._blocks(), *self._decoder()]
        rules = [
            Rule(rule.target, tuple(stem + name for name in rule.sources), rule.how, rule.change) for rule in backbone
        ]
        if any(target.startswith("matching.") for target in targets):
            rules += _matching()
        ignored = {name: "the head of a classifier" for name in names if name.startswith(f"{stem}vacls_classifier.")}
        return Plan(rules, ignored)

    def notes(self, names: Iterable[str]) -> list[str]:
        """On the matching module's heads."""
        if not has_matching(names):
            return []
        return [
            "the matching module's logits were trained with the released head merge: model.legacy_head_merge=true "
            "computes them as they were; the importance of patches does not depend on it"
        ]

    def _embedding(self) -> Iterator[Rule]:
        for modality, letter in _LETTERS.items():
            target = f"{modality}_encoder"
            matrix = "as a matrix (patch: " + ("time, frequency)" if modality == "audio" else "row, column, colour)")
            yield Rule(f"{target}.embed.weight", (f"patch_embed_{letter}.proj.weight",), matrix, tensors.kernel)
            yield Rule(f"{target}.embed.bias", (f"patch_embed_{letter}.proj.bias",))
            yield Rule(f"{target}.modality", (f"modality_{letter}",), "as a vector", tensors.flat)
            for ours, theirs in (("position", "pos_embed"), ("inter_position", "inter_pos_embed")):
                yield Rule(f"{target}.{ours}", (f"{theirs}_{letter}",), "as a table", tensors.table)

    def _blocks(self) -> Iterator[Rule]:
        for modality, letter in _LETTERS.items():
            for number in range(self.model.unimodal_depth):
                yield from block(f"{modality}_encoder.blocks.{number}", f"blocks_{letter}.{number}")
        for number in range(self.model.fusion_depth):
            yield from fusion_block(f"fusion.blocks.{number}", f"blocks_u.{number}", _SUFFIXES)
        for path, suffix in _SUFFIXES.items():
            yield from layer(f"fusion.norm.{path}", f"norm{suffix}")

    def _decoder(self) -> Iterator[Rule]:
        yield from layer("decoder.project", "decoder_embed")
        for number in range(self.model.decoder_depth):
            yield from block(f"decoder.blocks.{number}", f"decoder_blocks.{number}")
        yield from layer("decoder.norm", "decoder_norm")
        for modality, letter in _LETTERS.items():
            target = f"decoder.{modality}"
            yield Rule(f"{target}.mask_token", (f"mask_token_{letter}",), "as a vector", tensors.flat)
            yield Rule(f"{target}.modality", (f"decoder_modality_{letter}",), "as a vector", tensors.flat)
            yield Rule(f"{target}.position", (f"decoder_pos_embed_{letter}",), "as a table", tensors.table)
            yield from layer(f"{target}.head", f"mae_score_{modality}.decoder")


def has_matching(names: Iterable[str]) -> bool:
    """Whether the checkpoint holds a matching module."""
    return any(name.startswith(MATCHING) for name in names)


def _stem(names: Iterable[str]) -> str:
    return BACKBONE if any(name.startswith(BACKBONE) for name in names) else ""


def _matching() -> Iterator[Rule]:
    for modality, letter in _LETTERS.items():
        yield from layer(f"matching.norm_{modality}", f"{MATCHING}norm_{letter}")
        for ours, theirs in _PROJECTIONS.items():
            yield Rule(f"matching.{ours}_{modality}.weight", (f"{MATCHING}to_{letter}_{theirs}.weight",))
    for ours, theirs in (("hidden", "pooler.dense"), ("classify", "fc")):
        for part in PARTS:
            yield Rule(f"matching.{ours}.{part}", (f"{MATCHING}matching_score.{theirs}.{part}",))

"""CAV-MAE (Gong et al., 2023): 11 + 11 blocks of one modality each, one shared block, one decoder.

Its spectrograms have frequency before time, so kernel, positions and output layer of the audio are turned. It has one
vision transformer less depth in the fusion encoder than STELLA: `fusion_from` says which encoder's last blocks become
fusion blocks. Into a model of 11 + 1 blocks it fits exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from torch import Tensor

from avbench.errors import UsageError
from avbench.model.importing import tensors
from avbench.model.importing.blocks import NORMS, SHARED, block, fusion_block, layer
from avbench.model.importing.plan import Plan, Rule, left_initial
from avbench.model.importing.source import CheckpointSource, depth, first_sizes

_SUFFIXES = {"joint": "", "audio": "_a", "video": "_v"}
_ENCODERS = {"audio": "blocks_a", "video": "blocks_v"}


class CAVMAE(CheckpointSource):
    """Keys of the released checkpoints, pre-trained or fine-tuned (then without a decoder), `module.` taken off."""

    title = "CAV-MAE"
    choices = frozenset({"fusion_from"})

    def sizes(self, checkpoint: Mapping[str, Tensor]) -> dict[str, int]:
        """Width, depths, patch and tokens."""
        places = {
            "width": ("blocks_a.0.attn.qkv.weight", 1),
            "MLP width": ("blocks_a.0.mlp.fc1.weight", 0),
            "patch side": ("patch_embed_v.proj.weight", 2),
            "decoder width": ("decoder_embed.weight", 0),
            "tokens per frame": ("pos_embed_v", 1),
            "audio tokens": ("pos_embed_a", 1),
        }
        found = first_sizes(checkpoint, places)
        if blocks := depth(checkpoint, "blocks_a"):
            found["blocks"] = blocks + depth(checkpoint, "blocks_u")
        if blocks := depth(checkpoint, "decoder_blocks"):
            found["decoder depth"] = blocks
        return found

    def wanted(self) -> dict[str, int]:
        """A tower of one modality is its encoder and the fusion encoder."""
        _, rows, columns = self.shape.video_grid
        blocks = self.model.unimodal_depth + self.model.fusion_depth
        tokens = {"tokens per frame": rows * columns, "audio tokens": self.shape.audio_tokens}
        return {**self.model_sizes(), "blocks": blocks, **tokens}

    def plan(self, names: Iterable[str], targets: Sequence[str]) -> Plan:
        """All of it; inter positions are zero, so that the towers compute what CAV-MAE's do.

        Raises:
            UsageError: the checkpoint has more shared blocks than the model.
        """
        names = list(names)
        rules = [*self._embedding(), *self._encoders(), *self._fusion(depth(names, "blocks_u"))]
        if any(name.startswith("decoder_") for name in names):
            rules += self._decoder()
        else:
            ours = [name for name in targets if name.startswith("decoder.")]
            rules += left_initial(ours, "random: the checkpoint has no decoder")
        used = {source for rule in rules for source in rule.sources}
        return Plan(rules, {name: why for name in names if name not in used and (why := self._ignored(name))})

    def notes(self, names: Iterable[str]) -> list[str]:
        """On the decoder, and on fusion blocks that CAV-MAE does not have."""
        names = list(names)
        found = ["CAV-MAE decodes audio and video as one sequence, STELLA's model separately: losses differ at first"]
        shared = depth(names, "blocks_u")
        if made := self.model.fusion_depth - shared:
            exact = f"--set model.unimodal_depth={self.model.unimodal_depth + made} --set model.fusion_depth={shared}"
            found.append(
                f"{made} of the model's {self.model.fusion_depth} fusion blocks comes from the encoders (--fusion-from "
                f"{self.fusion_from}), so embeddings differ from CAV-MAE's; {exact} imports it exactly"
            )
        return found

    def _ignored(self, name: str) -> str:
        if name.startswith("mlp_head."):
            return "the head of a classifier"
        modality_norm = any(f".{norm}_{modality}." in name for norm in NORMS for modality in "av")
        if modality_norm and name.startswith(("blocks_a.", "blocks_v.", "decoder_blocks.")):
            return "CAV-MAE creates this norm in every block and uses it only in the shared one"
        if self.fusion_from != "mean" and name.startswith(tuple(self._left_out_blocks())):
            return f"the fusion encoder takes the {self.fusion_from} encoder's block"
        return ""

    def _left_out_blocks(self) -> Iterator[str]:
        unimodal, fusion = self.model.unimodal_depth, self.model.fusion_depth
        for modality, stem in _ENCODERS.items():
            if modality != self.fusion_from:
                yield from (f"{stem}.{number}." for number in range(unimodal, unimodal + fusion))

    def _embedding(self) -> Iterator[Rule]:
        frames, grid = self.shape.frames, self.shape.audio_grid
        turned = "as a matrix, from (frequency, time) to (time, frequency)"
        yield Rule("audio_encoder.embed.weight", ("patch_embed_a.proj.weight",), turned, tensors.turned_kernel)
        matrix = "as a matrix (patch: row, column, colour)"
        yield Rule("video_encoder.embed.weight", ("patch_embed_v.proj.weight",), matrix, tensors.kernel)
        first = "from frequency-first to time-first tokens"
        yield Rule("audio_encoder.position", ("pos_embed_a",), first, tensors.turned_table(grid))
        spread = f"repeated for {frames} frames"
        yield Rule("video_encoder.position", ("pos_embed_v",), spread, tensors.repeated_table(frames))
        for modality, letter in (("audio", "a"), ("video", "v")):
            yield Rule(f"{modality}_encoder.embed.bias", (f"patch_embed_{letter}.proj.bias",))
            yield Rule(f"{modality}_encoder.modality", (f"modality_{letter}",), "as a vector", tensors.flat)
            none = "zero: the source has no second positions"
            yield Rule(f"{modality}_encoder.inter_position", how=none, change=lambda initial: initial * 0)

    def _encoders(self) -> Iterator[Rule]:
        for modality, stem in _ENCODERS.items():
            for number in range(self.model.unimodal_depth):
                yield from block(f"{modality}_encoder.blocks.{number}", f"{stem}.{number}")

    def _fusion(self, shared: int) -> Iterator[Rule]:
        made = self.model.fusion_depth - shared
        if made < 0:
            raise UsageError(
                f"the checkpoint has {shared} shared blocks, the model only {self.model.fusion_depth}; use --set "
                f"model.fusion_depth={shared} --set model.unimodal_depth={self.model.unimodal_depth + made}"
            )
        for number in range(made):
            yield from self._made_fusion_block(f"fusion.blocks.{number}", self.model.unimodal_depth + number)
        for number in range(shared):
            yield from fusion_block(f"fusion.blocks.{made + number}", f"blocks_u.{number}", _SUFFIXES)
        for path, suffix in _SUFFIXES.items():
            yield from layer(f"fusion.norm.{path}", f"norm{suffix}")

    def _made_fusion_block(self, target: str, number: int) -> Iterator[Rule]:
        """Attention, MLP and joint norms as `fusion_from` says; the norms of a path from its own encoder."""
        one = {name: f"{stem}.{number}" for name, stem in _ENCODERS.items()}
        sources = list(one.values()) if self.fusion_from == "mean" else [one[self.fusion_from]]
        how = "mean of both encoders' blocks" if len(sources) > 1 else f"block of the {self.fusion_from} encoder"
        change: Callable[..., Tensor] | None = tensors.mean if len(sources) > 1 else None
        for theirs, ours in SHARED.items():
            yield from layer(f"{target}.{ours}", [f"{source}.{theirs}" for source in sources], how, change)
        for norm in NORMS:
            yield from layer(f"{target}.{norm}.joint", [f"{source}.{norm}" for source in sources], how, change)
            for path, source in one.items():
                yield from layer(f"{target}.{norm}.{path}", f"{source}.{norm}", f"norm of the {path} encoder's block")

    def _decoder(self) -> Iterator[Rule]:
        frames, patch = self.shape.frames, self.shape.patch
        yield from layer("decoder.project", "decoder_embed")
        for number in range(self.model.decoder_depth):
            yield from block(f"decoder.blocks.{number}", f"decoder_blocks.{number}")
        yield from layer("decoder.norm", "decoder_norm")
        for modality, letter in (("audio", "a"), ("video", "v")):
            both = "as a vector, one for both modalities"
            yield Rule(f"decoder.{modality}.mask_token", ("mask_token",), both, tensors.flat)
            yield Rule(f"decoder.{modality}.modality", (f"decoder_modality_{letter}",), "as a vector", tensors.flat)
        first = "from frequency-first to time-first tokens"
        change = tensors.turned_table(self.shape.audio_grid)
        yield Rule("decoder.audio.position", ("decoder_pos_embed_a",), first, change)
        spread = f"repeated for {frames} frames"
        yield Rule("decoder.video.position", ("decoder_pos_embed_v",), spread, tensors.repeated_table(frames))
        turned = "rows from (frequency, time) to (time, frequency)"
        yield from layer("decoder.audio.head", "decoder_pred_a", turned, tensors.turned_rows(patch))
        yield from layer("decoder.video.head", "decoder_pred_v")

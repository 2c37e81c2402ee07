"""ImageNet MAE (He et al., 2022) as audio-video model, adapted as STELLA's authors do before pre-training.

The blocks of a vision transformer go to both encoders and, the last ones, to the fusion encoder; its norms are copied
for every path. Spectrograms are new to it: the audio kernel is the sum of the colours' kernels, the audio output layer
the first rows of the pictures', and there are no positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor

from avbench.model.blocks import NORM_EPSILON
from avbench.model.importing import tensors
from avbench.model.importing.blocks import PATHS, block, fusion_block, layer
from avbench.model.importing.plan import Plan, Rule, left_initial
from avbench.model.importing.source import CheckpointSource, depth, first_sizes

_ONE_NORM = "one norm copied for all three paths"
_HEADS = ("head.", "fc_norm.", "head_drop.")


class MAE(CheckpointSource):
    """The original keys; with the decoder (`..._full`) or without, then the model's decoder stays as it is."""

    title = "ImageNet MAE"
    choices = frozenset({"audio_positions"})

    def sizes(self, checkpoint: Mapping[str, Tensor]) -> dict[str, int]:
        """Width, depths, patch and tokens per frame."""
        places = {
            "width": ("blocks.0.attn.qkv.weight", 1),
            "MLP width": ("blocks.0.mlp.fc1.weight", 0),
            "patch side": ("patch_embed.proj.weight", 2),
            "decoder width": ("decoder_embed.weight", 0),
            "tokens per frame": ("pos_embed", 1),
        }
        found = first_sizes(checkpoint, places)
        if "tokens per frame" in found:
            found["tokens per frame"] -= 1  # the class token
        for name, stem in (("blocks", "blocks"), ("decoder depth", "decoder_blocks")):
            if blocks := depth(checkpoint, stem):
                found[name] = blocks
        return found

    def wanted(self) -> dict[str, int]:
        """One tower: the modality encoder and the fusion encoder on top of it."""
        _, rows, columns = self.shape.video_grid
        blocks = self.model.unimodal_depth + self.model.fusion_depth
        return {**self.model_sizes(), "blocks": blocks, "tokens per frame": rows * columns}

    def plan(self, names: Iterable[str], targets: Sequence[str]) -> Plan:
        """The published adaptation; `audio_positions` says what stands for the positions of spectrograms."""
        names = list(names)
        rules = [*self._embedding(), *self._blocks()]
        if any(name.startswith(("decoder_", "mask_token")) for name in names):
            rules += self._decoder()
        else:
            ours = [name for name in targets if name.startswith("decoder.")]
            rules += left_initial(ours, "random: the checkpoint has no decoder")
        ignored = {name: "the head of a classifier" for name in names if name.startswith(_HEADS)}
        return Plan(rules, ignored | {name: "our model has no class token" for name in names if name == "cls_token"})

    def notes(self, names: Iterable[str]) -> list[str]:
        """On what a model of pictures does not know."""
        return [
            "the model knows pictures only: its authors pre-train it on audio and video before any stream begins",
            f"its norms were trained with epsilon 1e-6, ours add {NORM_EPSILON:g}, as STELLA's code does",
        ]

    def _embedding(self) -> Iterator[Rule]:
        frames, audio_grid = self.shape.frames, self.shape.audio_grid
        kernel = ("patch_embed.proj.weight",)
        summed = "sum over the three colours, rows as time; as a matrix (patch: time, frequency)"
        yield Rule("audio_encoder.embed.weight", kernel, summed, tensors.summed_kernel)
        matrix = "as a matrix (patch: row, column, colour)"
        yield Rule("video_encoder.embed.weight", kernel, matrix, tensors.kernel)
        spread = f"class token dropped, repeated for {frames} frames"
        for modality in ("audio", "video"):
            yield Rule(f"{modality}_encoder.embed.bias", ("patch_embed.proj.bias",))
            yield _zero(f"{modality}_encoder.modality")
        for name in ("position", "inter_position"):
            yield Rule(f"video_encoder.{name}", ("pos_embed",), spread, tensors.repeated_table(frames, leading=1))
            yield self._audio_positions(f"audio_encoder.{name}", audio_grid)

    def _audio_positions(self, target: str, grid: Sequence[int]) -> Rule:
        if self.audio_positions == "zero":
            return _zero(target)
        return Rule(target, how="MAE's sin-cos table, time-major", change=tensors.sincos_like_mae(grid))

    def _blocks(self) -> Iterator[Rule]:
        unimodal = self.model.unimodal_depth
        for number in range(unimodal):
            for modality in ("audio", "video"):
                yield from block(f"{modality}_encoder.blocks.{number}", f"blocks.{number}")
        for number in range(self.model.fusion_depth):
            target, source = f"fusion.blocks.{number}", f"blocks.{unimodal + number}"
            yield from fusion_block(target, source, dict.fromkeys(PATHS, ""), _ONE_NORM)
        for path in PATHS:
            yield from layer(f"fusion.norm.{path}", "norm", _ONE_NORM)

    def _decoder(self) -> Iterator[Rule]:
        pixels, frames = self.shape.patch**2, self.shape.frames
        yield from layer("decoder.project", "decoder_embed")
        for number in range(self.model.decoder_depth):
            yield from block(f"decoder.blocks.{number}", f"decoder_blocks.{number}")
        yield from layer("decoder.norm", "decoder_norm")
        for modality in ("audio", "video"):
            yield Rule(f"decoder.{modality}.mask_token", ("mask_token",), "as a vector", tensors.flat)
            yield _zero(f"decoder.{modality}.modality")
        yield self._audio_positions("decoder.audio.position", self.shape.audio_grid)
        spread = f"class token dropped, repeated for {frames} frames"
        change = tensors.repeated_table(frames, leading=1)
        yield Rule("decoder.video.position", ("decoder_pos_embed",), spread, change)
        yield from layer("decoder.video.head", "decoder_pred")
        first = f"its first {pixels} rows"
        yield from layer("decoder.audio.head", "decoder_pred", first, lambda rows: rows[:pixels])


class TimmMAE(MAE):
    """A vision transformer of timm, such as `vit_base_patch16_224.mae`: the encoder's keys are MAE's own."""

    title = "a vision transformer of timm"


def _zero(target: str) -> Rule:
    return Rule(target, how="zero: the source has none", change=lambda initial: initial * 0)

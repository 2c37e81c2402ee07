"""The decoder: from the joint codes of the visible tokens to the pixels of the hidden ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from avbench.config import ModelConfig
from avbench.model.blocks import NORM_EPSILON, Block
from avbench.model.masking import Mask
from avbench.model.patches import sincos_positions


class DecoderModality(nn.Module):
    """What the decoder keeps per modality: mask token, modality and position vectors, and the output layer."""

    def __init__(self, pixels: int, grid: Sequence[int], width: int) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.modality = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(sincos_positions(grid, width))
        self.head = nn.Linear(width, pixels)

    def tokens(self, visible: Tensor, mask: Mask) -> Tensor:
        """Visible codes (B, V, D) -> decoder input (B, V + R, D), the R targets last.

        Attention doesn't read the order of tokens, so none is put back in its original place.
        """
        seen = visible + embedding(mask.visible, self.position)
        hidden = self.mask_token + embedding(mask.targets, self.position)
        return torch.cat([seen, hidden], dim=1) + self.modality


class Decoder(nn.Module):
    """Shared blocks that decode audio and video separately: neither attends to the other.

    So the released code of STELLA does it; CAV-MAE decodes both as one sequence.
    """

    def __init__(
        self, pixels: tuple[int, int], audio_grid: Sequence[int], video_grid: Sequence[int], config: ModelConfig
    ) -> None:
        super().__init__()
        width = config.decoder_width
        self.project = nn.Linear(config.width, width)
        self.audio = DecoderModality(pixels[0], audio_grid, width)
        self.video = DecoderModality(pixels[1], video_grid, width)
        self.blocks = nn.ModuleList(
            Block(width, config.decoder_heads, config.mlp_ratio) for _ in range(config.decoder_depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)

    def forward(self, latent: Tensor, audio: Mask, video: Mask) -> tuple[Tensor, Tensor]:
        """Predict the target patches.

        Args:
            latent: (B, V_a + V_v, D), joint codes of the visible tokens, audio first, in the order of the masks.
            audio, video: the masks.

        Returns:
            Audio (B, R_a, pixels) and video (B, R_v, pixels), in the order of the masks' targets.
        """
        seen = self.project(latent).split([audio.visible.shape[1], video.visible.shape[1]], dim=1)
        parts = self.audio.tokens(seen[0], audio), self.video.tokens(seen[1], video)
        lengths = [part.shape[1] for part in parts]
        tokens = torch.cat(parts, dim=1)
        for block in self.blocks:
            tokens = block(tokens, lengths)
        decoded = tokens.split(lengths, dim=1)
        return (
            self.audio.head(self.norm(decoded[0][:, audio.visible.shape[1] :])),
            self.video.head(self.norm(decoded[1][:, video.visible.shape[1] :])),
        )

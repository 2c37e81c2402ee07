"""The audio-video matching module (AVM): does this audio belong to this video? (STELLA, Lee et al., 2024)

Its cross-attention scores are the product: they say which patches of one modality the other one needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from avbench.model.blocks import NORM_EPSILON


@dataclass(frozen=True, slots=True)
class QueriesKeys:
    """Per-head queries and keys: audio (B, H, M, d), video (B, H, N, d)."""

    query_audio: Tensor
    key_audio: Tensor
    query_video: Tensor
    key_video: Tensor


class AudioVideoMatching(nn.Module):
    """Cross-attention both ways, pooled, and a two-layer head; 5,904,385 parameters at width 768.

    Args:
        width: D, of the tokens it reads.
        heads: H.
        legacy_head_merge: pool as the released code does. There the heads are merged without a transpose, so that the
            H groups of channels are averages over mixtures of heads and tokens rather than over tokens.
        generator: CPU source of the initial weights; without one they come from seed 0.
    """

    def __init__(
        self, width: int, heads: int, legacy_head_merge: bool = False, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.heads, self.legacy_head_merge = heads, legacy_head_merge
        self.norm_audio = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.norm_video = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.query_audio = nn.Linear(width, width, bias=False)
        self.key_audio = nn.Linear(width, width, bias=False)
        self.value_audio = nn.Linear(width, width, bias=False)
        self.query_video = nn.Linear(width, width, bias=False)
        self.key_video = nn.Linear(width, width, bias=False)
        self.value_video = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.classify = nn.Linear(2 * width, 1)
        self._initialise(generator or torch.Generator().manual_seed(0))

    def _initialise(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def queries_keys(self, o_audio: Tensor, o_video: Tensor) -> QueriesKeys:
        """Queries and keys of fused tokens (B, M, D) and (B, N, D), as `AudioVideoMAE.fuse` gives them."""
        return self._queries_keys(self.norm_audio(o_audio), self.norm_video(o_video))

    def forward(self, o_audio: Tensor, o_video: Tensor) -> Tensor:
        """Matching logit (B,), float32; positive where audio and video seem to belong together.

        Detach the tokens: the backbone is not to learn from this module.
        """
        audio, video = self.norm_audio(o_audio), self.norm_video(o_video)
        parts = self._queries_keys(audio, video)
        of_audio = scaled_dot_product_attention(
            parts.query_audio, parts.key_video, self._heads(self.value_video(video))
        )
        of_video = scaled_dot_product_attention(
            parts.query_video, parts.key_audio, self._heads(self.value_audio(audio))
        )
        pooled = torch.cat([self._pool(of_video), self._pool(of_audio)], dim=1)
        logit: Tensor = self.classify(torch.tanh(self.hidden(pooled)))
        return logit.squeeze(1).float()

    def _queries_keys(self, audio: Tensor, video: Tensor) -> QueriesKeys:
        return QueriesKeys(
            self._heads(self.query_audio(audio)),
            self._heads(self.key_audio(audio)),
            self._heads(self.query_video(video)),
            self._heads(self.key_video(video)),
        )

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

    def _pool(self, context: Tensor) -> Tensor:
        if self.legacy_head_merge:
            clips, heads, tokens, channels = context.shape
            return context.reshape(clips, tokens, heads * channels).mean(dim=1)
        return context.mean(dim=2).flatten(1)


def matching_pairs(clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which clips of a batch are shown to the matching module with their own video, and whose video the others get.

    floor(B / 2) clips, a uniformly drawn set, stay positive; the others pass their videos on along one cycle in random
    order, drawn uniformly from all such cycles. So no negative ever meets its own video, its partner is uniform over
    the other negatives, and nothing has to be rejected. Two clips or fewer are all positive.

    Args:
        clips: B.
        generator: a CPU generator.

    Returns:
        `is_match`, bool (B,), and `partner`, int64 (B,), the clip whose video is used; both on the CPU.
    """
    partner = torch.arange(clips)
    order = torch.randperm(clips, generator=generator)
    if clips > 2:
        negatives = order[clips // 2 :]
        partner[negatives] = negatives.roll(1)
    return partner == torch.arange(clips), partner

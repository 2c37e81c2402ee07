"""How much the patches of a clip matter, and how much they look like what was already learned.

STELLA's localised patch importance scoring (`importance`) and replay-guided correlation assessment (`weighted_query`,
`correlation`). Pure functions of the matching module's queries and keys; call them without gradients. All
arithmetic is float32, since a small temperature would magnify rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avbench.model.precision import full_precision


def importance(
    query_audio: Tensor, key_video: Tensor, query_video: Tensor, key_audio: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """How much attention each patch gets from the other modality, averaged over heads and the other's tokens.

    Args:
        query_audio, key_audio: (B, H, M, d).
        query_video, key_video: (B, H, N, d).
        temperature: beta; divides the logits, which are already scaled by 1 / sqrt(d).

    Returns:
        Audio (B, M) and video (B, N); each row is positive and sums to one.
    """
    return _attention_received(query_video, key_audio, temperature), _attention_received(
        query_audio, key_video, temperature
    )


def _attention_received(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    # One head at a time: the attention map of all heads would be the largest tensor of a training step.
    scale = query.shape[-1] ** -0.5 / temperature
    total = key.new_zeros(key.shape[0], key.shape[2], dtype=torch.float32)
    with full_precision(query):
        for query_head, key_head in zip(query.float().unbind(1), key.float().unbind(1), strict=True):
            total = total + (scale * query_head @ key_head.mT).softmax(dim=-1).mean(dim=1)
    return total / query.shape[1]


def weighted_query(query: Tensor, importance: Tensor, top_ids: Tensor) -> Tensor:
    """The mean query of the patches `top_ids`, weighted by their importance.

    A logit is linear in the query, so scoring against this one vector equals the weighted mean of the scores against
    each patch's query.

    Args:
        query: (B, H, L, d).
        importance: (B, L), not negative; normalised over `top_ids` here.
        top_ids: int64 (B, kappa), distinct.

    Returns:
        (B, H, d).
    """
    chosen = torch.zeros_like(importance, dtype=torch.float32)
    chosen = chosen.scatter(1, top_ids, importance.float().gather(1, top_ids))
    weights = chosen / chosen.sum(dim=1, keepdim=True)
    with full_precision(query):
        return torch.einsum("bhld,bl->bhd", query.float(), weights)


def correlation(key: Tensor, current_query: Tensor, past_query: Tensor, top_ids: Tensor, length: int) -> Tensor:
    """How much rather a patch answers a past clip's query than its own clip's.

    The mean over heads of softmax([past, current])[past] = sigmoid(past - current), where both logits are scaled by
    1 / sqrt(d) and no temperature applies.

    Args:
        key: (B, H, L, d), of every token of one modality.
        current_query: (B, H, d), the weighted query of the same clip's other modality.
        past_query: (B, H, d), the stored one of the rehearsed clip it is paired with.
        top_ids: int64 (B, kappa), the important tokens.
        length: L.

    Returns:
        (B, L) in [0, 1]; zero outside `top_ids`.
    """
    assert key.shape[2] == length, f"keys of {key.shape[2]} tokens, but length is {length}"
    with full_precision(key):
        change = (past_query - current_query).float() * key.shape[-1] ** -0.5
        score = torch.einsum("bhld,bhd->bhl", key.float(), change).sigmoid().mean(dim=1)
    return torch.zeros_like(score).scatter(1, top_ids, score.gather(1, top_ids))

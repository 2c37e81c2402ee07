"""Rules for transformer blocks: every source names the parts of a block alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from avbench.model.importing.plan import Rule

SHARED = {"attn.qkv": "attention.qkv", "attn.proj": "attention.proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
NORMS = ("norm1", "norm2")
PARTS = ("weight", "bias")
PATHS = ("joint", "audio", "video")


def layer(
    target: str, sources: str | Sequence[str], how: str = "", change: Callable[..., Tensor] | None = None
) -> Iterator[Rule]:
    """Weight and bias of a layer."""
    names = [sources] if isinstance(sources, str) else sources
    for part in PARTS:
        yield Rule(f"{target}.{part}", tuple(f"{name}.{part}" for name in names), how, change)


def block(target: str, source: str) -> Iterator[Rule]:
    """A block of a modality encoder or of the decoder, taken as it is."""
    for ours, theirs in [(new, old) for old, new in SHARED.items()] + [(norm, norm) for norm in NORMS]:
        yield from layer(f"{target}.{ours}", f"{source}.{theirs}")


def fusion_block(target: str, source: str, suffixes: Mapping[str, str], how: str = "") -> Iterator[Rule]:
    """A block of the fusion encoder.

    Args:
        suffixes: by path, what follows `norm1` and `norm2` in the source.
        how: what is done with the norms where one stands for several paths.
    """
    for theirs, ours in SHARED.items():
        yield from layer(f"{target}.{ours}", f"{source}.{theirs}")
    for norm in NORMS:
        for path in PATHS:
            yield from layer(f"{target}.{norm}.{path}", f"{source}.{norm}{suffixes[path]}", how)

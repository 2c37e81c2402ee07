"""Retrieval embeddings of clips, as the evaluation along the stream computes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.data.store import ClipStore
from avbench.model.mae import AudioVideoMAE
from avbench.model.precision import computing_in
from avbench.training.loader import make_loader


@torch.no_grad()
def embedded(
    net: AudioVideoMAE,
    store: ClipStore,
    rows: Sequence[int],
    device: torch.device,
    *,
    batch_size: int,
    workers: int,
    precision: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Audio and video, (B, D) float32 on the device, of each batch of rows of a store in the view of evaluation.

    Args:
        net: in evaluation mode, on the device.
        workers: loader processes.
        precision: of the run, "fp32" or "bf16".
    """
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    for wire in make_loader(store, batches, workers, pin=device.type == "cuda"):
        batch = Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], device)
        with computing_in(precision, device):
            found = net.embed(batch)
        yield found

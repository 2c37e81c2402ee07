"""What does not fit is refused by name, or let pass and reported where that was asked for."""

from __future__ import annotations

import pytest
import torch
from foreign_checkpoints import Importer, accounted, cav_mae_shapes, mae_shapes, random_weights
from torch import Tensor

from avbench.config import ClipShape
from avbench.errors import DataError, UsageError
from avbench.model.importing.plan import Allowed


def test_another_size_is_one_message_with_both(imported: Importer) -> None:
    with pytest.raises(UsageError, match=r"it has width 32, MLP width 128.*the model has width 24, MLP width 96"):
        imported("mae", random_weights(mae_shapes(width=32)))
    with pytest.raises(UsageError, match=r"it has blocks 24.*the model has blocks 12"):
        imported("mae", random_weights(mae_shapes(depth=24)))
    with pytest.raises(UsageError, match=r"audio tokens 18.*audio tokens 15"):
        imported("cav-mae", random_weights(cav_mae_shapes(grid=(6, 3))))
    with pytest.raises(UsageError, match="no weights of CAV-MAE"):
        imported("cav-mae", random_weights(mae_shapes()))


def test_missing_and_unexpected_tensors_are_named_or_allowed_by_name(imported: Importer, shape: ClipShape) -> None:
    checkpoint = random_weights(mae_shapes())
    del checkpoint["blocks.3.attn.qkv.bias"], checkpoint["norm.weight"]
    with pytest.raises(DataError, match=r"2 tensors are missing.*blocks.3.attn.qkv.bias, norm.weight.*--allow-missing"):
        imported("mae", checkpoint)
    found = imported("mae", checkpoint, Allowed(missing=True))
    left = {entry.tensor for entry in found.entries if entry.status == "initial"}
    assert left == {f"{side}_encoder.blocks.3.attention.qkv.bias" for side in ("audio", "video")} | {
        f"fusion.norm.{path}.weight" for path in ("joint", "audio", "video")
    }
    checkpoint = random_weights(mae_shapes()) | {"blocks.3.gamma": torch.ones(24)}
    with pytest.raises(DataError, match=r"1 tensor is unknown.*blocks.3.gamma; --allow-unexpected"):
        imported("mae", checkpoint)
    found = imported("mae", checkpoint, Allowed(unexpected=True))
    accounted(found, checkpoint)
    assert "left out" in found.ignored["blocks.3.gamma"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.full((24,), torch.nan), "not finite.*: blocks.3.norm1.weight;"),
        (torch.full((24,), -torch.inf), "not finite.*: blocks.3.norm1.weight;"),
        (torch.ones(24, dtype=torch.int8), "no floating-point numbers: blocks.3.norm1.weight;"),
        (torch.ones(25), r"another shape.*: audio_encoder.blocks.3.norm1.weight is \(25,\), not \(24,\)"),
    ],
)
def test_unusable_values_are_refused_by_name(imported: Importer, value: Tensor, said: str) -> None:
    checkpoint = random_weights(mae_shapes()) | {"blocks.3.norm1.weight": value}
    with pytest.raises(DataError, match=said):
        imported("mae", checkpoint)


def test_half_precision_becomes_single(imported: Importer) -> None:
    checkpoint = {name: tensor.bfloat16() for name, tensor in random_weights(mae_shapes()).items()}
    assert {tensor.dtype for tensor in imported("mae", checkpoint).tensors.values()} == {torch.float32}

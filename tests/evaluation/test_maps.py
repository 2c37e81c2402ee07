"""Maps as plain arrays: enlarged as PyTorch does it, scaled per clip, and compared by Pearson's correlation."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from avbench.evaluation.maps import agreement, enlarged


@pytest.mark.parametrize(
    ("grid", "size"), [((4, 4), (64, 64)), ((3, 5), (20, 33)), ((1, 8), (1, 128)), ((6, 6), (6, 6))]
)
def test_enlarging_is_bilinear(grid: tuple[int, int], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, *grid)).astype(np.float32)
    large = interpolate(torch.from_numpy(maps).double(), size=size, mode="bilinear", align_corners=False).numpy()
    low, high = (edge(axis=(1, 2, 3), keepdims=True) for edge in (large.min, large.max))
    np.testing.assert_allclose(enlarged(maps, size), (large - low) / (high - low), atol=1e-12)


def test_a_patch_keeps_its_place_and_a_constant_map_is_nothing() -> None:
    large = enlarged(np.arange(4.0).reshape(1, 1, 2, 2), (32, 32))[0, 0]
    ramp = np.clip((np.arange(32) + 0.5) / 16 - 0.5, 0, 1)
    np.testing.assert_allclose(large, (ramp[:, None] * 2 + ramp) / 3)
    assert not enlarged(np.full((1, 2, 3, 3), 7.0), (9, 9)).any()


def test_agreement_is_pearsons() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 2, 3, 2, 4)).astype(np.float32)
    expected = [np.corrcoef(one.flatten(), other.flatten())[0, 1] for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(agreement(first, second), expected)
    np.testing.assert_allclose(agreement(first, 3 * first - 5), 1)
    np.testing.assert_allclose(agreement(first, -first), -1)
    np.testing.assert_allclose(agreement(first, np.ones_like(first)), 0)


def test_what_reports_need_comes_without_torch() -> None:
    modules = (
        "evaluation.maps",
        "evaluation.attention_files",
        "reports.attention_figures",
        "reports.localisation_figures",
    )
    code = f"import sys, {', '.join(f'avbench.{name}' for name in modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Third parties' distributions, as an installer would leave them, and the smallest run there is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# A world of eight tasks with one class each: 8 steps of a model that fits in a cache line or two.
TINY: dict[str, Any] = {
    "threads": 1,
    "device": "cpu",
    "clip": {"image_size": 32, "audio_frames": 64, "mel_bins": 64, "patch": 16},
    "model": {"width": 16, "heads": 2, "unimodal_depth": 1, "decoder_width": 16, "decoder_heads": 2, "mask_ratio": 0.7},
    "training": {"epochs": 1, "batch_size": 6, "base_weights": None, "log_every": 1},
    "evaluation": {"examples": 0},
    "data": {
        "jobs": 1,
        "world": {"image_size": 32, "seconds": 1.28, "classes_per_task": 1, "train_clips": 6, "test_clips": 2},
        "preprocessing": {"mel_bins": 64},
    },
}


def write_distribution(
    folder: Path,
    name: str,
    plugins: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    version: str = "1.0",
    entry_points: str | None = None,
    kind: str = "strategies",
) -> None:
    """Write a distribution into `folder`: `plugins` of one kind by name -> target, and its other `files`."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{key} = {target}\n" for key, target in (plugins or {}).items())
    (metadata / "entry_points.txt").write_text(entry_points or f"[avbench.{kind}]\n{lines}")
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

"""A whole run that takes seconds: eight tasks of one class each, 24 steps of a very small model."""

from __future__ import annotations

from typing import Any

from avbench import registry

TINY: dict[str, Any] = {
    "threads": 1,
    "device": "cpu",
    "clip": {"image_size": 32, "audio_frames": 64, "mel_bins": 64, "patch": 16},
    "model": {"width": 16, "heads": 2, "unimodal_depth": 1, "decoder_width": 16, "decoder_heads": 2, "mask_ratio": 0.7},
    "training": {
        "epochs": 3,
        "batch_size": 6,
        "base_weights": None,
        "log_every": 1,
        "checkpoint_minutes": 0.0005,
    },
    "evaluation": {"examples": 2},
    "data": {
        "jobs": 1,
        "world": {
            "image_size": 32,
            "seconds": 1.28,
            "classes_per_task": 1,
            "train_clips": 6,
            "test_clips": 3,
        },
        "preprocessing": {"mel_bins": 64},
    },
}
STEPS = 24


def options(strategy: str) -> dict[str, Any]:
    """A memory that overflows during the run, for the methods that have one."""
    fields = registry.find("strategies", strategy).load().Config.model_fields
    if "memory" not in fields:
        return {}
    return {"options": {"memory": 30 if "candidates" in fields else 12}}

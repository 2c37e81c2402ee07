"""The embedded procedural audio-video world. It needs no download, and the truth about every clip is known."""

from avbench.data.world.config import VERSION, WorldConfig
from avbench.data.world.keys import ClipKey, Split
from avbench.data.world.truth import ObjectTruth, Truth
from avbench.data.world.world import World, WorldClip, WorldTask

__all__ = [
    "VERSION",
    "ClipKey",
    "ObjectTruth",
    "Split",
    "Truth",
    "World",
    "WorldClip",
    "WorldConfig",
    "WorldTask",
]

"""The truth of a rendered clip, brought into the frames and spectrogram columns of its evaluation view."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from avbench.benchmarks.streams import ClipTruth
from avbench.config import ClipShape
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.transforms import evaluation_frames, resize
from avbench.data.world import ClipKey, World
from avbench.data.world.picture import draw_frames
from avbench.data.world.scene import EVENT_FADE, Actor, Floats

Bools = NDArray[np.bool_]


def truth_in_view(
    world: World, key: ClipKey, preprocessing: Preprocessing, sampling: Sampling, shape: ClipShape
) -> ClipTruth:
    """Who sounds where and when in a clip that is stored and sampled like this, `world`'s frames being the stored ones.

    A frame is heard while a source is inside its gate, between the events of a struck one too. A column is active
    inside the gate of a steady source, and for `EVENT_FADE` seconds after each event of a struck one, while it moves
    and lights up for it; what rings on is heard longer.
    """
    scene, config = world.scene(key), world.config
    times = world.frame_times()[evaluation_frames(preprocessing, sampling, shape)]
    # The sound, which takes most of the time of rendering a clip, is not needed, nor is the noise in the picture.
    _, masks = draw_frames(scene, times, config.image_size, config.salience, noise=0.0)
    sources = [actor for actor in scene.actors if actor.sounds]
    return ClipTruth(
        sources=_resized(_union(masks, [actor.sounds for actor in scene.actors]), shape.image_size),
        heard=_any(actor.gate(times) > 0 for actor in sources),
        silent=_resized(_union(masks, [not actor.sounds for actor in scene.actors]), shape.image_size),
        active=_any(_active(actor, _column_times(preprocessing)) for actor in sources),
    )


def _union(masks: list[Bools], wanted: list[bool]) -> Bools:
    chosen = [mask for mask, one in zip(masks, wanted, strict=True) if one]
    return _any(chosen) if chosen else np.zeros_like(masks[0])


def _any(flags: Iterable[Bools]) -> Bools:
    return np.asarray(np.logical_or.reduce(list(flags)))


def _resized(mask: Bools, size: int) -> Bools:
    """(frames, S, S) -> (frames, size, size): what covers more than half of a pixel when resized as the frames are."""
    share = resize(torch.from_numpy(mask).to(torch.uint8).mul_(255)[:, None], size)
    return np.asarray(share[:, 0].numpy() > 127)


def _column_times(preprocessing: Preprocessing) -> Floats:
    """(T,), seconds: the middles of the stretches of sound that the columns are made of."""
    shift, length = preprocessing.frame_shift_ms, preprocessing.frame_length_ms
    return (np.arange(preprocessing.audio_frames) * shift + length / 2) / 1000


def _active(actor: Actor, times: Floats) -> Bools:
    """(n,): whether a source acts at `times`."""
    since = times[:, None] - actor.events
    struck = ((since >= 0) & (since < EVENT_FADE)).any(axis=1)
    return np.asarray((actor.gate(times) > 0) & (struck | actor.identity.family.steady))

"""How well a map points at what sounds, in the picture or in time, beside maps that can't have listened.

Each clip's map is enlarged bilinearly to the size of the truth and scaled to 0..1 over the whole clip, as STELLA's are
for drawing. Scored are the frames in which a source is heard and visible; a clip's score is the mean over them. In
time, a clip is one frame with one row: the columns of its spectrogram, of which those in which a source acts are to be
found. The measures:

- `pointing`: whether the highest value lies on a source (the pointing game; Zhang et al., ECCV 2016).
- `iou`: intersection over union of the source and of where the map is at least 0.5.
- `auc`: area under the share of frames with at least that IoU, over thresholds 0, 0.05, ... 1 (Senocak et al., CVPR
  2018); that is the mean IoU, coarsely rounded.
- `pixel_auc`: how often a pixel of a source is above one that is of none, the area under the ROC curve; 50 % by chance.
- `preference`: whether the map is higher on the sources than on silent objects, on average; 50 % by chance.

A map of what is conspicuous scores well on all of them without listening. Therefore `centre_prior`, `saliency` and
`loudness`, and, for every map, the same map asked with the other half of a clip of another class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.evaluation.maps import enlarged
from avbench.results.localisation import Measure
from avbench.seeding import derive_seed

MEASURES: tuple[Measure, ...] = ("pointing", "iou", "auc", "pixel_auc", "preference")
THRESHOLD = 0.5  # of a map scaled to 0..1
CHANCE_DRAWS = 4  # of a random map for each clip
CENTRE_WIDTH = 0.25  # standard deviation of the centre prior, of the picture's side or the clip's length

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Scores = Mapping[Measure, Floats]
"""Per measure (B,) in 0..1, one value per clip; NaN where it is not defined."""

_IOU_STEPS = np.linspace(0, 1, 21)


def score(maps: NDArray[Any], sources: Bools, scored: Bools, silent: Bools | None = None) -> dict[Measure, Floats]:
    """The scores of one map per clip.

    Args:
        maps: float (B, frames, rows, columns), finite.
        sources: bool (B, frames, H, W).
        scored: bool (B, frames), the frames that count; those that have no source, or nothing else, never do.
        silent: bool (B, frames, H, W), silent objects; None where they are not known: then there is no `preference`.
    """
    large = enlarged(maps, sources.shape[2:])
    rows = [
        _clip_score(large[clip], sources[clip], scored[clip], None if silent is None else silent[clip])
        for clip in range(len(large))
    ]
    table = np.asarray(rows).reshape(len(rows), len(MEASURES))
    return {name: table[:, place] for place, name in enumerate(MEASURES) if silent is not None or name != "preference"}


def _clip_score(large: Floats, sources: Bools, scored: Bools, silent: Bools | None) -> Floats:
    frames = [frame for frame in np.flatnonzero(scored) if sources[frame].any() and not sources[frame].all()]
    if not frames:
        return np.full(len(MEASURES), np.nan)
    rows = [_frame_score(large[f], sources[f], None if silent is None else silent[f]) for f in frames]
    *visible, preferred = np.asarray(rows).T
    known = preferred[~np.isnan(preferred)]
    return np.asarray([*(column.mean() for column in visible), known.mean() if len(known) else np.nan])


def _frame_score(values: Floats, source: Bools, silent: Bools | None) -> tuple[float, ...]:
    chosen = values >= THRESHOLD
    overlap = (chosen & source).sum() / (chosen | source).sum()
    success = overlap >= _IOU_STEPS
    return (
        float(source[values == values.max()].mean()),  # of several highest pixels, their share
        float(overlap),
        float(((success[1:] + success[:-1].astype(float)) / 2).mean()),
        _above(values[source], values[~source]),
        np.nan if silent is None or not silent.any() else _order(values[source].mean(), values[silent].mean()),
    )


def _above(inside: Floats, outside: Floats) -> float:
    """How often a value of `inside` is above one of `outside`; equal ones count half."""
    outside = np.sort(outside)
    below = np.searchsorted(outside, inside, side="left") + np.searchsorted(outside, inside, side="right")
    return float(below.mean() / 2 / len(outside))


def _order(first: float, second: float) -> float:
    return 0.5 if first == second else float(first > second)


# --- maps that have not listened --------------------------------------------------------------------------------------


def random_maps(clips: int, grid: Sequence[int], draw: int) -> Floats:
    """Uniform noise (B, frames, rows, columns), the same for the same `draw`."""
    return np.random.default_rng(derive_seed(draw, "localisation", "chance")).random((clips, *grid))


def centre_prior(clips: int, grid: Sequence[int]) -> Floats:
    """A fixed Gaussian around the middle of every frame (B, frames, rows, columns)."""
    frames, *sides = grid
    rows, columns = (((np.arange(side) + 0.5) / side - 0.5) ** 2 for side in sides)
    bump = np.exp(-(rows[:, None] + columns) / (2 * CENTRE_WIDTH**2))
    return np.broadcast_to(bump, (clips, frames, *sides))


def saliency(video: NDArray[np.uint8], grid: Sequence[int]) -> Floats:
    """How colourful each patch is: (B, frames, 3, H, W) -> (B, frames, rows, columns), the mean of max - min RGB."""
    return _patch_means(video.max(axis=2).astype(np.float64) - video.min(axis=2), grid)


def loudness(audio: NDArray[Any], grid: Sequence[int]) -> Floats:
    """How loud each column of patches is: log-mel (B, 1, T, F) -> (B, 1, 1, columns), the mean over frequency."""
    return _patch_means(audio.astype(np.float64).mean(axis=3)[:, :, None], grid)


def _patch_means(values: Floats, grid: Sequence[int]) -> Floats:
    """(B, frames, H, W) -> (B, frames, rows, columns)."""
    clips, frames, height, width = values.shape
    rows, columns = grid[1:]
    patches = values.reshape(clips, frames, rows, height // rows, columns, width // columns)
    return np.asarray(patches.mean(axis=(3, 5)))


def of_another_class(labels: Sequence[str]) -> NDArray[np.int64] | None:
    """For each clip the index of one of another class, (B,), each clip once; None where there is no such order.

    Sorted by class and turned by half its length, a list in which no class has more than half can't meet itself.
    """
    count = len(labels)
    order = sorted(range(count), key=lambda row: labels[row])
    partner = np.empty(count, dtype=np.int64)
    for place, row in enumerate(order):
        partner[row] = order[(place + count // 2) % count]
    different = all(labels[row] != labels[other] for row, other in enumerate(partner.tolist()))
    return partner if count and different else None


# --- summaries --------------------------------------------------------------------------------------------------------


def means(*scores: Scores) -> dict[Measure, float]:
    """The mean of each measure over the clips that have it, in percent; a measure that none has is left out.

    Args:
        scores: of the same clips, one or several times.
    """
    pooled = {name: np.concatenate([one[name] for one in scores]) for name in scores[0]}
    known = {name: values[~np.isnan(values)] for name, values in pooled.items()}
    return {name: 100 * float(values.mean()) for name, values in known.items() if len(values)}


def gains(own: Scores, other: Scores) -> dict[Measure, tuple[float, float]]:
    """`own` minus `other`, paired by clip: mean in points and the half-width of its 95 % interval over clips.

    A measure that fewer than two clips have is left out. The interval is the normal one: other clips, the same network.
    """
    found = {}
    for name, values in own.items():
        change = values - other[name]
        change = 100 * change[~np.isnan(change)]
        if len(change) > 1:
            found[name] = float(change.mean()), float(1.96 * change.std(ddof=1) / np.sqrt(len(change)))
    return found

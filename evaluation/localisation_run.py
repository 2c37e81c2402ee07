"""The localisation test of a run: some of its clips whose truth is known, and what the run's network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avbench.batch import Batch
from avbench.config import ClipShape
from avbench.data.store import collate
from avbench.evaluation import localisation
from avbench.evaluation.attention import Look, exchanged_maps
from avbench.evaluation.localisation import Scores
from avbench.evaluation.maps import Maps
from avbench.results.localisation import Control, Domain, Gain, Localisation, MapScore

if TYPE_CHECKING:
    from avbench.benchmarks.streams import ClipTruth

Moment = Literal["before", "after"]


@dataclass(frozen=True)
class LocalisationTest:
    """N clips and their truth. Build it with `choose`.

    Attributes:
        audio: float16 (N, 1, T, F), video: uint8 (N, frames, 3, H, W): the clips in wire format.
        truth: of each clip.
        partner: int (N,), for each clip one of another class.
        shape: the shape of one clip, for the grids of its maps.
    """

    clip_ids: tuple[str, ...]
    audio: Tensor
    video: Tensor
    truth: tuple[ClipTruth, ...]
    partner: NDArray[np.int64]
    shape: ClipShape

    @staticmethod
    def choose(
        clip_ids: Sequence[str],
        fetch: Callable[[str], dict[str, Any]],
        truth_of: Callable[[str], ClipTruth | None],
        label_of: Callable[[str], str],
        shape: ClipShape,
        count: int = 128,
    ) -> LocalisationTest | None:
        """A test on at most `count` of the clips, evenly spread; None where none has a truth, or all are of one class.

        Args:
            fetch: clip id -> its evaluation view in wire format.
            truth_of, label_of: clip id -> truth and class.
        """
        count = min(count, len(clip_ids))
        spread = [clip_ids[place * len(clip_ids) // count] for place in range(count)]
        known = {clip_id: truth for clip_id in spread if (truth := truth_of(clip_id)) is not None}
        partner = localisation.of_another_class([label_of(clip_id) for clip_id in known])
        if partner is None:
            return None
        wire = collate([fetch(clip_id) for clip_id in known])
        return LocalisationTest(tuple(known), wire["audio"], wire["video"], tuple(known.values()), partner, shape)

    def extend(self, known: Localisation | None, look: Look, device: torch.device, moment: Moment) -> Localisation:
        """`known` with the scores of a network before training or after the last experience.

        Args:
            look: the network's maps; it is given all N clips at once.
            device: the network's.
        """
        batch = Batch.from_wire(self.audio, self.video, self.clip_ids, device)
        own, exchanged = look(batch), exchanged_maps(look, batch, torch.from_numpy(self.partner).to(device))
        known = known or self._controls()
        changes = {}
        for name, domain in self._domains().items():
            scores = {kind: _map_score(domain.of(maps), domain.of(exchanged[kind])) for kind, maps in own.items()}
            if (before := getattr(known, name)) is not None:
                changes[name] = before.model_copy(update={moment: scores})
        return known.model_copy(update=changes)

    def _controls(self) -> Localisation:
        """The scores of maps that have not listened; a domain in which nothing is to be found is left out."""
        found = {}
        for name, domain in self._domains().items():
            scores = {control: [domain.score(maps) for maps in drawn] for control, drawn in domain.unheard().items()}
            scored = int((~np.isnan(scores["centre"][0]["pointing"])).sum())
            if scored:
                controls = {control: localisation.means(*values) for control, values in scores.items()}
                found[name] = Domain(clips=scored, controls=controls)
        return Localisation(**found)

    def _domains(self) -> dict[str, _Domain]:
        clips, grid, columns = len(self.truth), self.shape.video_grid, (1, 1, self.shape.audio_grid[0])
        domains = {
            "picture": _Domain(clips, grid, localisation.saliency(self.video.numpy(), grid), _video, self._in_picture)
        }
        if all(truth.active is not None for truth in self.truth):
            domains["time"] = _Domain(
                clips, columns, localisation.loudness(self.audio.numpy(), columns), _time, self._in_time
            )
        return domains

    def _in_picture(self, maps: NDArray[Any]) -> Scores:
        """Scores of maps (N, frames, rows, columns)."""
        silent = [truth.silent for truth in self.truth if truth.silent is not None]
        return localisation.score(
            maps,
            np.stack([truth.sources for truth in self.truth]),
            np.stack([truth.heard for truth in self.truth]),
            np.stack(silent) if len(silent) == len(self.truth) else None,
        )

    def _in_time(self, maps: NDArray[Any]) -> Scores:
        """Scores of maps (N, 1, 1, columns)."""
        active = np.stack([truth.active for truth in self.truth if truth.active is not None])[:, None, None]
        return localisation.score(maps, active, np.ones((len(active), 1), dtype=bool))


@dataclass(frozen=True)
class _Domain:
    """Picture or time: the grid (frames, rows, columns) of its maps, what is salient there, and how it is scored."""

    clips: int
    grid: tuple[int, int, int]
    salient: NDArray[Any]
    part: Callable[[Maps], NDArray[Any]]
    score: Callable[[NDArray[Any]], Scores]

    def of(self, maps: Maps) -> Scores:
        return self.score(self.part(maps))

    def unheard(self) -> dict[Control, list[NDArray[Any]]]:
        draws = range(localisation.CHANCE_DRAWS)
        return {
            "chance": [localisation.random_maps(self.clips, self.grid, draw) for draw in draws],
            "centre": [localisation.centre_prior(self.clips, self.grid)],
            "saliency": [self.salient],
        }


def _video(maps: Maps) -> NDArray[Any]:
    return maps.video


def _time(maps: Maps) -> NDArray[Any]:
    """The mean over frequency, (B, 1, 1, columns)."""
    return np.asarray(maps.audio.mean(axis=2)[:, None, None])


def _map_score(own: Scores, exchanged: Scores) -> MapScore:
    gained = localisation.gains(own, exchanged)
    gain = {name: Gain(points=points, margin=margin) for name, (points, margin) in gained.items()}
    return MapScore(own=localisation.means(own), exchanged=localisation.means(exchanged), gain=gain)

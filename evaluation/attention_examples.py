"""A few clips of a run whose maps are drawn, always the same ones, and each one's partner of an earlier task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from avbench.batch import Batch
from avbench.data.store import collate
from avbench.evaluation.attention import Look, exchanged_maps
from avbench.evaluation.attention_files import ExampleClips as ExampleClips
from avbench.evaluation.attention_files import SavedMaps as SavedMaps

if TYPE_CHECKING:
    from avbench.benchmarks.streams import ClipTruth


def choose_examples(
    groups: Sequence[Sequence[str]],
    count: int,
    fetch: Callable[[str], dict[str, Any]],
    label_of: Callable[[str], str],
    truth_of: Callable[[str], ClipTruth | None],
) -> ExampleClips | None:
    """At most `count` clips from tasks evenly spread over the stream, and from different places in their lists.

    None when there is nothing to choose. The same lists always give the same clips.

    Args:
        groups: per task, the clips to choose from.
        fetch, label_of, truth_of: clip id -> its evaluation view in wire format, its class, and its truth.
    """
    chosen: dict[str, int] = {}
    for number in range(count):
        task = round(number * (len(groups) - 1) / max(count - 1, 1))
        place = (2 * number + 1) * len(groups[task]) // (2 * count)
        chosen.setdefault(groups[task][place], task)
    if not chosen:
        return None
    tasks = list(chosen.values())
    earlier = [max((i for i in range(row) if tasks[i] < tasks[row]), default=-1) for row in range(len(tasks))]
    wire = collate([fetch(clip_id) for clip_id in chosen])
    truth = [one for clip_id in chosen if (one := truth_of(clip_id)) is not None]
    return ExampleClips(
        clip_ids=tuple(chosen),
        labels=tuple(label_of(clip_id) for clip_id in chosen),
        task_of=np.array(tasks),
        partner=np.array(earlier),
        audio=wire["audio"].numpy(),
        video=wire["video"].numpy(),
        sources=_stacked([one.sources for one in truth], len(chosen)),
        active=_stacked([one.active for one in truth if one.active is not None], len(chosen)),
    )


def maps_of_examples(look: Look, clips: ExampleClips, device: torch.device) -> SavedMaps:
    """The maps of `clips` by a network on `device`."""
    batch = Batch.from_wire(torch.from_numpy(clips.audio), torch.from_numpy(clips.video), clips.clip_ids, device)
    rows = np.arange(len(clips.clip_ids))
    partner = torch.from_numpy(np.where(clips.partner < 0, rows, clips.partner)).to(device)
    return SavedMaps(dict(look(batch)), exchanged_maps(look, batch, partner))


def _stacked(truth: Sequence[NDArray[np.bool_]], count: int) -> NDArray[np.bool_] | None:
    return np.stack(truth) if len(truth) == count else None

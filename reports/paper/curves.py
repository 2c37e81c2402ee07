"""The curves, bars and scatter plots of STELLA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from avbench.reports.paper.declaration import Change, Item, Variant
from avbench.reports.paper.methods import BASELINES, EVERY, FINETUNE, LEARNERS, MULTITASK, STELLA, STELLA_PLUS, named

_NO_NUMBERS = "The figure has no printed numbers"

FIGURE_5 = Item(
    "figure5",
    "STELLA, Figure 5",
    "Retrieval along the stream",
    EVERY,
    "stream",
    unknown=(
        f"{_NO_NUMBERS}, and our sources don’t say what its curves or bars show. In their place stands what the "
        "authors’ released tools draw of retrieval along the stream: recall of the tasks trained so far, and of each "
        "task from when it was trained."
    ),
)

FIGURE_6 = Item(
    "figure6",
    "STELLA, Figure 6",
    "Modality gap along the stream, and embeddings at its end",
    LEARNERS,
    "gap_and_embeddings",
    ("stella_gaps",),
    tasks=("music",),
    shown=("ESMER", "STELLA"),
    unknown="Which methods its left part shows is not in our sources; drawn are all but Multitask.",
)

FIGURE_10 = Item(
    "figure10",
    "STELLA, Figure 10",
    "Decline and accumulated modality gap",
    LEARNERS,
    "gap_and_decline",
    unknown=(
        f"{_NO_NUMBERS}. Part (b) is the accumulated gap; part (a) is not described in our sources, and the decline of "
        "the gap stands in its place, the one bar plot of gaps in the authors’ released tools. The paper’s is of "
        "Continual-AS: --bench continual-as."
    ),
)

FIGURE_11 = Item(
    "figure11",
    "STELLA, Figure 11",
    "Embeddings of audio and video at the end",
    named("CLS-ER", "LUMP", "ESMER", "STELLA"),
    "embeddings",
    ("stella_gaps",),
    tasks=("sports", "human"),
    unknown=(
        "Printed are the gaps of sports on Continual-VS (CLS-ER, ESMER, STELLA) and of human on Continual-AS (LUMP, "
        "ESMER, STELLA); that they belong to this figure, and those of music to Figure 6, is our reading."
    ),
)


def _sizes(variant: Variant) -> tuple[Variant, ...]:
    """A method with a quarter, half and all of the profile’s rehearsal memory; the paper’s are 500, 1000 and 2000."""
    return tuple(
        replace(variant, label=f"{variant.label}, memory × {factor:g}", changes=changes, group=variant.label)
        for factor, changes in ((0.25, _smaller(variant, 0.25)), (0.5, _smaller(variant, 0.5)), (1.0, ()))
    )


def _smaller(variant: Variant, factor: float) -> tuple[Change, ...]:
    memory = Change("options.memory", partial(_memory, factor))
    candidates = Change("options.candidates", partial(_candidates, factor))
    return (memory, candidates) if variant.strategy == "mir" else (memory,)


def _memory(factor: float, values: Mapping[str, Any]) -> int:
    """A share of the profile’s memory, but what a step replays at least."""
    memory: int = values["options"]["memory"]
    batch: int = values["training"]["batch_size"]
    return max(round(factor * memory), batch)


def _candidates(factor: float, values: Mapping[str, Any]) -> int:
    """As many batches as the profile has, or as the memory holds."""
    candidates: int = values["options"]["candidates"]
    batch: int = values["training"]["batch_size"]
    return min(candidates, _memory(factor, values) // batch)


FIGURE_12 = Item(
    "figure12",
    "STELLA, Figure 12",
    "Retrieval against the size of the rehearsal memory",
    (FINETUNE, *(row for one in (*BASELINES, STELLA, STELLA_PLUS) for row in _sizes(one)), MULTITASK),
    "memory",
    unknown=(
        f"{_NO_NUMBERS}, and our sources don’t say what its curves or bars show. In their place stands the one "
        "comparison of the paper’s settings that no table prints and the authors’ released tools draw: accuracy with "
        "memories of 500, 1000 and 2000 clips, here a quarter, half and all of the profile’s, but a batch of clips at "
        "least; where MIR’s candidates do not fit a memory there are fewer, with one batch of them it is ER."
    ),
)

ITEMS = (FIGURE_5, FIGURE_6, FIGURE_10, FIGURE_11, FIGURE_12)

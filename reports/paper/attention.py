"""The figures of attention maps, of both papers."""

from __future__ import annotations

from avbench.reports.paper.declaration import Item
from avbench.reports.paper.methods import named

_WHICH = "Which methods and clips the paper shows is not in our sources"

FIGURE_2 = Item(
    "figure2",
    "STELLA, Figure 2",
    "What one clip’s sound points to after each task",
    named("DER++", "STELLA"),
    "maps",
    unknown=f"{_WHICH}; drawn are DER++ and STELLA, and the clip of the first task.",
    clips=1,
)

FIGURE_7 = Item(
    "figure7",
    "STELLA, Figure 7",
    "Sound-source localisation at the end of the stream",
    named("Finetune", "ER", "DER++", "ESMER", "STELLA"),
    "localisation",
    unknown=(
        f"{_WHICH}; drawn are Finetune, ER, DER++, ESMER and STELLA. The paper’s clips are of AVE; these are of the "
        "benchmark that was trained on. The paper prints no scores; ours stand below, with their controls."
    ),
)

FIGURE_13 = Item(
    "figure13",
    "STELLA, Figure 13",
    "What the sound of more clips points to after each task",
    named("DER++", "STELLA"),
    "maps",
    unknown=(
        f"{_WHICH}, nor what tells Figures 13 and 14 apart; here one shows pictures and the other spectrograms, of "
        "every example clip, by DER++ and STELLA."
    ),
)

FIGURE_14 = Item(
    "figure14",
    "STELLA, Figure 14",
    "What the pictures of more clips point to in their sound after each task",
    named("DER++", "STELLA"),
    "maps",
    unknown=FIGURE_13.unknown,
    modality="audio",
)

FLAVA_FIGURE_3 = Item(
    "flava-figure3",
    "FLAVA, Figure 3",
    "Attention drawn by an unmatched partner from the past",
    named("DER++", "STELLA"),
    "partner",
    unknown=f"{_WHICH}; drawn are DER++ and STELLA, and pictures asked with a sound of an earlier task.",
    clips=1,
)

FLAVA_FIGURE_16 = Item(
    "flava-figure16",
    "FLAVA, Figure 16",
    "Attention drawn by an unmatched partner from the past, more clips",
    named("DER++", "STELLA"),
    "partner",
    unknown=f"{_WHICH}; drawn are DER++ and STELLA, and every example clip that has an earlier one.",
)

ITEMS = (FIGURE_2, FIGURE_7, FIGURE_13, FIGURE_14, FLAVA_FIGURE_3, FLAVA_FIGURE_16)

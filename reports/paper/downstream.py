"""Tables whose numbers come from downstream tasks, which are not there yet."""

from __future__ import annotations

from avbench.reports.paper.declaration import Item
from avbench.reports.paper.methods import EVERY

_FORMAT = "{} is not there yet; it starts from the runs of Table 1, which can be made now"

TABLE_4 = Item(
    "table4",
    "STELLA, Table 4",
    "Downstream: MSR-VTT retrieval, audio-video classification, segmentation",
    EVERY,
    "retrieval",
    ("stella_table4a", "stella_table4b", "stella_table4c"),
    missing=_FORMAT.format("fine-tuning on MSR-VTT, audio-video classification and segmentation of AVSBench"),
)

TABLE_8 = Item(
    "table8",
    "STELLA, Table 8",
    "Downstream: MSR-VTT retrieval from Continual-AS, event localisation on AVE",
    EVERY,
    "retrieval",
    ("stella_table8a", "stella_table8b"),
    missing=_FORMAT.format("fine-tuning on MSR-VTT and event localisation on AVE"),
)

FLAVA_TABLE_4 = Item(
    "flava-table4",
    "FLAVA, Table 4",
    "Audio-video classification after each task",
    EVERY,
    "retrieval",
    ("flava_table4",),
    missing=_FORMAT.format("audio-video classification of every checkpoint"),
)

ITEMS = (TABLE_4, TABLE_8, FLAVA_TABLE_4)

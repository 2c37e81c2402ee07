"""Tables of what the backbones are good for beside the retrieval they were followed by."""

from __future__ import annotations

from avbench.reports.headline import TITLES
from avbench.reports.paper.declaration import Column, Item, Judged, Variant
from avbench.reports.paper.methods import BASELINES, EVERY, FINETUNE, MULTITASK

RETRIEVAL = Judged(
    "retrieval",
    "Retrieval after fine-tuning",
    tuple(
        Column(f"R@{k}", (f"R@{k} {way}",), f"{way}.R@{k}", title) for way, title in TITLES.items() for k in (1, 5, 10)
    ),
)
CLASSIFICATION = Judged(
    "classification", "Audio-video classification", (Column("accuracy", ("top-1", "mAP"), "accuracy"),)
)
SEGMENTATION = Judged("segmentation", "Audio-video segmentation", (Column("MIoU", ("MIoU",), "mean_iou"),))
EVENTS = Judged("events", "Event localisation", (Column("accuracy", ("accuracy",), "accuracy"),))
CHECKPOINTS = Judged(
    "classification",
    "Audio-video classification after every task",
    (
        Column("A", ("top-1", "mAP"), "accuracy", deviation="accuracy_deviation"),
        Column("F", ("top-1", "mAP"), "", summary="forgetting_paper"),
        Column(
            *("F official", ("top-1", "mAP"), "forgetting"),
            summary="forgetting_official",
            deviation="forgetting_deviation",
        ),
    ),
    variant="flava",
    checkpoint="all",
)

TABLE_4 = Item(
    "table4",
    "STELLA, Table 4",
    "Downstream: retrieval after fine-tuning, audio-video classification, segmentation",
    EVERY,
    "downstream",
    ("stella_table4a", "stella_table4b", "stella_table4c"),
    judged=(RETRIEVAL, CLASSIFICATION, SEGMENTATION),
)

TABLE_8 = Item(
    "table8",
    "STELLA, Table 8",
    "Downstream: retrieval after fine-tuning from Continual-AS, event localisation",
    EVERY,
    "downstream",
    ("stella_table8a", "stella_table8b"),
    judged=(RETRIEVAL, EVENTS),
)

FLAVA_TABLE_4 = Item(
    "flava-table4",
    "FLAVA, Table 4",
    "Audio-video classification after each task",
    (FINETUNE, *BASELINES[:-1], Variant("FLAVA", "stella"), Variant("FLAVA+", "stella-plus"), MULTITASK),
    "downstream",
    ("flava_table4",),
    judged=(CHECKPOINTS,),
    unknown=(
        "Which clips and classes a head learns after an early task. Here every network is judged by a head that learns "
        "all classes of the stream."
    ),
)

ITEMS = (TABLE_4, TABLE_8, FLAVA_TABLE_4)

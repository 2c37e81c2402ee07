"""The methods of the papers under their printed names, and the rows that several tables share."""

from __future__ import annotations

from avbench.reports.paper.declaration import Change, Variant

FINETUNE, MULTITASK = Variant("Finetune", "finetune"), Variant("Multitask", "multitask")
STELLA, STELLA_PLUS = Variant("STELLA", "stella"), Variant("STELLA+", "stella-plus")
BASELINES = (
    Variant("ER", "er"),
    Variant("MIR", "mir"),
    Variant("DER++", "derpp"),
    Variant("GMED", "gmed"),
    Variant("CLS-ER", "cls-er"),
    Variant("LUMP", "lump"),
    Variant("ESMER", "esmer"),
)
LEARNERS = (FINETUNE, *BASELINES, STELLA, STELLA_PLUS)
EVERY = (*LEARNERS, MULTITASK)


def named(*labels: str) -> tuple[Variant, ...]:
    """Some of them, by printed name."""
    known = {variant.label: variant for variant in EVERY}
    return tuple(known[label] for label in labels)


def stella(label: str, *changes: Change) -> Variant:
    """STELLA with something changed."""
    return Variant(label, "stella", changes)

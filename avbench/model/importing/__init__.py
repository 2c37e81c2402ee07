"""Weights of other models as ours: which tensor comes from where, tensors in and tensors out.

No module in here knows a file; `avbench.weight_import` reads and writes them.
"""

from avbench.model.importing.authors import Authors
from avbench.model.importing.cav_mae import CAVMAE
from avbench.model.importing.mae import MAE, TimmMAE
from avbench.model.importing.source import CheckpointSource

SOURCES: dict[str, type[CheckpointSource]] = {
    "mae": MAE,
    "timm-mae": TimmMAE,
    "cav-mae": CAVMAE,
    "authors": Authors,
}

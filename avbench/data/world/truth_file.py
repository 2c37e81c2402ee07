"""Truth on disk: one compressed `.npz` a clip, arrays and JSON only, nothing that could be executed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

import numpy as np

from avbench.data.world.scene import Factors
from avbench.data.world.truth import ObjectTruth, Truth

_FACTS = ("clip_id", "class_name", "task", "class_index", "snr_db")
_OBJECT_FACTS = ("name", "kind", "sounds", "pitch_hz")
_ARRAYS = ("centre", "events", "gates", "activity")


def write_truth(file: IO[bytes], truth: Truth) -> None:
    """Writes `truth` to an open file.

    Arrays: `times`; of object `k` `k_mask` (bits of the (frames, H, W) mask, `numpy.packbits`), `k_centre`, `k_events`,
    `k_gates`, `k_activity`; and `facts`, a JSON text with the rest.
    """
    facts: dict[str, Any] = {name: getattr(truth, name) for name in _FACTS}
    facts["mask_shape"] = truth.objects[0].mask.shape
    facts["objects"] = [
        {name: getattr(thing, name) for name in _OBJECT_FACTS} | {"factors": asdict(thing.factors)}
        for thing in truth.objects
    ]
    arrays = {"times": truth.times, "facts": np.array(json.dumps(facts))}
    for number, thing in enumerate(truth.objects):
        arrays[f"{number}_mask"] = np.packbits(thing.mask)
        arrays |= {f"{number}_{name}": getattr(thing, name) for name in _ARRAYS}
    np.savez_compressed(file, allow_pickle=False, **arrays)


def read_truth(file: IO[bytes]) -> Truth:
    """What `write_truth` wrote."""
    with np.load(file, allow_pickle=False) as arrays:
        facts = json.loads(str(arrays["facts"]))
        shape = tuple(facts.pop("mask_shape"))
        objects = tuple(
            ObjectTruth(
                **{**thing, "factors": Factors(**thing["factors"])},
                mask=np.unpackbits(arrays[f"{number}_mask"], count=int(np.prod(shape))).astype(bool).reshape(shape),
                **{name: arrays[f"{number}_{name}"] for name in _ARRAYS},
            )
            for number, thing in enumerate(facts.pop("objects"))
        )
        return Truth(**facts, times=arrays["times"], objects=objects)

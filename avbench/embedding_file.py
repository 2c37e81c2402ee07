"""Files of embeddings, npz or safetensors: arrays, names and labels of the clips, and a card; nothing is pickled.

npz: `audio` and `video`, float32 (N, D); `clip_id`, `label`, `task` and `stream`, text (N,), several labels or streams
of a clip with `; ` between them; `card`, one JSON text. safetensors: `audio` and `video`, the rest as JSON in the
metadata under the same names.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

import avbench
from avbench.embedding import Embeddings
from avbench.errors import RunDirectoryError, UsageError
from avbench.results.atomic import replacing
from avbench.results.journal import now
from avbench.training.weights import check_writable, write_tensors

FORMAT = "avbench-embeddings-1"
SUFFIXES = (".npz", ".safetensors")
BETWEEN = "; "


def check_free(path: Path) -> None:
    """Make sure, before long work, that the file can be written and replaces nothing.

    Raises:
        UsageError: it is there, or its name has another ending.
        CheckpointError: nothing can be written there.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--out {path}: let the name end in {' or '.join(SUFFIXES)}")
    if path.exists():
        raise UsageError(f"{path} exists already; choose another --out, or delete it first")
    check_writable(path)


def write(path: Path, embeddings: Embeddings, network: dict[str, Any]) -> None:
    """Write embeddings, whole or not at all.

    Args:
        network: what computed them, for the card.

    Raises:
        RunDirectoryError: the file can't be written.
    """
    card = {
        "format": FORMAT,
        "avbench": avbench.__version__,
        "created": now(),
        "clips": dict(embeddings.data),
        "network": network,
        "unreadable": {name: list(problem) for name, problem in embeddings.unreadable.items()},
        "embeddings": "audio and video path, unmasked, mean over all tokens, not normalised",
    }
    texts = {
        "clip_id": list(embeddings.clip_ids),
        "label": [BETWEEN.join(labels) for labels in embeddings.labels],
        "task": list(embeddings.tasks),
        "stream": [BETWEEN.join(streams) for streams in embeddings.streams],
    }
    with replacing(path) as temporary:
        if path.suffix == ".npz":
            temporary.write_bytes(_npz(embeddings, texts, card))
            return
        metadata = {name: json.dumps(values) for name, values in texts.items()} | {"card": json.dumps(card)}
        try:
            write_tensors(temporary, {"audio": embeddings.audio, "video": embeddings.video}, metadata)
        except SafetensorError as error:
            raise RunDirectoryError(f"can't write {path}: {error}; nothing of it is left") from None


def _npz(embeddings: Embeddings, texts: dict[str, list[str]], card: dict[str, Any]) -> bytes:
    arrays = {name: np.array(values, dtype=np.str_) for name, values in texts.items()}
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        audio=embeddings.audio.numpy(),
        video=embeddings.video.numpy(),
        card=np.array(json.dumps(card)),
        **arrays,
    )
    return content.getvalue()

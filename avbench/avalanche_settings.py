"""Imported ahead of Avalanche, whose settings file in the home folder must not decide whether avbench runs.

Avalanche reads `~/.avalanche/config.json` when it is imported, and writes it where it is missing. So it can't be
imported where the home folder is read-only or that file is damaged, nor while another process is about to write it.
avbench uses none of the data sets that the file is about: unless it is there and can be read, Avalanche starts from the
same settings, and no file is made.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

SETTINGS = "avalanche.benchmarks.datasets.dataset_utils"


def settle() -> None:
    """Load Avalanche's module of settings alone, with a home folder of its own, where the real one would not do."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (pathlib's fails without a home)
    avalanche = importlib.util.find_spec("avalanche")
    if SETTINGS in sys.modules or avalanche is None or avalanche.origin is None or _readable(home):
        return
    file = Path(avalanche.origin).parent / "benchmarks" / "datasets" / "dataset_utils.py"
    spec = importlib.util.spec_from_file_location(SETTINGS, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        try:
            spec.loader.exec_module(module)
        finally:
            os.environ.pop("HOME")
            if before is not None:
                os.environ["HOME"] = before
    module.set_dataset_root(str(home / ".avalanche" / "data"))
    sys.modules[SETTINGS] = module


def _readable(home: Path) -> bool:
    try:
        found = json.loads((home / ".avalanche" / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("dataset_location"), str)


settle()

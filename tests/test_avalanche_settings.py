"""Avalanche is imported whatever the home folder is like, and nothing is written there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WHERE = """
import os, sys
before = os.environ["HOME"]
from avbench.avalanche_settings import SETTINGS
settings = sys.modules.get(SETTINGS)
print(os.environ["HOME"] == before, settings and settings.default_dataset_location("x"))
"""


def python(code: str, home: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def homes(folder: Path) -> dict[str, Path]:
    for name in ("empty", "half written", "of another kind"):
        (folder / name).mkdir()
    (folder / "file").touch()
    for name, text in {"half written": "", "of another kind": "[1]"}.items():
        (folder / name / ".avalanche").mkdir()
        (folder / name / ".avalanche" / "config.json").write_text(text)
    return {name: folder / name for name in ("empty", "half written", "of another kind", "file", "missing")}


@pytest.mark.parametrize("kind", ["empty", "half written", "of another kind", "file", "missing"])
def test_settings_are_avalanches_own_where_the_home_folder_has_none(tmp_path: Path, kind: str) -> None:
    home = homes(tmp_path)[kind]
    before = sorted(home.rglob("*"))
    assert python(WHERE, home) == f"True {home}/.avalanche/data/x"
    assert sorted(home.rglob("*")) == before


def test_settings_that_are_there_are_left_to_avalanche(tmp_path: Path) -> None:
    (tmp_path / ".avalanche").mkdir()
    (tmp_path / ".avalanche" / "config.json").write_text('{"dataset_location": "/elsewhere"}')
    assert python(WHERE, tmp_path) == "True None"


def test_a_strategy_is_loaded_without_a_home_folder(tmp_path: Path) -> None:
    code = "from avbench.training import strategy; import avalanche.benchmarks.datasets as d; print(d.__name__)"
    assert python(code, homes(tmp_path)["file"]) == "avalanche.benchmarks.datasets"

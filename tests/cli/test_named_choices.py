"""Choices that the command line spells out, so that `--help` loads nothing heavy, are those that there are."""

from __future__ import annotations

from typing import get_args

from avbench.benchmarks.known_datasets import DATASETS
from avbench.cli import data, downstream, weights
from avbench.downstream.run import Which
from avbench.model.importing import SOURCES
from avbench.results.downstream import Backbone


def test_data_sets() -> None:
    assert data.KNOWN.split(", ") == list(DATASETS)


def test_sources_of_weights() -> None:
    assert [str(one) for one in weights.Source] == list(SOURCES)


def test_backbones_and_checkpoints_of_downstream_tasks() -> None:
    assert [str(one) for one in downstream.Backbone] == list(get_args(Backbone))
    assert [str(one) for one in downstream.Which] == list(get_args(Which))

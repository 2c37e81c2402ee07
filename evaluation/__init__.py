"""Evaluation: retrieval recall and forgetting. Nothing here reads a strategy."""

import avbench.avalanche_settings  # noqa: F401 (before Avalanche itself)

"""Benchmarks: streams of clips and their protocols."""

import avbench.avalanche_settings  # noqa: F401 (before Avalanche itself)

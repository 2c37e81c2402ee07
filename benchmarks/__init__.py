"""Benchmarks: streams of clips and their protocols."""

"""Run directories: configuration, journal, results, provenance. Nothing here draws or computes a metric."""

from avbench.results.atomic import replacing, write_atomically
from avbench.results.comparability import comparability_key, config_hash, exam, stable_hash
from avbench.results.directory import RunDirectory
from avbench.results.journal import Event, Journal, now
from avbench.results.provenance import collect_provenance
from avbench.results.schema import (
    SCHEMA_VERSION,
    Caution,
    DirectionResult,
    Efficiency,
    MedianRank,
    MetricSummary,
    PeakMemory,
    Provenance,
    Quarantined,
    Recall,
    Results,
    TaskCoverage,
    TaskResult,
    parse_results,
)

__all__ = [
    "SCHEMA_VERSION",
    "Caution",
    "DirectionResult",
    "Efficiency",
    "Event",
    "Journal",
    "MedianRank",
    "MetricSummary",
    "PeakMemory",
    "Provenance",
    "Quarantined",
    "Recall",
    "Results",
    "RunDirectory",
    "TaskCoverage",
    "TaskResult",
    "collect_provenance",
    "comparability_key",
    "config_hash",
    "exam",
    "now",
    "parse_results",
    "replacing",
    "stable_hash",
    "write_atomically",
]

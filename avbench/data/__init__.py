"""Data: clips on disk or rendered, decoded, transformed and cached. Nothing here knows a model."""

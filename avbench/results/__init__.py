"""Run directories: journal, results schema, provenance. Nothing here draws."""

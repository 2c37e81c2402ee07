"""The command line: one small module per verb. Answers that need no model load neither torch nor Avalanche."""

from avbench.cli.app import app, main

__all__ = ["app", "main"]

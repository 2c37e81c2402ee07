"""The command line: one small module per verb. Answers that need no model load neither torch nor Avalanche."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit status."""
    try:
        from avbench.cli.app import main as run  # takes a while, in which Ctrl-C may come too

        run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("stopped: interrupted before anything was saved\n")
        sys.exit(INTERRUPTED)

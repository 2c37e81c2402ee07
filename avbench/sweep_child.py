"""`python -m avbench.sweep_child ARGUMENTS`: the command line, asked to stop once the process that started it is gone.

The parent holds the other end of standard input, so that it closes however the parent ended, also by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def main() -> None:
    """Run `avbench ARGUMENTS`; at the end of standard input, stop as at SIGTERM: save, and leave."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    from avbench.cli import main as command_line

    command_line(sys.argv[1:])


def _stop_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":  # loader workers that are spawned import this module again
    main()

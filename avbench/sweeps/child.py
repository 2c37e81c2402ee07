"""`python -m avbench.sweeps.child ARGUMENTS`: the command line, stopped once the process that started it is gone."""

from __future__ import annotations

import sys

from avbench.parent import stop_with_parent


def main() -> None:
    """Run `avbench ARGUMENTS`; at the end of standard input, stop as at SIGTERM: save, and leave."""
    stop_with_parent()
    from avbench.cli import main as command_line

    command_line(sys.argv[1:])


if __name__ == "__main__":  # loader workers that are spawned import this module again
    main()

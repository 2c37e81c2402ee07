"""`python -m avbench`, the same as the command `avbench`."""

from avbench.cli import main

if __name__ == "__main__":  # loader workers that are spawned import this module again
    main()

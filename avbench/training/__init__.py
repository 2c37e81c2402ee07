"""The training loop, the base strategy, the rehearsal memory and checkpoints. Nothing here names a method."""

import avbench.avalanche_settings  # noqa: F401 (before Avalanche itself)

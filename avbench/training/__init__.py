"""The training loop, the base strategy, the rehearsal memory and checkpoints. Nothing here names a method."""

"""Downstream tasks: what else a pre-trained backbone is good for. `task.py` is the contract, one file per task."""

"""Multitask: train on all tasks at once, shuffled. The upper bound of every table, and no continual learner.

STELLA, section 5.1: Finetune on the union of the tasks, with as many epochs.
"""

from __future__ import annotations

from avbench.strategies.finetune import Finetune


class Multitask(Finetune):
    """Plain training on the whole stream as one experience (cost: 3 forward units a step)."""

    joint_stream = True

"""What each test example adds to a score that is no mean, such as an F-score: for intervals and paired differences.

The jackknife (Quenouille, 1956; Tukey, 1958) turns a score into values per example by leaving out one after the other.
Their spread is that of the score under other examples, as the spread of a mean's outcomes is; so several seeds, and two
backbones on the same examples, are compared as means are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avbench.evaluation.downstream.task import Floats, Rows

MOST = 1000  # examples; above, leaving out each of them takes too long


def shares(score: Callable[[Rows], float], examples: int, check_stop: Callable[[], None] = lambda: None) -> Floats:
    """(examples,) in percent: pseudo-values n s - (n - 1) s_without_i, moved so that their mean is the score itself.

    Empty for fewer than two examples, for more than `MOST`, and where the score without some example is not defined.

    Args:
        score: over the examples with these row numbers.
        check_stop: called before each example.
    """
    nothing = np.empty(0)
    if not 2 <= examples <= MOST:
        return nothing
    everyone = np.arange(examples)
    whole, without = score(everyone), np.empty(examples)
    for left_out in range(examples):
        check_stop()
        without[left_out] = score(np.delete(everyone, left_out))
    if np.isnan(without).any() or np.isnan(whole):
        return nothing
    return np.asarray(whole + (examples - 1) * (without.mean() - without))

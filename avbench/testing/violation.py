"""What a check of the conformance suite raises."""

from __future__ import annotations


class Violation(AssertionError):
    """A strategy does not keep what is asked of it.

    Args:
        wrong: what is wrong.
        remedy: how to mend it.
    """

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(f"{wrong}\n    mend it: {remedy}")

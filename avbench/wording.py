"""How messages show what somebody gave: in full where it is short, its ends where it is not."""

from __future__ import annotations

import reprlib
from typing import Any

_DIGITS = 40


class _Shortened(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write very long numbers out.
        return repr(x) if abs(x) < 10**_DIGITS else f"a whole number of more than {_DIGITS} digits"


def shortened(value: Any) -> str:
    """`value` as Python writes it, in at most a few hundred characters."""
    return _Shortened().repr(value)

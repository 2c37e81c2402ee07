"""Class names as copies of a data set spell them, brought back to the official spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from avbench.wording import shortened


class Spelling:
    """The official names of a data set's classes.

    Case, commas, underscores and blanks are looked past: copies write `_` for the commas inside names, with or without
    a blank behind.

    Args:
        dataset: its name for people.
        names: the official names.
    """

    def __init__(self, dataset: str, names: Iterable[str]) -> None:
        self.dataset = dataset
        self._official = {_plain(name): name for name in names}

    def official(self, label: str) -> str:
        """The official spelling of `label`.

        Raises:
            ValueError: no class is called so; the message names the nearest.
        """
        plain = _plain(label)
        if plain not in self._official:
            near = get_close_matches(plain, self._official, n=1)
            hint = f"; the nearest is {self._official[near[0]]!r}" if near else ""
            count = len(self._official)
            raise ValueError(f"{shortened(label)} is none of {self.dataset}'s {count} classes{hint}")
        return self._official[plain]


def _plain(label: str) -> str:
    return " ".join(re.split(r"[\s,_]+", label.lower())).strip()

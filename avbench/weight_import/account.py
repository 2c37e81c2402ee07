"""The account of an import in rows that fit a screen: what happened alike to all blocks is one row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from avbench.model.importing.plan import Imported

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_PART = re.compile(r"\.(weight|bias)$")


@dataclass(frozen=True)
class Row:
    """Tensors that are treated alike: numbers of blocks are ranges, and weight and bias are one."""

    target: str
    sources: str
    status: str
    how: str


def condensed(imported: Imported) -> list[Row]:
    """Rows of the model's tensors, in their order, then of the ignored ones of the checkpoint."""
    entries: list[tuple[str, tuple[str, ...], str, str]] = [
        (entry.tensor, entry.sources, entry.status, entry.how) for entry in imported.entries
    ]
    entries += [("", (name,), "ignored", why) for name, why in imported.ignored.items()]
    groups: dict[tuple[str, tuple[str, ...], str, str], list[tuple[str, Sequence[str]]]] = {}
    for target, sources, status, how in entries:
        key = _pattern(target), tuple(map(_pattern, sources)), status, how
        groups.setdefault(key, []).append((target, sources))
    return [
        Row(_together(t for t, _ in members), _sources([s for _, s in members]), status, how)
        for (_, _, status, how), members in groups.items()
    ]


def _sources(members: Sequence[Sequence[str]]) -> str:
    return ", ".join(_together(names) for names in zip(*members, strict=True))


def _together(names: Iterable[str]) -> str:
    """One name for names of the same pattern."""
    different = list(dict.fromkeys(names))
    parts = {match[1] for name in different if (match := _PART.search(name))}
    numbers = sorted({int(match[0]) for name in different if (match := _NUMBER.search(name))})
    stem = _NUMBER.sub(_ranges(numbers), _PART.sub("", different[0]), count=1)
    return f"{stem}.{parts.pop()}" if len(parts) == 1 else stem


def _ranges(numbers: Sequence[int]) -> str:
    runs = (list(run) for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]))
    ends = ((run[0][1], run[-1][1]) for run in runs)
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)


def _pattern(name: str) -> str:
    return _NUMBER.sub("*", _PART.sub("", name))

"""What a rendered table or figure consists of, before it is a page or a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from avbench.reports.headline import Badge

Kind = Literal["ours", "bound", "published"]


@dataclass(frozen=True)
class Number:
    """A value with half of its 95 % interval, as far as both are known."""

    value: float | None = None
    half: float | None = None
    digits: int = 2

    @property
    def text(self) -> str:
        """The value alone, a dash where it is not known."""
        return "–" if self.value is None else _fixed(self.value, self.digits)

    @property
    def margin(self) -> str:
        """Such as `± 1.13`, empty where it is not known."""
        return "" if self.value is None or self.half is None else f"± {_fixed(self.half, self.digits)}"


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        group: what stands above several columns.
        published: its numbers are a paper's.
    """

    title: str
    group: str = ""
    published: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a table; `mark` is a short remark beside its name."""

    name: str
    cells: tuple[Number, ...]
    kind: Kind = "ours"
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """Numbers. Lines of one kind stand together."""

    title: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    note: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """What stands above the columns, and how many columns it spans."""
        found: list[tuple[str, int]] = []
        for head in self.heads:
            if found and found[-1][0] == head.group:
                found[-1] = head.group, found[-1][1] + 1
            else:
                found.append((head.group, 1))
        return found


@dataclass(frozen=True)
class Key:
    """A line of a legend: the CSS colour and what it stands for."""

    colour: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing; `numbers` is what is behind it, shown at once where `opened`."""

    title: str
    svg: Markup
    numbers: Table
    note: str = ""
    legend: tuple[Key, ...] = ()
    opened: bool = False


@dataclass(frozen=True)
class Strip:
    """A row of pictures: data addresses, None where there is none."""

    label: str
    pictures: tuple[str | None, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures in rows and columns."""

    title: str
    heads: tuple[str, ...]
    strips: tuple[Strip, ...]
    note: str = ""


Block = Table | Chart | Gallery


@dataclass(frozen=True)
class Document:
    """A table or figure, ready to be written.

    Attributes:
        name: of the item.
        source: the paper's number.
        badges: words that no picture of it should be without.
        facts: what was run, name and value.
        warnings: what qualifies the numbers.
        unknown: what our sources don't say about the paper's version.
    """

    name: str
    source: str
    title: str
    badges: tuple[Badge, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    unknown: str
    blocks: tuple[Block, ...] = field(default=())

    @property
    def tables(self) -> list[Table]:
        """All numbers, those behind drawings included."""
        return [b if isinstance(b, Table) else b.numbers for b in self.blocks if not isinstance(b, Gallery)]


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"

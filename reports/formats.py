"""Numbers, amounts and moments as people read them; the filters of every page's template."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jinja2

# Bytes that steer a terminal, or that HTML does not allow; tabs and line ends stay.
_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"}


def environment() -> jinja2.Environment:
    """Templates of the reports: everything escaped, nothing undefined, with the functions of this module as filters."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("avbench.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=without_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"bytes": amount_of_bytes, "date": date, "duration": duration, "points": points, "count": count}
    return made


def without_control_characters(value: Any) -> Any:
    """Text with replacement characters for control characters; anything else as it is. For all that a page shows."""
    return value.translate(_CONTROL) if isinstance(value, str) else value


def count(value: int) -> str:
    """12345 -> 12,345."""
    return f"{value:,}"


def points(value: float | None, digits: int = 2) -> str:
    """A percentage or a difference of two; a dash where it is not defined."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def amount_of_bytes(value: float) -> str:
    """2048 -> 2.0 KiB."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def duration(seconds: float) -> str:
    """75 -> 1 min 15 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def date(text: str | None) -> str:
    """An ISO 8601 moment for people; as it is when it is none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return text or "–"
    if moment.tzinfo is None:
        return f"{moment:%d %B %Y, %H:%M}"
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M} UTC"

"""A figure in a page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Drawn:
    """A figure in the page."""

    svg: Markup
    title: str = ""
    key: str = ""  # the direction it belongs to

"""Matplotlib figures as inline SVG that follows the page: its fonts, its colours, light or dark.

Figures are drawn in placeholder colours, one for each role, which become CSS variables; text stays text. The finished
SVG is rebuilt from a short list of known elements and attributes, so that nothing but drawing can be in it.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE, AUDIO, VIDEO, PAPER = (f"#0{i}0{i}0{i}" for i in range(1, 7))
TASKS = tuple(f"#1{i}1{i}1{i}" for i in range(8))  # one for each task, from the start again where there are more
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", AUDIO: "audio", VIDEO: "video", PAPER: "paper"} | {
    colour: f"task-{place}" for place, colour in enumerate(TASKS)
}
_PLACEHOLDER = re.compile("|".join(_VARIABLES))

_ELEMENTS = {"svg", "g", "defs", "path", "use", "clipPath", "rect", "text", "tspan"}
_ATTRIBUTES = {
    *("id", "d", "x", "y", "width", "height", "viewBox", "transform", "style", "href", "clip-path", "class"),
    *("text-anchor", "dominant-baseline"),
}
_PIXELS_PER_POINT = 4 / 3
_EXCESS_DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is enough


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib settings for figures of the report, in force inside the `with` block only."""
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "avbench",
        "font.size": 9,
        "text.parse_math": False,  # a task may have a dollar sign in its title
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": LINE,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "axes.titley": 1.0,  # no search for a free place above the axes
        "axes.labelsize": 8.5,
        "grid.color": LINE,
        "grid.linewidth": 0.6,
        "xtick.color": LINE,
        "ytick.color": LINE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "lines.linewidth": 1.7,
        "lines.solid_capstyle": "round",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Widths are measured in a font that lacks some scripts; the page's own fonts draw them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def inline(figure: Figure, name: str, title: str) -> Markup:
    """The figure as an SVG element.

    Args:
        name: unique on the page, letters, digits and dashes; prefixes all identifiers.
        title: what the figure shows, for people who don't see it.
    """
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if not axis.get_label_text()):
        axis.set_label_coords(0, 0)  # or else every number is measured to find a place for the label
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    source = ElementTree.fromstring(buffer.getvalue())
    referred = dict.fromkeys(re.findall(r"(?<=#)[\w.-]+", buffer.getvalue().decode()))
    target = _rebuilt(source, {one: f"{name}-{place}" for place, one in enumerate(referred)})
    width = float(source.attrib["viewBox"].split()[2]) * _PIXELS_PER_POINT
    for attribute in ("width", "height"):
        target.attrib.pop(attribute, None)
    target.attrib |= {"role": "img", "aria-label": title, "style": f"width:{width:.0f}px"}
    caption = ElementTree.Element("title")
    caption.text = title
    target.insert(0, caption)
    return Markup(ElementTree.tostring(target, encoding="unicode"))


def label(text: str, longest: int = 22) -> str:
    """`text` fit for a figure: no control characters, not too long."""
    clean = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text).strip()
    return clean if len(clean) <= longest else f"{clean[: longest - 1].rstrip()}…"


def _rebuilt(source: ElementTree.Element, names: Mapping[str, str]) -> ElementTree.Element:
    target = ElementTree.Element(_local(source.tag))
    for key, value in source.attrib.items():
        name = _local(key)
        if name in _ATTRIBUTES and (name != "id" or value in names):
            target.attrib[name] = _adapted(name, value, names)
    target.text = source.text if _local(source.tag) in {"text", "tspan"} else None
    target.extend(_rebuilt(child, names) for child in source if _local(child.tag) in _ELEMENTS)
    return target


def _local(name: object) -> str:
    return str(name).rpartition("}")[2]


def _adapted(key: str, value: str, names: Mapping[str, str]) -> str:
    if key == "id":
        return names[value]
    if key == "href":
        return f"#{names[value.removeprefix('#')]}"
    if key == "style":
        value = re.sub(r"font-family: [^;]*; ", "", value)  # the page has its own
        value = _PLACEHOLDER.sub(lambda match: f"var(--{_VARIABLES[match[0]]})", value)
    if key in ("d", "x", "y"):
        value = _EXCESS_DIGITS.sub(r"\1", value)
    return re.sub(r"url\(#([\w.-]+)\)", lambda match: f"url(#{names[match[1]]})", value)

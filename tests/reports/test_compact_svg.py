"""Figures in fewer characters: every line, mark and word stays where it was and as it looked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.reports.compact_svg import compact, relative


def points(path: str) -> NDArray[np.float64]:
    """Where the commands of a path, absolute or relative, lead to, one after another."""
    found = [np.zeros(2)]
    for command, rest in re.findall(r"([MLQCzlhvqc])([^MLQCzlhvqc]*)", path):
        numbers = [float(value) for value in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        if command in "hv":
            numbers = [numbers[0], 0.0] if command == "h" else [0.0, numbers[0]]
        here = found[-1] if command.islower() else np.zeros(2)
        found += [here + step for step in np.reshape(numbers, (-1, 2))]
    return np.asarray(found[1:])


def seen(svg: Element) -> list[tuple[str, str, dict[str, str]]]:
    """What is drawn, in order: kind, what it is, and its style and clip path, inherited or its own."""

    def visit(element: Element, outer: dict[str, str]) -> Iterator[tuple[str, str, dict[str, str]]]:
        own = dict(part.replace(" ", "").split(":") for part in element.get("style", "").split(";") if part)
        style = outer | own | ({"clip-path": element.attrib["clip-path"]} if "clip-path" in element.attrib else {})
        if element.tag in ("svg", "g"):
            for child in element:
                yield from visit(child, style)
        elif element.tag != "defs":
            yield element.tag, element.text or element.get("href") or element.get("d") or "", style

    return list(visit(svg, {}))


def test_relative_paths_lead_to_the_same_places_and_errors_do_not_add_up() -> None:
    random = np.random.default_rng(0)
    places = np.cumsum(random.uniform(-2, 2, (500, 2)), axis=0)
    lines = f"M {places[0, 0]} {places[0, 1]} " + " ".join(f" L {x} {y} " for x, y in places[1:])
    short = relative(lines)
    assert np.abs(points(short) - places).max() <= 0.00501
    assert len(short) < len(lines) / 2


def test_every_command_of_a_path_is_kept() -> None:
    path = "M 0 2  C 0.59 2 1.16 1.0 1.59 1.59  Q -3 -0.5 4 4  L 4 9  L -2 9  z M 0 0.25  L 0 -3.5  "
    assert re.sub(r"[^A-Za-z]", "", relative(path)) == "McqvhzMv"
    absolute = [[0, 2], [0.59, 2], [1.16, 1], [1.59, 1.59], [-3, -0.5], [4, 4], [4, 9], [-2, 9], [0, 0.25], [0, -3.5]]
    start_again = relative(path).replace("z", "")  # where a closed part ends is not a place of its own
    assert points(start_again) == pytest.approx(np.asarray(absolute), abs=1e-9)


FIGURE = """<svg viewBox="0 0 9 9"><defs /><g><path d="M 0 9 L 9 9 z" style="fill: none" /></g>
<g class="axis">
  <g><path d="M 1 1 L 1 8 " clip-path="url(#c)" style="fill: none; stroke: a" /><g>
    <defs><path id="tick" d="M 0 0 L 0 3.5 " style="stroke: b" /></defs>
    <use href="#tick" x="1" y="8" style="fill: b; stroke: b" /></g>
    <text x="1" y="9" style="font-size: 8px; fill: c" transform="rotate(-0 1 9)">one</text></g>
  <g><path d="M 2 1 L 2 8 " clip-path="url(#c)" style="fill: none; stroke: a" />
    <use href="#tick" x="2" y="8" style="fill: b; stroke: b" />
    <text x="2" y="9" style="font-size: 8px; fill: d">two</text></g>
</g>
<g><path d="M 1 2 L 3 4 " style="fill: none; stroke: a; stroke-opacity: 0.5" />
<path d="M 3 2 L 1 4 " style="fill: none; stroke: a; stroke-opacity: 0.5" /></g>
<g><path d="M 1 2 L 3 4 L 3 1 z " style="fill: a; opacity: 0.5" />
<path d="M 1 2 L 3 4 L 3 1 z " style="fill: a; opacity: 0.5" /></g>
<g><defs><path id="dot" d="M 0 1 C 1 1 1 0 0 0 z " style="stroke: e" /></defs>
<g clip-path="url(#c)"><use href="#dot" x="4" y="4" style="fill: e" />
<use href="#dot" x="5.5" y="4" style="fill: e" /></g></g>
<defs><clipPath id="c"><rect x="1" y="1" width="7" height="7" /></clipPath></defs></svg>"""


def test_what_is_seen_stays_with_its_style_and_clip_path() -> None:
    short = compact(fromstring(FIGURE))
    lines = {"fill": "none", "stroke": "a"}
    pale, see_through = lines | {"stroke-opacity": "0.5"}, {"fill": "a", "opacity": "0.5"}
    assert seen(short) == [
        ("path", "M1 1v7M2 1v7", lines | {"clip-path": "url(#c)"}),
        ("path", "M1 8v3.5M2 8v3.5", {"stroke": "b"}),
        ("text", "one", {"font-size": "8px", "fill": "c"}),
        ("text", "two", {"font-size": "8px", "fill": "d"}),
        ("path", "M1 2l2 2", pale),  # drawn at once they would be less where they cross
        ("path", "M3 2l-2 2", pale),
        ("path", "M1 2l2 2v-3z", see_through),
        ("path", "M1 2l2 2v-3z", see_through),
        ("use", "#dot", {"fill": "e", "clip-path": "url(#c)"}),
        ("use", "#dot", {"fill": "e", "clip-path": "url(#c)"}),
    ]
    assert not any("opacity:0.5" in group.get("style", "").split(";") for group in short.iter("g"))
    assert [one.get("id") for one in short.iter() if one.get("id")] == ["dot", "c"]
    assert not any("rotate(-0" in one.get("transform", "") for one in short.iter())

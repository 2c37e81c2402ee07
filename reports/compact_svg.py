"""The same drawing in fewer characters: Matplotlib repeats clip paths, styles and empty groups at every element."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from xml.etree.ElementTree import Element

Point = tuple[int, int]  # in hundredths of a point, which is as exact as a figure has to be

_NUMBER = re.compile(r"-?\d*\.?\d+(?:e-?\d+)?")
_SEGMENT = re.compile(r"([MLQCz])([^MLQCz]*)")
_KINDS = {"path": 0, "use": 1, "text": 2}
_LONG_FRACTION = re.compile(r"\b0\.\d{4,}\b")


def compact(svg: Element) -> Element:
    """`svg` with flat groups, relative paths, and one group or path for neighbours of the same style.

    Args:
        svg: of `path`, `use`, `text`, `g`, `defs` and `clipPath` as Matplotlib writes them, without identifiers that
            nothing refers to.
    """
    marks = {f"#{one.get('id')}": one.get("d", "") for one in svg.iter("path") if one.get("id")}
    for element in svg.iter():
        _shorten(element)
    lines = [_as_line(one, marks) for one in _flat(svg)]
    every = [inner for one in lines for inner in one.iter()]
    used = {name for one in every for name in re.findall(r"#[\w.-]+", f"{one.get('href')} {one.get('clip-path')}")}
    found = Element(svg.tag, svg.attrib)
    found.extend(_grouped(_merged([one for one in lines if one.tag != "defs" or _needed(one, used)])))
    return found


def relative(d: str) -> str:
    """A path of absolute M, L, Q, C and z in relative commands, rounded to hundredths without adding up errors."""
    parts: list[str] = []
    place = start = (0, 0)
    for command, rest in _SEGMENT.findall(d):
        if command == "z":
            parts.append("z")
            place = start
            continue
        numbers = [round(100 * float(value)) for value in _NUMBER.findall(rest)]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "M":
            parts.append(f"M{_joined(points[0])}")
            start = points[0]
        else:
            parts.append(_drawn(command, points, place))
        place = points[-1]
    return "".join(parts)


def _drawn(command: str, points: Sequence[Point], origin: Point) -> str:
    steps = [(x - origin[0], y - origin[1]) for x, y in points]
    if command != "L":
        return command.lower() + _joined(*steps)
    ((across, down),) = steps
    if not down:
        return f"h{_written(across)}"
    return f"v{_written(down)}" if not across else f"l{_joined((across, down))}"


def _joined(*points: Point) -> str:
    text = ""
    for number in (_written(value) for point in points for value in point):
        # A minus separates numbers by itself.
        text += number if not text or number.startswith("-") else f" {number}"
    return text


def _written(hundredths: int) -> str:
    whole, part = divmod(abs(hundredths), 100)
    fraction = f".{part:02d}".rstrip("0") if part else ""
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{whole if whole or not part else ''}{fraction}"


def _shorten(element: Element) -> None:
    for name, value in list(element.attrib.items()):
        if name == "d":
            element.set(name, relative(value))
        elif name in ("x", "y"):
            element.set(name, _written(round(100 * float(value))))
        elif name == "style":
            value = value.replace(": ", ":").replace("; ", ";").replace("stroke-dashoffset:0;", "")
            element.set(name, _LONG_FRACTION.sub(lambda found: f"{float(found[0]):.3g}", value))
        elif name == "transform" and value.startswith("rotate(-0 "):
            del element.attrib[name]
        elif name == "transform":
            element.set(name, _NUMBER.sub(lambda found: _written(round(100 * float(found[0]))), value))


def _flat(parent: Element) -> Iterator[Element]:
    """The children without groups that group nothing; of an axis first its lines, then its marks, then its labels."""
    for child in parent:
        if child.tag != "g":
            if child.tag != "path" or child.get("style") != "fill:none":
                yield child
            continue
        inner = list(_flat(child))
        if child.attrib.pop("class", None) == "axis":
            inner.sort(key=lambda one: _KINDS.get(one.tag, -1))
        if not child.attrib:
            yield from inner
            continue
        group = Element("g", child.attrib)
        group.extend(inner)
        yield group


def _as_line(use: Element, marks: Mapping[str, str]) -> Element:
    """A use of a mark that is a straight line, as ticks are, as the line itself; anything else as it is."""
    mark = marks.get(use.get("href", ""))
    if mark is None or mark.count("L") != 1 or set(mark) & set("QCz"):
        return use
    x, y = (float(use.get(name, 0)) for name in "xy")
    ends = [float(value) for value in _NUMBER.findall(mark)]
    d = relative(f"M {ends[0] + x} {ends[1] + y} L {ends[2] + x} {ends[3] + y}")
    return Element("path", {"d": d, "style": re.sub(r"fill:[^;]*;", "", use.get("style", ""))})


def _needed(defs: Element, used: set[str]) -> bool:
    return any(f"#{one.get('id')}" in used for one in defs)


def _merged(elements: Sequence[Element]) -> Iterator[Element]:
    """Neighbouring lines of one clip path and style as one path, where that looks the same."""
    for attributes, items in groupby(elements, lambda one: (one.tag, one.get("clip-path"), one.get("style", ""))):
        same = list(items)
        tag, _, style = attributes
        if len(same) > 1 and tag == "path" and _is_thin(style):
            yield Element("path", same[0].attrib | {"d": "".join(one.get("d", "") for one in same)})
        else:
            yield from same


def _is_thin(style: str) -> bool:
    """Whether overlapping lines look the same drawn at once: no area, nothing seen through, no dashes."""
    return ("fill:" not in style or "fill:none" in style) and "opacity" not in style and "dash" not in style


def _grouped(elements: Iterable[Element]) -> Iterator[Element]:
    """Neighbours of one clip path in a group, which has what their styles share."""
    alike = (list(items) for _, items in groupby(elements, lambda one: (one.get("style"), *_kind(one))))
    for (long, tag, _, names), items in groupby(alike, lambda run: (len(run) > 1, *_kind(run[0]))):
        runs = list(items)
        for run in runs if long else [list(chain.from_iterable(runs))]:
            # Opacity of a group is not that of its parts.
            yield from run if len(run) < 2 or tag not in _KINDS or "opacity" in names else [_group(run)]


def _kind(element: Element) -> tuple[str, str | None, tuple[str, ...]]:
    return element.tag, element.get("clip-path"), tuple(_style(element))


def _group(elements: Sequence[Element]) -> Element:
    styles = [_style(one) for one in elements]
    shared = {name: value for name, value in styles[0].items() if all(one[name] == value for one in styles)}
    clip = elements[0].get("clip-path")
    group = Element("g", {name: value for name, value in (("clip-path", clip), ("style", _text(shared))) if value})
    for one, style in zip(elements, styles, strict=True):
        own = _text({name: value for name, value in style.items() if name not in shared})
        rest = {name: value for name, value in one.attrib.items() if name not in ("clip-path", "style")}
        one.attrib.clear()
        one.attrib.update(rest | ({"style": own} if own else {}))
    group.extend(elements)
    return group


def _style(element: Element) -> dict[str, str]:
    declarations = filter(None, element.get("style", "").split(";"))
    return dict(declaration.partition(":")[::2] for declaration in declarations)


def _text(style: Mapping[str, str]) -> str:
    return ";".join(f"{name}:{value}" for name, value in style.items())

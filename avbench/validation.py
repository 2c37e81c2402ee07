"""Values against a section of the configuration: every mistake under its full name, in one message."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from avbench.errors import UsageError
from avbench.wording import shortened

MOST_PROBLEMS = 10  # told in one message


def validate(section: type[BaseModel], values: Mapping[str, Any], where: str) -> Any:
    """`values` as a `section`, or one `UsageError` that lists every wrong key under its full name."""
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        items = error.errors()
        problems = [f"{_name(item, where)}{_explain(item, section)}" for item in items[:MOST_PROBLEMS]]
        problems += [f"and {len(items) - MOST_PROBLEMS} more"] if len(items) > MOST_PROBLEMS else []
        raise UsageError("; ".join(problems)) from None


def _name(item: Mapping[str, Any], where: str) -> str:
    name = ".".join([*([where] if where else []), *map(_part, item["loc"])])
    return f"{name}: " if name else ""


def _part(part: Any) -> str:
    text = str(part)
    return text if len(text) <= 80 else shortened(text)


def _explain(item: Mapping[str, Any], section: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        return f"unknown option{_hint(item['loc'], section)}"
    # What a check of a whole section says names the values itself.
    whole = item["type"] == "missing" or (item["type"] == "value_error" and isinstance(item["input"], Mapping))
    given = "" if whole else f" (given: {shortened(item['input'])})"
    return f"{item['msg'].removeprefix('Value error, ')}{given}"


def _hint(place: tuple[int | str, ...], section: type[BaseModel]) -> str:
    """The nearest known option of the section that the last part of `place` should belong to, or all of them."""
    owner: Any = section
    for part in place[:-1]:
        fields = getattr(owner, "model_fields", {})
        inside = get_args(owner)[1] if get_origin(owner) is dict else None  # a section under any name
        owner = fields[part].annotation if part in fields else inside
    known = getattr(owner, "model_fields", None)
    if known is None:
        return ""
    if not known:
        return "; there are none here"
    near = get_close_matches(_part(place[-1]), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f"; known are {', '.join(sorted(known))}"

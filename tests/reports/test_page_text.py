"""Text of a page is shown as text: escaped, and without characters that no page may hold."""

from __future__ import annotations

import unicodedata

import pytest
from markupsafe import Markup

from avbench.reports.formats import environment


def shown(template: str, **values: object) -> str:
    return environment().from_string(template).render(**values)


def test_control_characters_are_replaced_in_text_and_markup() -> None:
    every = "".join(map(chr, range(0x300)))
    for value in (every, Markup(every)):
        page = shown("<b title='{{ value }}'>{{ value }}</b>", value=value)
        assert {letter for letter in page if unicodedata.category(letter) == "Cc"} == {"\t", "\n", "\r"}
        assert page.count("�") == 2 * (65 - 3)


@pytest.mark.parametrize(("value", "expected"), [("a\tb\nc – é 音", "a\tb\nc – é 音"), (12, "12"), (None, "None")])
def test_anything_else_is_shown_as_it_is(value: object, expected: str) -> None:
    assert shown("{{ value }}", value=value) == expected


def test_text_stays_escaped_and_markup_stays_markup() -> None:
    assert shown("{{ value }}", value="\x1b[31m<i>") == "�[31m&lt;i&gt;"
    assert shown("{{ value }}", value=Markup("<i>")) == "<i>"

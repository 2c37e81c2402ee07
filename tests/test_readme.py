"""What the README shows of the code is the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_strategy_it_shows_is_the_file() -> None:
    (shown,) = re.findall(r"```python\n(class .*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert (ROOT / "strategies/random.py").read_text(encoding="utf-8").endswith(f"\n\n\n{shown}")


def test_the_files_it_points_to_exist() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_document_is_reachable_from_it() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        waiting += [page.parent / link for link in links]
    assert {path.resolve() for path in (ROOT / "docs").glob("*.md")} <= reached

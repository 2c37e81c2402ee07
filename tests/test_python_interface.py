"""docs/python.md does what it says; every verb has its function; a notebook shows what the run has, escaped."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny_run import TINY, options

import avbench
from avbench import api, runner
from avbench.config import RunConfig, merge
from avbench.errors import RunDirectoryError
from avbench.results import RunDirectory

sys.path.insert(0, str(Path(__file__).parent / "reports"))
from fabricated_run import TITLES, fabricate

PAGE = Path(avbench.__file__).resolve().parent.parent / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every configuration made is tiny, whatever the page says."""
    from avbench import config

    def shrink(make: Any) -> Any:
        def made(*arguments: Any, overrides: Any = (), **named: Any) -> RunConfig:
            if make is resolve:
                return make(*arguments, overrides=[merge(TINY, options(arguments[0])), *overrides], **named)
            data = {key: TINY[key] for key in ("clip", "data")}
            return make(*arguments, overrides=[data, *overrides], **named)

        return made

    resolve, resolve_benchmark = config.resolve, config.resolve_benchmark
    monkeypatch.setattr(config, "resolve", shrink(resolve))
    monkeypatch.setattr(config, "resolve_benchmark", shrink(resolve_benchmark))


def test_the_page(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, names)
    assert "report.html" in capsys.readouterr().out
    assert len(names["loss"]) == 24 and len(names["matrix"]) == 8
    assert len(names["backward"]) == 7 and len(names["gap"]) == 8 and len(names["held"]) == 8
    assert sum(names["held"][-1]) == names["run"].results.efficiency.memory_clips
    assert (tmp_path / "board.html").is_file() and (tmp_path / "board.json").is_file()
    assert names["page"].is_file()
    assert len(names["tasks"]) == 8 and not names["problems"]
    assert names["report"].ready and names["plan"] is not None


def test_every_verb_has_a_documented_function() -> None:
    from avbench.cli.app import app

    group = typer.main.get_command(app)
    verbs = set(group.commands)  # type: ignore[attr-defined]
    text = PAGE.read_text(encoding="utf-8").partition("## Command and function")[2]
    for verb in verbs:
        assert re.search(rf"`[^`]*\b{verb}\b|`avbench {verb}", text), verb
    named = set(re.findall(r"`(\w+)`", text)) & set(dir(avbench))
    assert set(avbench.__all__) - {"__version__", "Run", "open_run"} <= named
    for name in avbench.__all__:
        assert name == "__version__" or getattr(avbench, name).__doc__
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = avbench.nothing_like_it


def test_importing_loads_nothing_heavy() -> None:
    import subprocess

    code = "import sys, avbench; avbench.open_run, avbench.leaderboard; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


EVIL = "<script>alert(1)</script>\"'>"


def test_what_a_notebook_shows(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "a & b", tasks=2, recall_at=(1, 5, 10), strategy=EVIL, titles=[EVIL, TITLES[1]])
    run = avbench.open_run(directory.path)
    html = run._repr_html_()
    for card in directory.read_results().summary.values():
        assert f"{card['Avg'].accuracy:.2f}" in html
    assert html.count("<svg") == 2 and html.count('role="img"') == 2
    assert "<script" not in html and "alert(1)" in html
    assert "Synthetic data" in html and "run.report()" in html
    assert not re.search(r"https?://|@import| src=", html)
    run.report()
    assert "report.html" in run._repr_html_()
    other = fabricate(tmp_path / "other", tasks=2, recall_at=(5,))
    both = html + runner.Run(other.path)._repr_html_()
    ids = re.findall(r' id="([^"]+)"', both)
    assert ids and len(ids) == len(set(ids))


def test_a_run_without_results_says_so(tmp_path: Path) -> None:
    config = RunConfig(strategy="er", bench="continual-synth")
    RunDirectory.create(tmp_path / "run", config).release()
    assert "No results yet" in avbench.open_run(tmp_path / "run")._repr_html_()
    with pytest.raises(RunDirectoryError, match="no folder"):
        avbench.open_run(tmp_path / "nowhere")


def test_the_numbers_are_those_of_the_results(tmp_path: Path) -> None:
    directory = fabricate(tmp_path / "run", tasks=3, steps_per_task=4, recall_at=(5,))
    found, results = api.open_run(directory.path).numbers(), directory.read_results()
    recall = results.directions["video2audio"].recall["R@5"]
    assert found["tasks"] == TITLES[:3]
    assert found["recall"]["video2audio"]["R@5"] == {"before": recall.before, "after": recall.after}
    backward = [recall.after[-1][task] - recall.after[task][task] for task in range(2)]
    assert found["learning"]["video2audio"]["R@5"]["backward"] == backward
    assert found["training"]["step"] == list(range(1, 13))
    assert len(found["training"]["contrastive"]) == 12
    unfinished = fabricate(tmp_path / "unfinished", tasks=3, finished=1, steps_per_task=4, recall_at=(5,))
    found = api.open_run(unfinished.path).numbers()
    assert found["learning"] == {"audio2video": {}, "video2audio": {}}
    assert found["modality_gap"]["decline"] == {"largest": None, "mean": None}

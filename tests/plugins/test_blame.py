"""A crash inside a third party's strategy: one message that names it, and a run that can go on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from third_parties import TINY

import avbench
from avbench.plugins.blame import PluginCrash
from avbench.training import checkpoint as checkpoints

Install = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]
CRASH = """
import torch
from avbench.training.strategy import AudioVideoStrategy

BROKEN = True

def helper(value):
    return 1 / (0 if BROKEN else value)  # the very line

class Spoiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("spoiled")

class Method(AudioVideoStrategy):
    steps = 0

    def {hook}:
        {body}
"""


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def install_crash(install: Install, hook: str, body: str) -> str:
    """Install a distribution whose strategy has one hook; returns its name."""
    text = CRASH.format(hook=hook, body=body)
    return str(install("unruly-dist", {"unruly": "unruly:Method"}, {"unruly.py": text}, version="4.2") / "unruly.py")


def crash(directory: Path) -> str:
    with pytest.raises(PluginCrash) as raised:
        avbench.run("unruly", "continual-synth", out=directory, options={"memory": 6}, **TINY)
    assert raised.value.__cause__ is not None
    assert raised.value.exit_code == 1
    return str(raised.value)


@pytest.mark.parametrize(
    ("hook", "body", "named"),
    [
        ("setup(self, context)", "helper(1)", "`setup`"),
        ("select(self, step)", "helper(1)", "`select`"),
        ("penalty(self, step)", "return {'x': torch.tensor([helper(value) for value in [1]])}", "`penalty`"),
        ("before_forward(self, strategy, **kwargs)", "helper(1)", "`before_forward`"),
        ("remember(self, step)", "return (lambda: helper(1))()", "`remember`"),
        ("state_dict(self)", "return {'x': helper(1)}", "`state_dict`"),
    ],
)
def test_the_message_names_plugin_distribution_hook_error_and_place(
    install: Install, tmp_path: Path, hook: str, body: str, named: str
) -> None:
    file = install_crash(install, hook, body)
    text = crash(tmp_path / "run")
    line = next(number for number, code in enumerate(Path(file).read_text().splitlines(), 1) if "the very line" in code)
    assert f"the strategy 'unruly' (unruly:Method, from unruly-dist 4.2) crashed in {named}: " in text
    assert f"ZeroDivisionError: division by zero ({file}, line {line})" in text
    assert "mend, update or remove unruly-dist" in text
    assert ("avbench resume" in text) == (named != "`setup`"), "before there is a run there is nothing to resume"


@pytest.mark.parametrize(
    ("hook", "body", "named", "said"),
    [
        ("weigh(self, step)", "return torch.ones(99)", "`training_loss`", "RuntimeError: The size of tensor a"),
        ("remember(self, step)", "return {'other': step.stream.audio}, None", "`after_update`", "the memory holds"),
        (
            "weigh(self, step)",
            "return Spoiled.apply(torch.ones(len(step.joint), requires_grad=True))",
            "the backward pass",
            "spoiled",
        ),
        ("select(self, step)", "raise SystemExit(0)", "`select`", "SystemExit: 0"),
    ],
)
def test_what_a_hook_returns_and_does_is_blamed_on_it_too(
    install: Install, tmp_path: Path, hook: str, body: str, named: str, said: str
) -> None:
    install_crash(install, hook, body)
    text = crash(tmp_path / "run")
    assert f"crashed in {named}" in text and said in text


def test_the_run_goes_on_once_the_method_is_mended(install: Install, avbench_call: Call, tmp_path: Path) -> None:
    body = "self.steps += 1; helper(1) if self.steps > 3 else None; return super().select(step)"
    install_crash(install, "select(self, step)", body)
    directory = tmp_path / "a run"
    text = crash(directory)
    assert f"`avbench resume '{directory}'`" in text
    assert checkpoints.latest(directory / "checkpoints") is not None
    status, _, err = avbench_call("resume", directory)
    assert status == 1 and "crashed in `select`" in err and "Traceback" not in err
    sys.modules["unruly"].BROKEN = False  # type: ignore[attr-defined]
    assert avbench.resume(directory).results.status == "complete"


def test_a_benchmark_that_crashes_is_blamed_as_one(install: Install, tmp_path: Path) -> None:
    source = (
        "from avbench.benchmarks.plugin import BenchmarkPlugin\n"
        "class Bench(BenchmarkPlugin):\n"
        "    name, version, synthetic, cache_name, source = 'odd', '1', True, 'odd', None\n"
        "    def list_clips(self):\n        return {}['clips']\n"
    )
    files = {"odd_bench.py": source, "odd_bench.yaml": "profiles: {quick: {}}"}
    install("odd-dist", files=files, entry_points="[avbench.benchmarks]\nodd = odd_bench:Bench\n")
    with pytest.raises(PluginCrash) as raised:
        avbench.run("er", "odd", out=tmp_path / "run")
    assert "the benchmark 'odd' (odd_bench:Bench, from odd-dist 1.0) crashed in `list_clips`: KeyError" in str(
        raised.value
    )
    assert not (tmp_path / "run").exists()


def test_errors_that_explain_themselves_and_our_own_crashes_are_not_blamed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avbench.errors import UsageError
    from avbench.strategies.er import ER

    source = "from avbench.errors import UsageError"
    file = Path(install_crash(install, "setup(self, context)", "raise UsageError('options.x = 3 is odd; take 2')"))
    file.write_text(f"{source}\n{file.read_text()}")
    with pytest.raises(UsageError, match=r"^options.x = 3 is odd; take 2$"):
        avbench.run("unruly", "continual-synth", out=tmp_path / "one", options={"memory": 6}, **TINY)
    monkeypatch.setattr(ER, "select", lambda self, step: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        avbench.run("er", "continual-synth", out=tmp_path / "two", options={"memory": 6}, **TINY)

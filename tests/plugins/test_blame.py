"""A crash inside a third party's strategy: one message that names it, and a run that can go on."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from third_parties import TINY

import avbench
from avbench.errors import AvbenchError, Interrupted
from avbench.plugins.blame import PluginCrash, blamed, hooks
from avbench.runner import pretrain
from avbench.training import checkpoint as checkpoints
from avbench.training.terms import LossNotFinite

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
        ("weigh(self, step)", "return torch.ones(99)", "`weigh`", "found a float32 Tensor (99,)"),
        ("penalty(self, step)", "return {'mine': 0.5}", "`penalty`", "found 0.5 of type float"),
        ("penalty(self, step)", "return {'loss': torch.ones(())}", "`penalty`", "the name 'loss' is taken"),
        ("compose(self, step)", "step.terms['loss'] = 1", "`compose`", "ValueError: the name 'loss' is taken"),
        ("remember(self, step)", "return {'other': step.stream.audio}, None", "`remember`", "the memory holds"),
        (
            "remember(self, step)",
            "return super().remember(step)[0], torch.ones(3, dtype=torch.bool)",
            "`remember`",
            "must be None or a bool tensor (6,), True for those to offer; found a bool Tensor (3,)",
        ),
        (
            "state_dict(self)",
            "return {'x': [1]}",
            "`state_dict`",
            "for every name, also for 'x'; found an object of type",
        ),
        ("modules(self)", "return {'x': 3}", "`modules`", "must return a torch.nn.Module for every name"),
        (
            "weigh(self, step)",
            "return Spoiled.apply(torch.ones(len(step.joint), requires_grad=True))",
            "the backward pass",
            "spoiled",
        ),
        ("select(self, step)", "raise SystemExit(0)", "`select`", "SystemExit: 0"),
        ("select(self, step)", "raise BaseException('bare')", "`select`", "BaseException: bare"),
        ("select(self, step)", "return self.draw('six')", "`select`", "TypeError"),
    ],
)
def test_what_a_hook_returns_and_does_is_blamed_on_it_too(
    install: Install, tmp_path: Path, hook: str, body: str, named: str, said: str
) -> None:
    file = install_crash(install, hook, body)
    text = crash(tmp_path / "run")
    assert f"crashed in {named}" in text and said in text
    assert "from unruly-dist 4.2" in text and f"({file}, line " in text


def test_every_hook_of_the_base_class_is_known_by_its_name() -> None:
    from avalanche.core import BaseSGDPlugin

    from avbench.training.strategy import AudioVideoStrategy

    written = {name for name, member in vars(AudioVideoStrategy).items() if inspect.isfunction(member)}
    assert {name for name in written if not name.startswith("_")} <= hooks()
    assert {name for name in dir(BaseSGDPlugin) if name.startswith(("before_", "after_"))} < hooks()
    assert {"__init__", "masks", "evaluated", "attention_temperature"} < hooks()
    assert not any(name.startswith("_") for name in hooks() - {"__init__"})


def test_each_hook_is_blamed_by_its_name_also_where_the_base_class_calls_it(install: Install) -> None:
    from avbench.config import RunConfig
    from avbench.training.strategy import AudioVideoStrategy

    install_crash(install, "helping(self)", "return 1")
    config = RunConfig(strategy="unruly", bench="continual-synth")
    for hook in sorted(hooks()):
        members = vars(AudioVideoStrategy).get(hook)
        text = f"def {hook}(self, *arguments, **named): raise KeyError('mine')"
        space: dict[str, Any] = {}
        exec(text, {"__name__": "unruly"}, space)
        member = property(space[hook]) if isinstance(members, property) else space[hook]
        kind = type("Method", (AudioVideoStrategy,), {hook: member, "__module__": "unruly"})
        with pytest.raises(PluginCrash, match=rf"crashed in `{hook}`: KeyError: 'mine'"), blamed(config):
            if hook == "__init__":
                kind(None)
            elif isinstance(member, property):
                getattr(object.__new__(kind), hook)
            else:
                getattr(object.__new__(kind), hook)(None)


def test_long_texts_are_shortened_and_errors_without_a_text_are_told(install: Install, tmp_path: Path) -> None:
    body = "raise ValueError('begin ' + 'x' * 100_000 + ' end')"
    file = Path(install_crash(install, "select(self, step)", body))
    text = crash(tmp_path / "long")
    assert len(text) < 1500 and "begin xxx" in text and "xxx end" in text
    silent = "type('Silent', (Exception,), {'__str__': lambda self: 1 / 0})()"
    file.write_text(CRASH.format(hook="select(self, step)", body=f"raise {silent}"))
    del sys.modules["unruly"]
    text = crash(tmp_path / "silent")
    assert "crashed in `select`: Silent: its message can't be shown" in text


@pytest.mark.parametrize(
    ("hook", "body", "said"),
    [
        ("penalty(self, step)", "return {'mine': step.joint.audio.sum() * float('nan')}", "at step 1: `mine` = nan"),
        ("weigh(self, step)", "return torch.full((len(step.joint),), float('inf'))", "at step 1: inf, although its"),
    ],
)
def test_a_loss_that_is_not_finite_is_blamed_on_the_method_if_its_own_terms_or_weights_are_not(
    install: Install, tmp_path: Path, hook: str, body: str, said: str
) -> None:
    install_crash(install, hook, body)
    text = crash(tmp_path / "run")
    assert f"the loss is not finite {said}" in text
    assert "which the strategy 'unruly' (unruly:Method, from unruly-dist 4.2) gave" in text
    assert "mend, update or remove unruly-dist" in text and "learning_rate" not in text


def test_a_network_that_diverges_may_be_the_learning_rate_s_or_the_method_s_fault(install: Install) -> None:
    from avbench.config import RunConfig

    install_crash(install, "helping(self)", "return 1")
    for strategy, named in (("unruly", True), ("er", False)):
        with (
            pytest.raises(AvbenchError, match=r"lower training\.learning_rate") as raised,
            blamed(RunConfig(strategy=strategy, bench="continual-synth")),
        ):
            raise LossNotFinite("the loss is not finite at step 9: `contrastive` = nan", diverged=True)
        assert ("unruly-dist 4.2" in str(raised.value)) == named == isinstance(raised.value, PluginCrash)


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


BENCH = """
from avbench.benchmarks.continual_synth import ContinualSynth

BROKEN = ""

class Bench(ContinualSynth):
    def __init__(self, config):
        super().__init__(config)
        self.crash("begin")

    def build(self, *arguments, **named):
        self.crash("build")
        return super().build(*arguments, **named)

    def build_base(self, *arguments, **named):
        self.crash("base")
        return super().build_base(*arguments, **named)

    def crash(self, where):
        if where == BROKEN:
            raise KeyError("broken in " + where)
"""


def test_a_benchmark_that_crashes_is_blamed_in_every_command(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avbench.config import resolve_benchmark

    files = {"own_bench.py": BENCH, "own_bench.yaml": "profiles: {quick: {}}"}
    install("own-dist", files=files, entry_points="[avbench.benchmarks]\nown = own_bench:Bench\n")
    values = {"options": {"memory": 6}, **TINY}

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        avbench.run("er", "own", out=tmp_path / "run", listeners=[stop], **values)
    config = resolve_benchmark("own", "quick", overrides=[TINY])
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("begin", lambda: avbench.run("er", "own", out=tmp_path / "other", **values)),
        ("build", lambda: avbench.run("er", "own", out=tmp_path / "other", **values)),
        ("begin", lambda: avbench.resume(tmp_path / "run")),
        ("build", lambda: avbench.resume(tmp_path / "run")),
        ("begin", lambda: pretrain(config, tmp_path / "weights.safetensors")),
        ("base", lambda: pretrain(config, tmp_path / "weights.safetensors")),
    ]
    for where, call in calls:
        monkeypatch.setattr("own_bench.BROKEN", where)
        with pytest.raises(
            PluginCrash, match=rf"the benchmark 'own' .own_bench:Bench, from own-dist 1.0. .*in {where}"
        ):
            call()
    assert not (tmp_path / "weights.safetensors").exists()


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

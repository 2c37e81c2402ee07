"""AVBENCH_PLUGINS: a strategy in a file, without a package."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from third_parties import TINY

import avbench
from avbench import registry
from avbench.errors import Interrupted, PluginError, UsageError
from avbench.plugins.unpackaged import VARIABLE, Entry, kebab, parse

OPTIONS = {"memory": 6}
SOURCE = """
from avbench.training.strategy import AudioVideoStrategy

class MyMethod(AudioVideoStrategy):
    pass

class Payload:
    value = 7
"""


@pytest.fixture
def method(tmp_path: Path) -> Path:
    path = tmp_path / "method.py"
    path.write_text(SOURCE)
    return path


def names(text: str) -> list[tuple[str, str, str]]:
    return [(e.kind, e.name, f"{e.path}:{e.attribute}") for e in parse(text) if isinstance(e, Entry)]


def test_forms_of_the_variable() -> None:
    assert names("/a/one.py:MyMethod") == [("strategies", "my-method", "/a/one.py:MyMethod")]
    assert names("short=/a/one.py:MyMethod") == [("strategies", "short", "/a/one.py:MyMethod")]
    assert names("benchmarks/toy=/a/b.py:Toy") == [("benchmarks", "toy", "/a/b.py:Toy")]
    assert names("benchmarks//a/b.py:Toy") == [("benchmarks", "toy", "/a/b.py:Toy")]
    both = [("strategies", "a", "/x/a.py:A"), ("strategies", "b", "/x/b.py:B")]
    assert names("/x/a.py:A,/x/b.py:B") == names(" /x/a.py:A , /x/b.py:B ,") == both
    assert names(f"/x/a.py:A{os.pathsep}/x/b.py:B") == both
    assert names("/x/a.py:A,/x/a.py:A") == both[:1]
    assert names("") == []
    assert [kebab(name) for name in ("ER", "CLSReplay", "My2ndTry", "a_b")] == ["er", "cls-replay", "my2nd-try", "a-b"]


def test_a_strategy_in_a_file_is_used_like_any_other(method: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method.with_suffix(".yaml").write_text("summary: Mine.")
    monkeypatch.chdir(method.parent)
    monkeypatch.setenv(VARIABLE, "method.py:MyMethod")
    plugin = registry.find("strategies", "my-method")
    assert (plugin.distribution, plugin.card()) == (VARIABLE, {"summary": "Mine."})
    before, kind = plugin.version, plugin.load()
    assert kind.__name__ == "MyMethod"
    method.write_text(SOURCE + "\n# changed\n")
    monkeypatch.setenv(VARIABLE, "method.py:MyMethod,")
    assert registry.find("strategies", "my-method").version != before


def test_it_runs_and_resumes(method: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(VARIABLE, f"{method}:MyMethod")

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 3:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        avbench.run("my-method", "continual-synth", out=tmp_path / "run", listeners=[stop], **TINY, options=OPTIONS)
    assert avbench.resume(tmp_path / "run").results.status == "complete"


@pytest.mark.parametrize(
    ("variable", "name", "said"),
    [
        ("gone.py:Method", "method", "there is no such file; correct the path in AVBENCH_PLUGINS, or take it out"),
        ("method.py:Other", "other", "the module has nothing of that name"),
        ("method.py:Payload", "payload", "does not derive from avbench.training.strategy.AudioVideoStrategy"),
        ("method.py", "method.py", "is not of the form [NAME=]FILE.py:Class"),
        ("A B=method.py:MyMethod", "A B", "a name consists of"),
        ("er=method.py:MyMethod", "er", "er@avbench or er@AVBENCH_PLUGINS"),
    ],
)
def test_a_broken_entry_is_blamed_and_disturbs_no_other(
    method: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str, said: str
) -> None:
    monkeypatch.chdir(method.parent)
    monkeypatch.setenv(VARIABLE, f"{variable},good=method.py:MyMethod")
    with pytest.raises(PluginError) as raised:
        registry.find("strategies", name).check()
    assert said in str(raised.value)
    assert VARIABLE in str(raised.value)
    registry.find("strategies", "good").check()
    registry.find("strategies", "derpp").check()


def test_the_variable_is_read_anew(method: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{method}:MyMethod")
    assert "my-method" in registry.plugins("strategies")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(UsageError, match="no strategy called 'my-method'"):
        registry.find("strategies", "my-method")


def test_a_spawned_process_finds_the_module_again(method: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = method.with_name("plain.py")
    plain.write_text("class Payload:\n    value = 7\n")
    monkeypatch.setenv(VARIABLE, f"{plain}:Payload")
    (entry,) = parse()
    assert isinstance(entry, Entry)
    kind = __import__(entry.module, fromlist=["Payload"]).Payload
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_value, (pickle.dumps(kind()),)) == 7


def _value(pickled: bytes) -> int:
    return int(pickle.loads(pickled).value)

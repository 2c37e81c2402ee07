"""Plugins by name: whoever brings them, a broken one is blamed on its distribution and disturbs no other."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import avbench
from avbench import registry
from avbench.config import resolve
from avbench.errors import PluginError, UsageError

Install = Callable[..., Path]
GOOD = """
from avbench.training.strategy import AudioVideoStrategy

class Method(AudioVideoStrategy):
    pass
"""


def message(name: str) -> str:
    """What using the strategy called `name` says."""
    with pytest.raises(PluginError) as raised:
        registry.find("strategies", name).check()
    return str(raised.value)


def test_ours_are_registered_like_everybodys() -> None:
    found = registry.plugins("strategies")
    assert {"finetune", "er", "derpp", "stella"} <= set(found)
    assert {plugin.distribution for plugin in found.values()} == {"avbench"}
    assert {"continual-synth", "continual-vs"} <= set(registry.plugins("benchmarks"))


def test_a_third_partys_strategy_is_found_described_and_loaded(install: Install) -> None:
    card = "summary: Something new.\npresets: {continual-synth: {options: {memory: 9}}}\n"
    files = {"newcomer/__init__.py": "", "newcomer/method.py": GOOD, "newcomer/method.yaml": card}
    install("newcomer-dist", {"newcomer": "newcomer.method:Method"}, files, version="2.3")
    plugin = registry.find("strategies", "newcomer")
    assert (plugin.distribution, plugin.version) == ("newcomer-dist", "2.3")
    assert plugin.card()["summary"] == "Something new."
    assert plugin.load().__name__ == "Method"
    plugin.check()


def test_listing_and_cards_execute_nothing(install: Install) -> None:
    files = {"eager/__init__.py": "raise SystemExit('executed')", "eager/m.py": "1 / 0", "eager/m.yaml": "summary: Hi."}
    install("eager-dist", {"eager": "eager.m:Method"}, files)
    assert registry.plugins("strategies")["eager"].card() == {"summary": "Hi."}
    assert "eager" not in sys.modules


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("raise BaseException('bare')", "BaseException: bare"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: without a message"),
        ("raise RuntimeError('begin ' + 'x' * 100_000 + ' end')", "x end;"),
        (
            "class Silent(Exception):\n    def __str__(self): return 1 / 0\nraise Silent",
            "Silent: its message can't be shown",
        ),
        (f"{GOOD}    def __init__(self): pass", "it must be made as AudioVideoStrategy(config) is"),
        ("def broken(:", "SyntaxError"),
        ("Other = 1", "the module has nothing of that name"),
        ("Method = 3", "it is of type int, and must be a class that derives from avbench.training.strategy."),
        ("class Method: pass", "does not derive from avbench.training.strategy.AudioVideoStrategy"),
        (
            f"{GOOD}    Config = None",
            "its `Config` must be a class of options that derives from",
        ),
        (f"{GOOD}    Config = dict", "its `Config` must be a class of options"),
        ("from avbench.benchmarks.plugin import BenchmarkPlugin as Method", "does not derive from"),
    ],
)
def test_a_module_that_is_no_strategy_is_blamed_on_its_distribution(install: Install, source: str, said: str) -> None:
    install("culprit-dist", {"culprit": "culprit:Method"}, {"culprit.py": source}, version="0.7")
    install("innocent-dist", {"innocent": "innocent:Method"}, {"innocent.py": GOOD})
    text = message("culprit")
    assert said in text
    assert "'culprit' (culprit:Method, from culprit-dist 0.7)" in text
    assert "mend, update or remove culprit-dist" in text
    registry.find("strategies", "innocent").check()


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("presets: [a, b]", "presets: Input should be a valid dictionary"),
        ("presets: {continual-vs: 3}", "presets.continual-vs: Input should be a valid dictionary"),
        ("sumary: mistyped", "sumary: unknown option (did you mean 'summary'?)"),
        ("summary: [unclosed", "not valid YAML"),
        ("- a list", "must hold a mapping"),
        ("presets: {continual-vs: {options: {memry: 3}}}", "presets.continual-vs.options.memry: unknown option"),
        ("presets: {continual-vs: {trainin: {}}}", "presets.continual-vs.trainin: unknown option (did you mean 'trai"),
        ("presets: {default: {options: 3}}", "presets.default.options: Input should be a valid dictionary"),
        ("presets: {default: {options: {3: 4}}}", "presets.default.options.3"),
        ("presets: {3: {}}", "presets.3"),
        *(
            (f"presets: {{default: {{{key}: {value}}}}}", f"presets.default.{key}: unknown option")
            for key, value in {"strategy": "stella", "bench": "x", "seed": 9, "limit": 1, "data": "{root: /}"}.items()
        ),
        ("presets: {default: {training: {epochs: .nan}}}", "presets.default.training.epochs: Input should be a finite"),
        ("presets: {default: {training: {epoch: 3}}}", "presets.default.training.epoch: unknown option (did you mean"),
        ("presets: {default: {training: {betas: {a: 1}}}}", "presets.default.training.betas"),
        ("presets: {a/quick: {training: {epochs: 0}}}", "presets.a/quick.training.epochs"),
        ("profiles: {quick: {}}", "profiles: a card of strategies has none"),
    ],
)
def test_a_broken_card_is_blamed_and_never_a_traceback(install: Install, card: str, said: str) -> None:
    folder = install("culprit-dist", {"culprit": "culprit:Method"}, {"culprit.py": GOOD, "culprit.yaml": card})
    install("innocent-dist", {"innocent": "innocent:Method"}, {"innocent.py": GOOD})
    text = message("culprit")
    assert said in text
    assert "culprit-dist 1.0" in text and str(folder / "culprit.yaml") in text
    registry.find("strategies", "innocent").check()


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("presets: {default: {options: {memry: 3}}}", "presets.default.options.memry: unknown option"),
        ("presets: {continual-vs: {training: {epochs: .nan}}}", "presets.continual-vs.training.epochs"),
        ("presets: {continual-vs/quick: {options: {memory: 0}}}", "presets.continual-vs/quick.options.memory"),
        ("presets: {default: {seed: 9}}", "presets.default.seed: unknown option"),
    ],
)
def test_a_run_with_a_broken_card_says_whose_card_it_is(install: Install, card: str, said: str) -> None:
    folder = install("culprit-dist", {"culprit": "culprit:Method"}, {"culprit.py": GOOD, "culprit.yaml": card})
    with pytest.raises(PluginError) as raised:
        resolve("culprit", "continual-vs")
    assert said in str(raised.value)
    assert "from culprit-dist 1.0" in str(raised.value) and str(folder / "culprit.yaml") in str(raised.value)
    with pytest.raises(UsageError, match=r"^training\.epochs") as own:
        resolve("er", "continual-vs", overrides=[{"training": {"epochs": 0}}])
    assert "card" not in str(own.value), "what the user gave is not the card's fault"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("profiles: {quick: {seed: 3}}", "profiles.quick.seed: unknown option"),
        ("profiles: {quick: {limit: 0}}", "profiles.quick.limit: Input should be greater than or equal to 1"),
        ("profiles: {quick: {data: {rot: /}}}", "profiles.quick.data.rot: unknown option"),
        ("profiles: {quick: {}}\norders: {shuffled: {limit: 3}}", "orders.shuffled: must be named ORDER/PROFILE"),
        ("profiles: {quick: {}}\norders: {shuffled/quick: {clip: {patch: 0}}}", "orders.shuffled/quick.clip.patch"),
        ("presets: {default: {}}", "presets: a card of benchmarks has none"),
    ],
)
def test_a_broken_card_of_a_benchmark_is_blamed_too(install: Install, card: str, said: str) -> None:
    source = "from avbench.benchmarks.continual_vs import ContinualVS\nclass Bench(ContinualVS): pass\n"
    files = {"odd_bench.py": source, "odd_bench.yaml": card}
    install("odd-dist", files=files, entry_points="[avbench.benchmarks]\nodd = odd_bench:Bench\n")
    with pytest.raises(PluginError) as raised:
        registry.find("benchmarks", "odd").check()
    assert said in str(raised.value) and "odd-dist 1.0" in str(raised.value) and "odd_bench.yaml" in str(raised.value)


def test_options_that_a_preset_leaves_to_the_user_are_no_mistake_of_its_card(install: Install) -> None:
    source = GOOD.replace("    pass", "    class Config(ReplayConfig):\n        needed: int\n        other: int = 3")
    source = source.replace("AudioVideoStrategy\n", "AudioVideoStrategy, ReplayConfig\n", 1)
    card = "presets: {default: {options: {other: 4}}}"
    install("partial-dist", {"partial": "partial:Method"}, {"partial.py": source, "partial.yaml": card})
    registry.find("strategies", "partial").check()
    assert resolve("partial", "continual-vs", overrides=[{"options": {"needed": 1}}]).options["other"] == 4
    with pytest.raises(UsageError, match=r"^options\.needed: Field required"):
        resolve("partial", "continual-vs")


def test_options_that_crash_are_blamed_on_the_plugin(install: Install) -> None:
    source = (
        "from pydantic import field_validator\n"
        + GOOD.replace("AudioVideoStrategy\n", "AudioVideoStrategy, ReplayConfig\n", 1)
        + "    class Config(ReplayConfig):\n        other: int = 3\n"
        "        @field_validator('other')\n        @classmethod\n"
        "        def spoil(cls, value): return {}['missing']\n"
    )
    install("spoilt-dist", {"spoilt": "spoilt:Method"}, {"spoilt.py": source})
    with pytest.raises(PluginError, match=r"options of the strategy 'spoilt'.*spoilt-dist 1\.0\) crashed: KeyError"):
        resolve("spoilt", "continual-vs", overrides=[{"options": {"other": 5}}])


def test_ctrl_c_while_a_plugin_is_imported_is_no_fault_of_the_plugin(install: Install) -> None:
    source = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n"
    install("slow-dist", {"slow": "slow_plugin:Method"}, {"slow_plugin.py": source})
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        registry.find("strategies", "slow").load()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_broken_card_hides_no_other_summary(install: Install) -> None:
    files = {"culprit.py": GOOD, "culprit.yaml": "presets: {default: {options: 3}}"}
    install("culprit-dist", {"culprit": "culprit:Method"}, files)
    summaries = avbench.list_strategies()
    assert summaries["culprit"].startswith("broken: the strategy 'culprit'") and "replay" in summaries["er"]


def test_a_name_that_two_distributions_claim_goes_to_neither_and_can_be_qualified(install: Install) -> None:
    install("first-dist", {"wanted": "first_claim:Method", "mine": "first_claim:Method"}, {"first_claim.py": GOOD})
    install("second-dist", {"wanted": "second_claim:Method"}, {"second_claim.py": GOOD})
    text = message("wanted")
    assert "registered 2 times" in text
    assert "first-dist 1.0" in text and "second-dist 1.0" in text
    assert "write wanted@first-dist or wanted@second-dist" in text
    assert registry.find("strategies", "wanted@second-dist").load().__module__ == "second_claim"
    registry.find("strategies", "mine").check()
    with pytest.raises(UsageError, match="no strategy called 'wanted@third-dist'"):
        registry.find("strategies", "wanted@third-dist")


def test_nobody_takes_one_of_our_names(install: Install) -> None:
    install("greedy-dist", {"er": "greedy:Method"}, {"greedy.py": GOOD})
    assert "er@avbench" in message("er")
    assert registry.find("strategies", "er@avbench").load().__module__ == "avbench.strategies.er"
    registry.find("strategies", "derpp").check()


@pytest.mark.parametrize(
    ("entry_points", "name", "said"),
    [
        ("[avbench.strategies]\nno equals sign\n", "culprit-dist", "entry points of culprit-dist can't be read"),
        ("[avbench.strategies]\nculprit = nonsense\n", "culprit", "package.module:Class"),
        ("[avbench.strategies]\n../../up = culprit:Method\n", "../../up", "a name consists of"),
    ],
)
def test_damaged_entry_points_hide_no_others(install: Install, entry_points: str, name: str, said: str) -> None:
    install("culprit-dist", entry_points=entry_points)
    install("innocent-dist", {"innocent": "innocent:Method"}, {"innocent.py": GOOD})
    assert said in message(name)
    registry.find("strategies", "innocent").check()
    registry.find("strategies", "er").check()


def test_an_older_copy_further_down_the_path_is_not_a_second_one(install: Install) -> None:
    install("twice-dist", {"twice": "twice:Method"}, {"twice.py": GOOD}, version="1.0")
    install("twice-dist", {"twice": "twice:Method"}, {"twice.py": GOOD}, version="2.0")
    assert registry.find("strategies", "twice").version == "2.0"


def test_every_own_plugin_and_card_is_sound() -> None:
    for kind in get_args(registry.Kind):
        assert registry.plugins(kind)
        for plugin in registry.plugins(kind).values():
            plugin.check()
            assert plugin.card()["summary"]


def test_a_qualified_name_means_the_same_run_and_stays_qualified_only_where_it_must(install: Install) -> None:
    plain = resolve("stella", "continual-synth")
    assert resolve("stella@avbench", "continual-synth@avbench") == plain
    copy = "from avbench.benchmarks.continual_synth import ContinualSynth\n"
    install("rival-dist", {"continual-synth": "rival:ContinualSynth"}, {"rival.py": copy}, kind="benchmarks")
    install("other-dist", {"stella": "other:Method"}, {"other.py": GOOD})
    ours = resolve("stella@avbench", "continual-synth@avbench")
    assert (ours.strategy, ours.bench) == ("stella@avbench", "continual-synth@avbench")
    assert ours.model_copy(update={"strategy": plain.strategy, "bench": plain.bench}) == plain  # the same presets
    assert registry.find("benchmarks", ours.bench).load()(ours).inspect().tasks

"""A third party's downstream task that is broken: one message names it, nothing is written, others are undisturbed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from third_parties import TINY

import avbench
from avbench.plugins.blame import PluginCrash
from avbench.plugins.plugin import BrokenPlugin

Install = Callable[..., Path]
Call = Callable[..., tuple[int, str, str]]
ELSEWHERE = ("RuntimeError", "AttributeError")  # what it gave fails outside of its code
# A task that is in order, of clips of noise; `{line}` goes where the tests break it.
TASK = """
import numpy as np
import torch
from torch import nn
from avbench.config import Section
from avbench.evaluation.downstream.probe import Judgement, ProbeOptions, ProbeTask
from avbench.evaluation.downstream.task import Scores, Split, Splits

class Options(ProbeOptions):
    epochs: int = 1
    warmup_epochs: int = 0
    training_views: str = "fixed"

class Views(torch.utils.data.Dataset):
    def __init__(self, shape, count):
        self.shape, self.count = shape, count
    def __len__(self):
        return self.count
    def __getitem__(self, row):
        shape = self.shape
        return {{
            "audio": torch.full((1, 1, shape.audio_frames, shape.mel_bins), float(row)).half(),
            "video": torch.full((1, shape.frames, 3, shape.image_size, shape.image_size), row, dtype=torch.uint8),
        }}

class Odd(ProbeTask):
    title = "Odd or even"
    metrics = ("right",)
    Config = Options

    def splits(self, progress=None):
        shape = self.place.config.clip
        part = lambda name: Split(tuple(f"{{name}}{{n}}" for n in range(4)), torch.arange(4) % 2, Views(shape, 4))
        return Splits("numbers", True, part("train"), part("validation"), part("test"), {{}})

    def encode(self, net, batch):
        return net.fuse(*net.encode_tokens(batch))[0].mean(dim=1)

    def head(self, net):
        return nn.Linear(net.config.width, 2)

    def loss(self, output, targets):
        return nn.functional.cross_entropy(output[:, 0], targets)

    def predict(self, output):
        return output[:, 0].argmax(dim=1)

    def score(self, predictions, targets):
        right = (predictions == targets).double().numpy() * 100
        return Judgement(len(targets), {{"right": right}}, {{"right": 50.0}})

    {line}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield avbench.run("finetune", "continual-synth", out=tmp_path_factory.mktemp("runs") / "run", **TINY).directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def install_task(install: Install, line: str = "", card: str = "") -> str:
    files = {"odd_task.py": TASK.format(line=line)} | ({"odd_task.yaml": card} if card else {})
    folder = install("odd-dist", {"odd": "odd_task:Odd"}, files, version="4.2", kind="downstream")
    return str(folder / "odd_task.py")


def test_a_task_that_is_in_order_is_judged(install: Install, run: Path) -> None:
    install_task(install)
    result = avbench.evaluate_downstream(run, "odd")
    assert result.metrics == ["right"] and result.provenance.versions["odd-dist"] == "4.2"


@pytest.mark.parametrize(
    ("line", "hook", "said"),
    [
        ("def __init__(self, place, options): raise KeyError('mine')", "__init__", "KeyError: 'mine'"),
        ("def splits(self, progress=None): raise OSError('gone')", "splits", "OSError: gone"),
        ("def splits(self, progress=None): return 3", "splits", "must return `Splits`; found 3 of type int"),
        ("def encode(self, net, batch): return 1 / 0", "encode", "ZeroDivisionError"),
        ("def head(self, net): return nn.Linear(3, 2)", "evaluate", "RuntimeError"),
        ("def loss(self, output, targets): raise SystemExit(0)", "loss", "SystemExit: 0"),
        ("def score(self, predictions, targets): return None", "evaluate", "AttributeError"),
        (
            "def evaluate(self, net, splits, bench): return {}",
            "evaluate",
            "must return `Scores`; found an object of type",
        ),
        (
            "def evaluate(self, net, splits, bench): return Scores({'other': np.zeros(4)}, {'other': 1.0})",
            "evaluate",
            "must score the metric 'right', which the class names",
        ),
        (
            "def evaluate(self, net, splits, bench): return Scores({'right': np.zeros(3)}, {'right': 1.0})",
            "evaluate",
            "give 'right' in percent for each of the 4 test examples, NaN where it is not defined; found a float64",
        ),
        (
            "def evaluate(self, net, splits, bench): return Scores({'right': np.zeros(4)}, {})",
            "evaluate",
            "say the chance of 'right' in percent",
        ),
        (
            "def evaluate(self, net, splits, bench): "
            "return Scores({}, {'right': 1.0}, pooled={'right': lambda rows: rows.nothing})",
            "evaluate",
            "gave a score 'right' that can't be computed: AttributeError",
        ),
    ],
)
def test_the_message_names_task_distribution_hook_error_and_place_and_nothing_is_written(
    install: Install, run: Path, line: str, hook: str, said: str
) -> None:
    file = install_task(install, line)
    with pytest.raises(PluginCrash) as raised:
        avbench.evaluate_downstream(run, "odd")
    text = str(raised.value)
    assert f"the downstream task 'odd' (odd_task:Odd, from odd-dist 4.2) crashed in `{hook}`: " in text and said in text
    assert (f"({file}, line " in text) == (said not in ELSEWHERE) and ", line " in text
    assert "mend, update or remove odd-dist, and start again" in text and "resume" not in text
    assert not list((run / "downstream").iterdir())


@pytest.mark.parametrize(
    ("line", "card", "said"),
    [
        ("variants = 3", "", "its `variants`: must be options by the variant's name"),
        ("variants = {'paper': {}, 'more': {'epohcs': 3}}", "", "its `variants`: .*epohcs.*'epochs'"),
        ("", "presets: {default: {options: {epohcs: 3}}}", "its card .*epohcs.*'epochs'"),
        ("", "presets: [1]", "odd_task.yaml"),
    ],
)
def test_what_a_task_sets_that_it_has_not_is_its_own_mistake(
    install: Install, run: Path, line: str, card: str, said: str
) -> None:
    install_task(install, line, card)
    with pytest.raises(BrokenPlugin, match=said) as raised:
        avbench.evaluate_downstream(run, "odd")
    assert "odd-dist 4.2" in str(raised.value)


def test_our_own_crash_under_a_third_party_s_strategy_is_not_blamed_on_it(
    install: Install, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avbench.evaluation.downstream.retrieval import PlainPretraining

    def broken(*given: Any) -> None:
        raise KeyError("ours")

    text = "from avbench.training.strategy import AudioVideoStrategy\nclass Method(AudioVideoStrategy):\n    pass\n"
    install("other-dist", {"theirs": "theirs:Method"}, {"theirs.py": text})
    for name in ("config.yaml", "results.json"):
        content = (run / name).read_text()
        (run / name).write_text(content.replace("finetune", "theirs"))
    monkeypatch.setattr(PlainPretraining, "memory_fields", broken)
    few = {"epochs": 1, "train_clips": 1, "test_clips": 1, "batch_size": 4}
    with pytest.raises(KeyError, match="ours"):
        avbench.evaluate_downstream(run, "retrieval", **few)


def test_broken_tasks_leave_the_others_listed_and_are_told_apart(install: Install, avbench_call: Call) -> None:
    claims = {"no-import": "broken_task:Odd", "no-task": "broken_kind:Odd", "no-card": "broken_card:Odd"}
    files = {"broken_task.py": "import no_such_module", "broken_kind.py": "Odd = dict"}
    files |= {"broken_card.py": "Odd = 1", "broken_card.yaml": "summary: ["}
    install("broken-dist", claims, files, version="6.6", kind="downstream")
    install_task(install)
    status, out, _ = avbench_call("list", "downstream")
    assert status == 0 and all(name in out for name in (*claims, "odd", "classification", "events", "retrieval"))
    assert "broken card" in out and "no_such_module" not in sys.modules
    _, out, err = avbench_call("plugins")
    told = out + err
    states = {line.split()[0]: line.split()[-1] for line in told.splitlines() if len(line.split()) > 2}
    assert (states["odd"], states["no-import"], states["no-task"]) == ("ok", "broken", "broken")
    assert "'no-import' (broken_task:Odd, from broken-dist 6.6) can't be loaded: ModuleNotFoundError" in told
    assert "'no-task' (broken_kind:Odd, from broken-dist 6.6) is no downstream task" in told


def test_the_command_line_says_it_in_one_message(install: Install, avbench_call: Call, run: Path) -> None:
    install_task(install, "def encode(self, net, batch): return 1 / 0")
    status, _, err = avbench_call("eval", run, "--task", "odd")
    text = " ".join(err.split())
    assert status == 1 and "odd-dist 4.2) crashed in `encode`: ZeroDivisionError" in text and "Traceback" not in err

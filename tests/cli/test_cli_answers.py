"""Bad input and good answers of the command line, within this process; the runner is replaced where it would train."""

import errno
import sys
import types
from pathlib import Path

import pytest

from avbench import registry
from avbench.cli import main
from avbench.errors import DataError, Interrupted, RunDirectoryError
from avbench.registry import Plugin
from avbench.results import RunDirectory

RUN = ["run", "--strategy", "er", "--bench", "toy"]

TOY = """
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.config import Section
from avbench.training.strategy import AudioVideoStrategy
from pydantic import Field

class World(Section):
    salience: float = Field(0.5, ge=0, le=1)

class Config(Section):
    world: World = World()

class Options(Section):
    memory: int = 10

class Toy(BenchmarkPlugin):
    Config = Config
    list_clips = source = cache_name = None

class ER(AudioVideoStrategy):
    Config = Options
"""
CARD = """
summary: A toy. [red]not red[/]
synthetic: true
profiles:
  quick: {clip: {image_size: 64}, training: {epochs: 2}}
"""


@pytest.fixture(autouse=True)
def toys(tmp_path, monkeypatch):
    """One strategy and two benchmarks from a third party, the second with a broken card."""
    package = tmp_path / "plugins"
    package.mkdir()
    for name in ("toy_plugins", "broken_plugins"):
        (package / f"{name}.py").write_text(TOY)
    (package / "toy_plugins.yaml").write_text(CARD)
    (package / "broken_plugins.yaml").write_text("summary: [unclosed")
    monkeypatch.syspath_prepend(str(package))
    for name in ("toy_plugins", "broken_plugins"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = {
        "strategies": {"er": Plugin("strategies", "er", "toy_plugins:ER", "third-party", "9.1")},
        "benchmarks": {
            "toy": Plugin("benchmarks", "toy", "toy_plugins:Toy", "third-party", "9.1"),
            "broken": Plugin("benchmarks", "broken", "broken_plugins:Toy", "third-party", "9.1"),
            "gone": Plugin("benchmarks", "gone", "no_such_module:Toy", "third-party", "9.1"),
        },
    }
    monkeypatch.setattr(registry, "plugins", lambda kind: found[kind])


@pytest.fixture
def avbench(capsys, monkeypatch):
    """Call the command line; returns exit status, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return call


@pytest.fixture
def runner(monkeypatch):
    """A runner that trains nothing: set `act` to what a run should do with its configuration."""
    fake = types.ModuleType("avbench.runner")
    fake.calls = []

    def run_config(config, out=None, listeners=()):
        fake.calls.append((config, out))
        return fake.act(config, out, listeners)

    fake.run_config = run_config
    fake.resume = lambda directory, listeners: fake.act(None, directory, listeners)
    monkeypatch.setitem(sys.modules, "avbench.runner", fake)
    monkeypatch.setattr(__import__("avbench"), "runner", fake, raising=False)
    return fake


def finished(directory):
    return types.SimpleNamespace(directory=Path(directory), report=lambda: Path(directory) / "report.html")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--strategy", "err", "--bench", "toy"], ["no strategy called 'err'", "did you mean 'er'?"]),
        (["run", "--strategy", "er", "--bench", "toi"], ["no benchmark called 'toi'", "did you mean 'toy'?"]),
        (["run", "--bench", "toy"], ["which strategy?", "avbench list strategies"]),
        (["run", "--strategy", "er"], ["which benchmark?", "avbench list benchmarks"]),
        ([*RUN, "--profile", "huge"], ["no profile 'huge'", "quick"]),
        ([*RUN, "--set", "training.epoch=3"], ["training.epoch: unknown option", "did you mean 'epochs'?"]),
        ([*RUN, "--set", "trainin.epochs=3"], ["trainin: unknown option", "did you mean 'training'?"]),
        ([*RUN, "--set", "data.world.saliense=1"], ["data.world.saliense: unknown option", "'salience'"]),
        ([*RUN, "--set", "options.memry=1"], ["options.memry: unknown option", "'memory'"]),
        ([*RUN, "--set", "training.epochs=many"], ["training.epochs", "integer", "'many'"]),
        ([*RUN, "--set", "data.world.salience=7"], ["data.world.salience", "less than or equal to 1", "7"]),
        ([*RUN, "--set", "training.epochs"], ["--set 'training.epochs'", "a.b=value"]),
        ([*RUN, "--set", "training=3"], ["training", "(given: 3)"]),
        ([*RUN, "--set", "clip.image_size=50"], ["image_size = 50", "patch = 16"]),
        ([*RUN, "--config", "nowhere.yaml"], ["nowhere.yaml", "No such file"]),
        ([*RUN, "--data-root", "."], ["toy makes its own clips", "--data-root"]),
        (["run", "--strategy", "er", "--bench", "broken"], ["broken_plugins.yaml", "not valid YAML"]),
        ([*RUN, "--seed", "-1"], ["--seed", "0"]),
        ([*RUN, "--limit", "0"], ["--limit", "1"]),
        ([*RUN, "--seed", "one"], ["--seed", "integer"]),
        ([*RUN, "--order", "shufled"], ["--order", "shufled", "shuffled"]),
        ([*RUN, "--device", "gpu"], ["--device", "'gpu'", "cuda"]),
        ([*RUN, "--sed", "1"], ["No such option: --sed", "--seed"]),
        (["rnu"], ["No such command 'rnu'", "run"]),
        (["list", "strategy"], ["strategies"]),
        (["data", "prepare"], ["--bench"]),
    ],
)
def test_bad_input_is_one_clear_message_and_status_2(avbench, runner, arguments, said):
    status, out, err = avbench(*arguments)
    assert status == 2
    assert not out
    assert all(part in err for part in said), err
    assert "Traceback" not in err
    assert not runner.calls


@pytest.mark.parametrize(
    ("content", "said"),
    [("training: [", "not valid YAML"), ("- a\n- b\n", "must hold a mapping"), ("traning: {epochs: 1}", "'training'")],
)
def test_a_bad_configuration_file_is_named(avbench, tmp_path, content, said):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    status, _, err = avbench(*RUN, "--config", path)
    assert status == 2 and said in err
    if "traning" not in content:
        assert "mine.yaml" in err


def test_options_end_in_the_configuration_the_last_layer_winning(avbench, runner, tmp_path):
    runner.act = lambda config, out, listeners: finished(tmp_path)
    file = tmp_path / "more.yaml"
    file.write_text("training: {epochs: 5, batch_size: 7}\nseed: 1\noptions: {memory: 3}\n")
    options = [
        "--seed",
        4,
        "--order",
        "shuffled",
        "--limit",
        9,
        "--device",
        "cpu",
        "--precision",
        "bf16",
        "--threads",
        2,
    ]
    status, out, err = avbench(*RUN, *options, "--config", file, "--set", "training.epochs=6", "--out", tmp_path / "x")
    assert status == 0, err
    config, folder = runner.calls[0]
    assert (config.seed, config.order, config.limit, config.device) == (4, "shuffled", 9, "cpu")
    assert (config.precision, config.threads, config.profile) == ("bf16", 2, "quick")
    assert (config.training.epochs, config.training.batch_size, config.clip.image_size) == (6, 7, 64)
    assert config.options == {"memory": 3} and config.data == {"world": {"salience": 0.5}}
    assert folder == tmp_path / "x"
    assert "report.html" in out


def test_a_saved_configuration_is_enough_to_repeat_a_run(avbench, runner, tmp_path):
    runner.act = lambda config, out, listeners: finished(tmp_path)
    assert avbench(*RUN, "--seed", 8, "--set", "data.world.salience=0.1")[0] == 0
    directory = RunDirectory.create(tmp_path / "run", runner.calls[0][0])
    directory.release()
    status, _, err = avbench("run", "--config", directory.path / "config.yaml")
    assert status == 0, err
    assert runner.calls[1][0] == runner.calls[0][0]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("no clips [bold]in[/bold] /x"), 2, "error: no clips [bold]in[/bold] /x"),
        (RunDirectoryError("x holds another run"), 1, "error: x holds another run"),
        (Interrupted("stopped at step 3 and saved"), 75, "stopped: stopped at step 3"),
        (KeyboardInterrupt(), 130, "interrupted before anything was saved"),
        (MemoryError(), 1, "memory is full"),
    ],
)
def test_each_failure_has_its_status_and_its_message(avbench, runner, error, status, said):
    def act(config, out, listeners):
        raise error

    runner.act = act
    left, _, err = avbench(*RUN)
    assert left == status and said in err and "Traceback" not in err


def test_an_unexpected_error_leaves_a_crash_log_in_the_run_directory(avbench, runner, recorded, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    def act(config, out, listeners):
        for event in recorded(folder=str(folder))[:12]:
            for listener in listeners:
                listener(event)
        raise RuntimeError("the [red]wrong[/] shape")

    runner.act = act
    status, _, err = avbench(*RUN)
    assert status == 1 and "RuntimeError: the [red]wrong[/] shape" in err and "Traceback" not in err
    (log,) = folder.glob("crash-*.log")
    assert str(log) in err and "Traceback" in log.read_text() and "the [red]wrong[/] shape" in log.read_text()


def test_a_crash_log_goes_elsewhere_when_the_run_directory_is_full(avbench, runner, monkeypatch, tmp_path):
    import tempfile

    real = tempfile.NamedTemporaryFile

    def act(config, out, listeners):
        for listener in listeners[:1]:
            listener({"event": "run_started", "directory": str(tmp_path / "full")})
        raise ZeroDivisionError

    def full(*args, dir, **kwargs):
        if str(dir).endswith("full"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, dir=tmp_path, **kwargs)

    runner.act = act
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    status, _, err = avbench(*RUN)
    assert status == 1 and "ZeroDivisionError" in err
    assert len(list(tmp_path.glob("avbench-crash-*.log"))) == 1


def test_debug_shows_the_traceback(runner):
    def act(config, out, listeners):
        raise ZeroDivisionError("here")

    runner.act = act
    with pytest.raises(ZeroDivisionError, match="here"):
        main(["--debug", *RUN])


def test_ctrl_c_after_the_start_says_how_to_continue(avbench, runner, recorded):
    def act(config, out, listeners):
        for event in recorded(folder="runs/one")[:8]:
            for listener in listeners:
                listener(event)
        raise KeyboardInterrupt

    runner.act = act
    status, _, err = avbench(*RUN)
    assert status == 130 and "avbench resume runs/one" in err


def test_resume_shows_what_was_before_and_where_the_report_is(avbench, runner, recorded, tmp_path):
    from avbench.config import RunConfig

    directory = RunDirectory.create(tmp_path / "one", RunConfig(strategy="er", bench="toy"))
    for event in recorded()[:-1]:
        directory.journal.append(event)
    directory.release()
    runner.act = lambda config, out, listeners: (
        [listen(e) for e in recorded(resumed=True, start=5) for listen in listeners],
        finished(out),
    )[1]
    status, out, err = avbench("resume", directory.path)
    assert status == 0, err
    assert "Resumed at step 30" in out and "\n3 [red]x[/]" in out and "report.html" in out


@pytest.mark.parametrize(("verb", "said"), [("resume", "no folder"), ("report", "no folder")])
def test_a_missing_folder_is_named(avbench, tmp_path, verb, said):
    status, _, err = avbench(verb, tmp_path / "nowhere")
    assert status == 1 and said in err and "nowhere" in err


def test_report_goes_on_with_the_other_folders(avbench, monkeypatch, tmp_path):
    fake = types.ModuleType("avbench.reports.run_report")

    def write_report(directory):
        if directory.name == "bad":
            raise RunDirectoryError("bad is damaged")
        return directory / "report.html"

    fake.write_report = write_report
    monkeypatch.setitem(sys.modules, "avbench.reports.run_report", fake)
    status, out, err = avbench("report", tmp_path / "a", tmp_path / "bad", tmp_path / "c")
    assert status == 1 and "bad is damaged" in err
    assert f"{tmp_path / 'a'}/report.html" in out and f"{tmp_path / 'c'}/report.html" in out


def test_lists_show_broken_cards_as_such(avbench):
    status, out, _ = avbench("list", "benchmarks")
    assert status == 0
    assert "A toy. [red]not red[/]" in out and "SYNTHETIC DATA" in out and "third-party 9.1" in out
    assert out.count("broken card") == 1 and "no_such_module" not in out
    assert "no_such_module" not in sys.modules and "toy_plugins" not in sys.modules
    status, out, _ = avbench("list", "profiles")
    assert status == 0 and "2 epochs" in out and "broken card" in out
    assert avbench("list", "strategies")[0] == 0


def test_help_of_every_verb(avbench):
    for verb in ([], ["run"], ["resume"], ["list"], ["report"], ["doctor"], ["pretrain"], ["data"], ["data", "synth"]):
        status, out, _ = avbench(*verb, "--help")
        assert status == 0 and "Usage" in out


def test_version(avbench):
    import avbench as package

    assert avbench("--version")[1].split() == ["avbench", package.__version__]

"""Attention and localisation beside a run: what is written when, by which network, and that the run doesn't notice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import TINY
from torch import nn

from avbench.benchmarks.continual_synth import ContinualSynth
from avbench.benchmarks.streams import AudioVideoBenchmark, unknown_truth
from avbench.config import resolve
from avbench.evaluation.attention import attention_maps
from avbench.evaluation.attention_files import FOLDER, load_clips, load_maps
from avbench.model.matching import AudioVideoMatching
from avbench.results import RunDirectory
from avbench.run_attention import RunAttention
from avbench.strategies.er import ER
from avbench.training.session import Session
from avbench.training.strategy import ReplayConfig


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Begun:
    """A run that has been set up and not trained."""

    def __init__(self, path: Path, cache: Path, strategy: str, examples: int = 2, **options: object) -> None:
        overrides = [TINY, {"data": {"cache": str(cache)}, "evaluation": {"examples": examples}, "options": options}]
        self.config = resolve(strategy, "continual-synth", overrides=overrides)
        self.benchmark: AudioVideoBenchmark = ContinualSynth(self.config).build()
        self.session = Session(self.config)
        self.session.attach(self.benchmark.store)
        self.directory = RunDirectory.create(path / "run", self.config)
        self.folder = self.directory.path / FOLDER

    def attention(self) -> RunAttention:
        return RunAttention(self.directory, self.session, self.benchmark)


def test_maps_after_every_experience_and_scores_before_and_after_all(tmp_path: Path, cache: Path) -> None:
    run = Begun(tmp_path, cache, "stella", memory=12)
    attention, found = run.attention(), None
    for index in range(-1, 8):
        known, found = found, attention.look(found, index)
        assert (found is known) == (0 <= index < 7)
    clips = load_clips(run.folder)
    assert clips is not None and clips.sources is not None and clips.task_of.tolist() == [0, 7]
    moments = load_maps(run.folder, clips)
    assert list(moments) == list(range(9)) and list(moments[8].own) == ["matching", "cosine"]
    assert found is not None and found.picture is not None and found.time is not None
    for domain in (found.picture, found.time):
        assert set(domain.before) == set(domain.after) == {"matching", "cosine"}
        assert domain.before == domain.after  # nothing was trained in between
    resumed = run.attention().look(found.before_training(), 7)
    assert resumed == found


class Unrelated(ER):
    """A method with a matching module whose own `temperature` is that of something else."""

    class Config(ReplayConfig):
        temperature: float = 7.0

    def modules(self) -> dict[str, nn.Module]:
        model = self.context.model
        return {"matching": AudioVideoMatching(model.width, model.heads, model.legacy_head_merge, torch.Generator())}


@pytest.mark.parametrize(
    ("strategy", "options", "sharpness"),
    [("stella", {"temperature": 0.2}, 0.2), ("rca-only", {}, 0.4), ("unrelated", {}, 0.4)],
)
def test_maps_are_as_sharp_as_the_method_says_whatever_its_options_are_called(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    options: dict[str, float],
    sharpness: float,
) -> None:
    used = list[float]()

    def watched(*arguments: Any, temperature: float, **named: Any) -> Any:
        used.append(temperature)
        return attention_maps(*arguments, temperature=temperature, **named)

    monkeypatch.setattr("avbench.run_attention.attention_maps", watched)
    own = strategy == "unrelated"
    run = Begun(tmp_path, cache, "er" if own else strategy, memory=12, **options)
    if own:
        run.session = Session(run.config, Unrelated(Unrelated.Config(memory=12)))
        run.session.attach(run.benchmark.store)
    run.attention().look(None, -1)
    assert set(used) == {sharpness}


def test_the_run_does_not_notice(tmp_path: Path, cache: Path) -> None:
    run = Begun(tmp_path, cache, "stella", memory=12)
    before = {name: state.clone() for name, state in run.session.generators.state_dict().items()}
    rng, weights = torch.get_rng_state(), {k: v.clone() for k, v in run.session.net.state_dict().items()}
    run.attention().look(None, -1)
    assert all(torch.equal(state, before[name]) for name, state in run.session.generators.state_dict().items())
    assert torch.equal(rng, torch.get_rng_state()) and run.session.compute.operations == 0
    assert all(torch.equal(value, weights[name]) for name, value in run.session.net.state_dict().items())
    assert list(run.session.template.stopwatch.state_dict()) == ["evaluation"]


def test_the_network_that_stands_for_the_method_is_looked_through(tmp_path: Path, cache: Path) -> None:
    run = Begun(tmp_path, cache, "cls-er", memory=12, variant="faithful")
    stable = run.session.strategy.teachers["stable"].net
    assert next(iter(run.session.strategy.evaluated.values())) is stable
    run.attention().look(None, -1)
    with torch.no_grad():
        for parameter in run.session.net.parameters():
            parameter.zero_()
    run.attention().look(None, 0)
    clips = load_clips(run.folder)
    assert clips is not None
    first, second = load_maps(run.folder, clips).values()
    assert list(first.own) == ["cosine"] and np.array_equal(first.own["cosine"].video, second.own["cosine"].video)


def test_recordings_and_runs_without_examples(tmp_path: Path, cache: Path) -> None:
    run = Begun(tmp_path, cache, "finetune", examples=0)
    scored = run.attention().look(None, -1)
    assert scored is not None and load_clips(run.folder) is None
    run.benchmark = replace(run.benchmark, truth_of=unknown_truth)
    other = Begun(tmp_path / "other", cache, "finetune")
    other.benchmark = run.benchmark
    assert other.attention().look(None, -1) is None
    clips = load_clips(other.folder)
    assert clips is not None and clips.sources is None and clips.active is None
    assert np.isfinite(load_maps(other.folder, clips)[0].own["cosine"].audio).all()

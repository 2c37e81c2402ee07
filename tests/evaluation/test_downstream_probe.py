"""The training loop of downstream heads: what is chosen by what, what is computed when, one seed and one result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from avbench.batch import Batch
from avbench.config import RunConfig, validate
from avbench.errors import DataError, Interrupted, UsageError
from avbench.evaluation.downstream.probe import Judgement, ProbeOptions, ProbeTask
from avbench.evaluation.downstream.task import Split, Splits, Workbench
from avbench.model.mae import AudioVideoMAE
from avbench.testing.trial import MODEL, SHAPE

CONFIG = RunConfig(strategy="none", bench="noise", clip=SHAPE, model=MODEL)
FAST: dict[str, Any] = {"epochs": 4, "batch_size": 5, "learning_rate": 0.02, "warmup_epochs": 1}


class Views(Dataset[dict[str, Any]]):
    """Noise, brighter in class 1; a random view adds what follows from its draw."""

    def __init__(self, targets: Tensor, seed: int) -> None:
        self.targets, self.seed, self.asked = targets, seed, list[Any]()

    def __getitem__(self, key: Any) -> dict[str, Any]:
        self.asked.append(key)
        row, draw = key if isinstance(key, tuple) else (key, 0)
        generator = torch.Generator().manual_seed(1000 * self.seed + row)
        audio = torch.randn(1, 1, SHAPE.audio_frames, SHAPE.mel_bins, generator=generator) + 2 * self.targets[row]
        size = (1, SHAPE.frames, 3, SHAPE.image_size, SHAPE.image_size)
        video = torch.randint(256, size, generator=generator, dtype=torch.uint8)
        return {"audio": (audio + draw % 7).half(), "video": video}


class TwoClasses(ProbeTask):
    """Tells loud clips from silent ones by the mean audio token; remembers what it was asked to score."""

    title, metrics = "Loud or not", ("top-1",)

    def __init__(self, **options: Any) -> None:
        super().__init__(None, ProbeOptions(**FAST | options))  # type: ignore[arg-type]
        self.scored: list[int] = []
        self.encoded = 0

    def splits(self, progress: Any = None) -> Splits:
        def split(name: str, count: int, seed: int) -> Split:
            targets = torch.arange(count) % 2
            return Split(tuple(f"{name}-{row}" for row in range(count)), targets, Views(targets, seed))

        parts = [split("train", 22, 1), split("validation", 8, 2), split("test", 12, 3)]
        return Splits("noise", True, *parts, coverage={})

    def encode(self, net: AudioVideoMAE, batch: Batch) -> Tensor:
        self.encoded += len(batch)
        return net.encode_tokens(batch)[0].mean(dim=1)

    def head(self, net: AudioVideoMAE) -> nn.Module:
        return nn.Linear(net.config.width, 2)

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(output[:, 0], targets)

    def predict(self, output: Tensor) -> Tensor:
        return output[:, 0].argmax(dim=-1)

    def score(self, predictions: Tensor, targets: Tensor) -> Judgement:
        self.scored.append(len(targets))
        return Judgement(len(targets), {"top-1": 100 * (predictions == targets).double().numpy()}, {"top-1": 50.0})


def net() -> AudioVideoMAE:
    return AudioVideoMAE(SHAPE, MODEL)


def bench(seed: int = 0, **values: Any) -> Workbench:
    return Workbench(CONFIG, torch.device("cpu"), seed, **values)


def test_it_learns_what_the_backbone_says() -> None:
    task = TwoClasses(training_views="fixed", epochs=12)
    scores = task.evaluate(net(), task.splits(), bench())
    assert scores.outcomes["top-1"].mean() > 80
    assert scores.history[-1]["loss"] < scores.history[0]["loss"]


def test_one_seed_gives_one_result_and_another_seed_another() -> None:
    histories = []
    for seed in (0, 0, 1):
        task, backbone = TwoClasses(), net()
        torch.manual_seed(len(histories))  # the state of torch's own generator has no part in it
        before = torch.get_rng_state()
        histories.append(task.evaluate(backbone, task.splits(), bench(seed)).history)
        assert torch.equal(before, torch.get_rng_state())
    assert histories[0] == histories[1] != histories[2]


def test_the_backbone_never_changes() -> None:
    backbone, task = net(), TwoClasses()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    task.evaluate(backbone, task.splits(), bench())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_validation_chooses_the_earliest_best_epoch_and_the_test_is_taken_once() -> None:
    task = TwoClasses(training_views="fixed", epochs=6)
    splits = task.splits()
    scores = task.evaluate(net(), splits, bench())
    validation = [epoch["validation"] for epoch in scores.history]
    assert scores.chosen_epoch == 1 + int(np.argmax(validation))
    assert task.scored == [8] * 6 + [12]
    assert isinstance(splits.test.views, Views) and sorted(splits.test.views.asked) == list(range(12))


def test_the_chosen_head_is_the_one_that_is_tested() -> None:
    """Training on after the chosen epoch changes nothing: the result is that of stopping there."""

    class Spoiled(TwoClasses):
        def score(self, predictions: Tensor, targets: Tensor) -> Judgement:
            judged = super().score(predictions, targets)
            first = len(self.scored) <= 1
            validating = len(targets) == 8
            return judged if first or not validating else Judgement(8, {"top-1": np.zeros(8)}, judged.chance)

    constant: dict[str, Any] = {"training_views": "fixed", "warmup_epochs": 0}
    task = Spoiled(**constant)
    chosen = task.evaluate(net(), task.splits(), bench())
    assert chosen.chosen_epoch == 1
    last = TwoClasses(**constant, selection="last").evaluate(net(), task.splits(), bench())
    assert last.chosen_epoch == 4 and last.history[0]["loss"] == chosen.history[0]["loss"]


def test_selection_by_the_test_examples_has_to_be_asked_for() -> None:
    task = TwoClasses(selection="test")
    scores = task.evaluate(net(), task.splits(), bench())
    assert all("test" in epoch and "validation" not in epoch for epoch in scores.history)
    assert task.scored == [12] * 5


def test_fixed_views_are_encoded_once_and_random_ones_anew_in_every_epoch() -> None:
    fixed, random = TwoClasses(training_views="fixed"), TwoClasses()
    for task in (fixed, random):
        task.evaluate(net(), task.splits(), bench())
    assert fixed.encoded == 22 + 8 + 12
    assert random.encoded == 4 * 22 + 8 + 12


def test_features_that_are_not_kept_give_the_same_scores() -> None:
    kept, anew = TwoClasses(training_views="fixed"), TwoClasses(training_views="fixed")
    one = kept.evaluate(net(), kept.splits(), bench())
    two = anew.evaluate(net(), anew.splits(), bench(feature_memory=0))
    assert anew.encoded > kept.encoded
    assert [epoch["loss"] for epoch in one.history] == pytest.approx([epoch["loss"] for epoch in two.history], rel=1e-5)


def test_one_memory_serves_all_splits_and_the_test_is_not_kept() -> None:
    each = 4 * MODEL.width  # bytes of an example's features
    for examples, encoded in ((22 + 8, 22 + 8 + 12), (22 + 7, 22 + 4 * 8 + 12)):
        task = TwoClasses(training_views="fixed")
        backbone = net()
        tried = 8 if examples < 30 else 0  # before it is known that they do not fit
        task.evaluate(backbone, task.splits(), bench(feature_memory=examples * each))
        assert task.encoded == encoded + tried


def test_memory_is_no_part_of_the_protocol() -> None:
    assert "kept_features" not in ProbeOptions.model_fields and bench().feature_memory == 2**31


@pytest.mark.parametrize("views", ["random", "fixed"])
def test_loader_processes_decode_and_change_no_bit(views: str) -> None:
    results = []
    for workers in (0, 2):
        task = TwoClasses(training_views=views, epochs=2)
        splits = task.splits()
        config = CONFIG.model_copy(update={"workers": workers})
        scores = task.evaluate(net(), splits, Workbench(config, torch.device("cpu"), 0))
        results.append((scores.history, scores.outcomes["top-1"].tolist()))
        assert isinstance(splits.train.views, Views) and bool(splits.train.views.asked) == (workers == 0)
    assert results[0] == results[1]


def test_a_batch_of_random_views_is_asked_for_by_row_and_draw() -> None:
    """Each example once an epoch, under another draw in each."""
    task = TwoClasses(epochs=2)
    splits = task.splits()
    task.evaluate(net(), splits, bench())
    assert isinstance(splits.train.views, Views)
    first, second = splits.train.views.asked[:22], splits.train.views.asked[22:]
    assert sorted(row for row, _ in first) == sorted(row for row, _ in second) == list(range(22))
    assert not {draw for _, draw in first} & {draw for _, draw in second}


@pytest.mark.parametrize(("epochs", "warmup"), [(2, 3), (3, 3), (1, 1)])
def test_a_warm_up_that_never_ends_is_refused(epochs: int, warmup: int) -> None:
    message = rf"warmup_epochs = {warmup} is not below epochs = {epochs}.*--set warmup_epochs={epochs - 1} "
    with pytest.raises(UsageError, match=message):
        validate(ProbeOptions, {"epochs": epochs, "warmup_epochs": warmup}, "")
    assert validate(ProbeOptions, {"epochs": epochs, "warmup_epochs": epochs - 1}, "")


def test_few_epochs_alone_are_refused_with_what_to_set() -> None:
    with pytest.raises(UsageError, match=r"warmup_epochs = 3 .* epochs = 2.*--set warmup_epochs=1 "):
        validate(ProbeOptions, {"epochs": 2}, "")


def test_a_metric_that_no_example_has_chooses_no_epoch() -> None:
    class Undefined(TwoClasses):
        def score(self, predictions: Tensor, targets: Tensor) -> Judgement:
            return Judgement(len(targets), {"top-1": np.full(len(targets), np.nan)}, {"top-1": 50.0})

    task = Undefined()
    with pytest.raises(DataError, match="'top-1' is defined for none of the 8 examples"):
        task.evaluate(net(), task.splits(), bench())


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = []

    task = TwoClasses(training_views="fixed")
    original = torch.optim.AdamW.step

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        task.evaluate(net(), task.splits(), bench())
    assert rates[:5] == pytest.approx([0.02 * share / 5 for share in range(1, 6)])
    assert max(rates) == pytest.approx(0.02) and rates[5:] == sorted(rates[5:], reverse=True) and rates[-1] < 0.001


def test_it_stops_when_asked_to() -> None:
    def stop() -> None:
        raise Interrupted("enough")

    task = TwoClasses()
    with pytest.raises(Interrupted):
        task.evaluate(net(), task.splits(), bench(check_stop=stop))


def test_without_validation_examples_nothing_can_choose() -> None:
    task = TwoClasses()
    splits = task.splits()
    nothing = Split((), torch.empty(0, dtype=torch.long), splits.test.views)
    splits = Splits("noise", True, splits.train, nothing, splits.test, coverage={})
    with pytest.raises(UsageError, match="selection=last"):
        task.evaluate(net(), splits, bench())


def test_an_example_in_two_splits_is_refused() -> None:
    splits = TwoClasses().splits()
    with pytest.raises(ValueError, match="two splits"):
        Splits("noise", True, splits.train, splits.train, splits.test, coverage={})


def test_the_hash_tells_examples_and_targets_apart() -> None:
    splits = TwoClasses().splits()
    other = Split(splits.test.names, 1 - splits.test.targets, splits.test.views)
    changed = Splits("noise", True, splits.train, splits.validation, other, coverage={})
    assert splits.hash() == TwoClasses().splits().hash() != changed.hash()

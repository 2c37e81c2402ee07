"""The `paper` profiles of Continual-VS and -AS are the published protocol, number by number: STELLA, Tables 5 and 6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from avbench.config import RunConfig, resolve
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.sampling import window_length, window_offsets
from avbench.model.masking import visible_counts
from avbench.strategies.stella import Stella
from avbench.training.session import Session

BENCHMARKS = ["continual-vs", "continual-as"]
STELLA = {"variant": "stella", "replay_loss": "joint"}  # the form of every baseline in STELLA's experiments
DERPP = STELLA | {"beta": 1, "draws": 1, "replay_masks": "fresh"}
HALF = DERPP | {"sampling_ratio": 0.5}
APART = {"sampling_ratio_audio": None, "sampling_ratio_video": None}
DRAWN = HALF | APART | {"audio_selection": "time", "chunk": None, "alpha": 0.5, "matching_from_scratch": False}
VIRTUAL = STELLA | {"masks": "fresh", "virtual_step": "optimizer", "virtual_learning_rate": None}
GMED = VIRTUAL | {"alpha": 0.1, "gamma": 1.0, "sign": 1}
TEACHER = STELLA | {"masks": "fresh", "evaluate": "working"}
CLS_ER = {
    "stable_decay": 0.999,
    "plastic_decay": 0.999,
    "stable_update_probability": 0.6,
    "plastic_update_probability": 0.8,
    "consistency_weight": 0.1,
}
ESMER = {"loss_decay": 0.99, "loss_margin": 1.0, "start": "zero", "decay": 0.999, "update_probability": 0.2}

# Table 5, per strategy: what both benchmarks share, what is of Continual-VS, what of Continual-AS. Its rows for DER++
# and STELLA also stand for the methods that are built on them and have no row.
TABLE_5: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "er": (STELLA, {}, {}),
    "mir": (VIRTUAL | {"candidates": 5}, {}, {}),
    "derpp": (DERPP, {"alpha": 0.5}, {"alpha": 1.0}),
    "gmed": (GMED, {"beta": 0.05, "edit_reference_batch": 12}, {"beta": 0.01, "edit_reference_batch": 9}),
    "cls-er": (TEACHER | CLS_ER, {}, {}),
    "esmer": (TEACHER | ESMER, {"consistency_weight": 0.15}, {"consistency_weight": 0.2}),
    "lump": (STELLA, {"concentration": 0.1}, {"concentration": 0.05}),
    "random": (HALF | APART | {"audio_selection": "none", "chunk": None}, {"alpha": 0.5}, {"alpha": 1.0}),
    "mats": (HALF, {"alpha": 0.5}, {"alpha": 1.0}),
    "rca-only": (DRAWN, {}, {}),
    **{
        name: (DRAWN, {"temperature": 0.4}, {"temperature": 0.1})
        for name in ("stella", "lpis-only", "stella-plus", "stella-plus-plus", "flava", "flava-plus")
    },
}
MEMORY = {"continual-vs": 2000, "continual-as": 5000}  # section 5.1
LARGER = {"stella-plus-plus": {"continual-vs": 80, "continual-as": 60}}  # 1.66 times the batch; Table 2


@pytest.fixture(params=[(name, bench) for bench in BENCHMARKS for name in ("finetune", "er", "derpp", "stella")])
def published(request: pytest.FixtureRequest) -> RunConfig:
    return resolve(*request.param, "paper")


@pytest.mark.parametrize("strategy", ["finetune", "multitask", *TABLE_5])
def test_the_run_is_whole_and_in_the_published_order(strategy: str) -> None:
    published = resolve(strategy, "continual-vs", "paper")
    assert (published.order, published.limit, published.profile) == ("default", None, "paper")
    assert (published.data["max_train_per_class"], published.data["retrieval_per_class"]) == (400, 5)


@pytest.mark.parametrize("bench", BENCHMARKS)
@pytest.mark.parametrize("strategy", ["finetune", "multitask", *TABLE_5])
def test_schedule_objective_and_optimizer(strategy: str, bench: str) -> None:
    training = resolve(strategy, bench, "paper").training
    epochs, batch = {"continual-vs": (10, 48), "continual-as": (15, 36)}[bench]
    assert (training.epochs, training.batch_size) == (epochs, LARGER.get(strategy, {}).get(bench, batch))
    assert (training.learning_rate, training.betas, training.weight_decay) == (1e-4, (0.95, 0.999), 5e-7)
    assert (training.matching_decay_factor, training.clip_gradient) == (1.0, None)
    assert (training.reconstruction_weight, training.contrastive_weight) == (1.0, 0.1)


@pytest.mark.parametrize("bench", BENCHMARKS)
@pytest.mark.parametrize("strategy", TABLE_5)
def test_options_of_the_strategies(strategy: str, bench: str) -> None:
    shared, *own = TABLE_5[strategy]
    expected = {"memory": MEMORY[bench]} | shared | own[BENCHMARKS.index(bench)]
    assert resolve(strategy, bench, "paper").options == expected


@pytest.mark.parametrize("order", ["default", "shuffled"])
@pytest.mark.parametrize("bench", BENCHMARKS)
def test_gmeds_edits_are_those_of_one_of_the_four_gpus_of_the_published_runs(bench: str, order: str) -> None:
    config = resolve("gmed", bench, "paper", overrides=[{"order": order}])
    assert 4 * config.options["edit_reference_batch"] == config.training.batch_size


@pytest.mark.parametrize("strategy", ["finetune", "multitask"])
def test_methods_without_a_memory_have_no_options(strategy: str) -> None:
    assert all(resolve(strategy, bench, "paper").options == {} for bench in BENCHMARKS)


@pytest.mark.parametrize("order", ["default", "shuffled"])
@pytest.mark.parametrize("bench", ["continual-vs", "continual-as", "continual-synth"])
@pytest.mark.parametrize("profile", ["quick", "standard", "paper"])
def test_the_batch_of_stella_plus_plus_is_two_thirds_larger_than_the_others(
    bench: str, profile: str, order: str
) -> None:
    plain, larger = (
        resolve(name, bench, profile, overrides=[{"order": order}]).training.batch_size
        for name in ("stella-plus", "stella-plus-plus")
    )
    assert larger == pytest.approx(1.66 * plain, abs=0.5)


@pytest.mark.parametrize("strategy", ["finetune", "multitask", *TABLE_5])
@pytest.mark.parametrize("bench", ["continual-vs", "continual-synth", "continual-as"])
def test_batches_in_the_shuffled_order(strategy: str, bench: str) -> None:
    shuffled = [{"order": "shuffled"}]
    batch = 60 if strategy in LARGER else 36  # Table 7
    assert resolve(strategy, bench, "paper", overrides=shuffled).training.batch_size == batch
    chosen = [*shuffled, {"training": {"batch_size": 40}}]
    assert resolve(strategy, bench, "paper", overrides=chosen).training.batch_size == 40
    assert resolve(strategy, bench, "paper", overrides=[*shuffled, {"order": "default"}]) == resolve(
        strategy, bench, "paper"
    )


def test_model(published: RunConfig) -> None:
    model = published.model
    assert (model.width, model.heads, model.unimodal_depth, model.fusion_depth, model.mlp_ratio) == (768, 12, 10, 2, 4)
    assert (model.decoder_width, model.decoder_heads, model.decoder_depth) == (512, 16, 8)
    assert (model.mask_ratio, model.temperature) == (0.8, 0.05)
    assert (model.normalise_targets, model.target_epsilon) == (True, 1e-6)
    assert not model.legacy_head_merge


def test_clips(published: RunConfig) -> None:
    clip = published.clip
    assert (clip.frames, clip.image_size, clip.audio_frames, clip.mel_bins, clip.patch) == (4, 224, 1024, 128, 16)
    assert (clip.audio_tokens, clip.video_tokens) == (512, 784)
    assert visible_counts(clip, published.model.mask_ratio) == (102, 156)


def test_stored_clips(published: RunConfig) -> None:
    stored = Preprocessing.model_validate(published.data["preprocessing"])
    assert (stored.clip_seconds, stored.stored_frames, stored.stored_size) == (10.0, 80, 256)
    assert (stored.sample_rate, stored.frame_shift_ms, stored.frame_length_ms) == (16000, 10.0, 25.0)
    assert (stored.audio_frames, stored.mel_bins) == (1024, 128)
    assert (stored.audio_mean, stored.audio_std) == (-5.081, 4.4849)


def test_training_views(published: RunConfig) -> None:
    stored = Preprocessing.model_validate(published.data["preprocessing"])
    views = Sampling.model_validate(published.data["sampling"])
    assert (views.frames, views.window_step_seconds, views.crop) == ("window", 1.0, "multiscale")
    assert (views.noise, views.roll) == (0.1, 1024)
    assert window_offsets(stored, views, published.clip) == [0, 8, 16, 24]
    assert window_length(stored, views, published.clip) == 32


def test_evaluation(published: RunConfig) -> None:
    assert (published.evaluation.recall_at, published.evaluation.gallery) == ((1, 5, 10), "pool")


@pytest.mark.parametrize(("selection", "chunks"), [("time", 64 // 4), ("frequency", 4 // 1)])
def test_a_chunk_of_stella_is_four_patches_of_time_or_one_of_frequency(
    tiny_config: Callable[..., RunConfig], selection: str, chunks: int
) -> None:
    published = resolve("stella", "continual-vs", "paper").options
    config = tiny_config("stella", options=published | {"audio_selection": selection})
    # The published 64 patches of time, in a clip that is small otherwise.
    clip = config.clip.model_copy(update={"audio_frames": 64 * config.clip.patch})
    strategy = Session(config.model_copy(update={"clip": clip})).strategy
    assert isinstance(strategy, Stella)
    assert strategy.chunks == chunks

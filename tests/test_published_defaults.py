"""The `paper` profile of Continual-VS is the published protocol, number by number (STELLA, Tables 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from avbench.config import RunConfig, resolve
from avbench.data.preprocessing import Preprocessing, Sampling
from avbench.data.sampling import window_length, window_offsets
from avbench.model.masking import visible_counts
from avbench.strategies.stella import Stella
from avbench.training.session import Session

STRATEGIES = ["finetune", "er", "derpp", "stella"]


@pytest.fixture(params=STRATEGIES)
def published(request: pytest.FixtureRequest) -> RunConfig:
    return resolve(request.param, "continual-vs", "paper")


def test_the_run_is_whole_and_in_the_published_order(published: RunConfig) -> None:
    assert (published.order, published.limit, published.profile) == ("default", None, "paper")
    assert (published.data["max_train_per_class"], published.data["retrieval_per_class"]) == (400, 5)


def test_schedule_objective_and_optimizer(published: RunConfig) -> None:
    training = published.training
    assert (training.epochs, training.batch_size) == (10, 48)
    assert (training.learning_rate, training.betas, training.weight_decay) == (1e-4, (0.95, 0.999), 5e-7)
    assert (training.matching_decay_factor, training.clip_gradient) == (1.0, None)
    assert (training.reconstruction_weight, training.contrastive_weight) == (1.0, 0.1)


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


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("finetune", {}),
        ("er", {"memory": 2000}),
        ("derpp", {"memory": 2000, "alpha": 0.5}),
        (
            "stella",
            {"memory": 2000, "alpha": 0.5, "temperature": 0.4, "sampling_ratio": 0.5, "audio_selection": "time"},
        ),
    ],
)
def test_options_of_the_strategies(strategy: str, options: dict[str, object]) -> None:
    found = resolve(strategy, "continual-vs", "paper").options
    assert {name: value for name, value in found.items() if name != "chunk"} == options


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

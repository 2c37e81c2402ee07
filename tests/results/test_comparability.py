import pytest

from avbench.config import RunConfig, merge
from avbench.results import comparability_key, config_hash, exam, stable_hash

VALUES = {
    "strategy": "stella",
    "bench": "continual-synth",
    "data": {"root": "/somewhere", "world": {"salience": 0.5, "seed": 0}},
    "options": {"memory": 100},
}


def key(changes=None, version="1", clips="abc", weights="w0"):
    config = RunConfig.model_validate(merge(VALUES, changes or {}))
    return comparability_key(exam(config, version, clips, weights, frozenset({"root"})))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 7},
        {"strategy": "er"},
        {"options": {"memory": 5}},
        {"device": "cuda:1"},
        {"precision": "bf16"},
        {"threads": 8},
        {"workers": 4},
        {"data": {"root": "/elsewhere"}},
        {"training": {"log_every": 50, "checkpoint_minutes": 1.0, "keep_checkpoints": 9}},
        {"training": {"base_weights": "/home/ada/base.safetensors"}},
        {"evaluation": {"batch_size": 2, "examples": 0, "largest_saved_similarity": 5, "recall_at": [10, 5, 1]}},
        {"pretraining": {"epochs": 2}},
    ],
    ids=str,
)
def test_what_does_not_change_the_question_does_not_change_the_key(changes):
    assert key(changes) == key()


@pytest.mark.parametrize(
    "changes",
    [
        {"bench": "continual-vs"},
        {"order": "shuffled"},
        {"limit": 10},
        {"profile": "standard"},
        {"clip": {"image_size": 64}},
        {"model": {"unimodal_depth": 2}},
        {"training": {"epochs": 3}},
        {"training": {"learning_rate": 3e-4}},
        {"evaluation": {"gallery": "task"}},
        {"evaluation": {"recall_at": [1, 5]}},
        {"data": {"world": {"salience": 0.6}}},
        {"data": {"world": {"root": "a place only where the benchmark says so"}}},
    ],
    ids=str,
)
def test_what_changes_the_question_changes_the_key(changes):
    assert key(changes) != key()


def test_clips_benchmark_version_and_base_weights_are_in_the_key():
    others = {key(version="2"), key(clips="abd"), key(weights="w1"), key(weights=None)}
    assert len(others | {key()}) == 5


def test_a_hash_is_the_same_on_every_machine_and_for_every_order_of_keys():
    assert stable_hash({"b": [1, 2.5, None], "a": "ü"}) == stable_hash({"a": "ü", "b": [1, 2.5, None]})
    assert stable_hash({"a": 1}) == "015abd7f5cc57a2d"


def test_the_configuration_hash_sees_everything():
    config = RunConfig.model_validate(VALUES)
    assert config_hash(config) == config_hash(config.model_copy())
    assert config_hash(config) != config_hash(config.model_copy(update={"threads": 3}))

"""What a configuration refuses before anything starts: impossible values, ambiguous YAML, names that mean nothing."""

import time
from pathlib import Path

import pytest
import yaml

from avbench import registry
from avbench.config import RunConfig, dump, parse_override, read_yaml, resolve, validate
from avbench.errors import UsageError
from avbench.paths import absolute
from avbench.wording import shortened

LONGEST = 1000  # characters of a message, whatever was given


def refused(*overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        resolve("finetune", "continual-synth", overrides=[parse_override(text) for text in overrides])
    assert len(str(caught.value)) < LONGEST
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.betas=[1,1]", "training.betas.0: Input should be less than 1"),
        ("training.betas=[0.9,1.0]", "training.betas.1"),
        ("evaluation.recall_at=[]", "evaluation.recall_at: name at least one rank"),
        ("evaluation.recall_at=[1,5,1]", "each only once"),
        ("model.mask_ratio=0", "leaves 64 of 64 audio tokens visible, and so nothing to reconstruct; raise it"),
        ("model.mask_ratio=0.99", "leaves 0 of 64 audio tokens visible"),
        ("training.epochs=2147483648", "training.epochs: Input should be less than 2147483648"),
        ("limit=99999999999999999999", "limit"),
        ("pretraining.warmup_steps=2147483648", "pretraining.warmup_steps"),
        ("evaluation.examples=2147483648", "evaluation.examples"),
        ("evaluation.recall_at=[2147483648]", "evaluation.recall_at.0"),
        ("workers=1000000", "workers"),
        ("data.jobs=1000000", "data.jobs"),
        ("model.unimodal_depth=1000000000", "model.unimodal_depth"),
        (f"training.epochs=0x{'F' * 9999}", "given: a whole number of more than 40 digits"),
        (f"training.epochs={'9' * 5000}", "--set 'training.epochs=999"),
        ("training.base_weights=~no-such-user/x", "whose home folder '~no-such-user/x' means is unknown"),
        ("data.cache=~no-such-user/x", "data.cache: whose home folder"),
        (f"data.cache={'a' * 5000}", "too long"),
        ('data.cache="a\\0b"', "no name can"),
        ("data.cache=\udcff", "special characters are not allowed"),
    ],
)  # fmt: skip
def test_values_that_mean_nothing_are_refused_by_name(override, said):
    assert said in refused(override)


def test_no_tokens_may_be_left_over_or_missing_in_either_modality():
    shape = {"frames": 1, "image_size": 32, "audio_frames": 32, "mel_bins": 32, "patch": 16}  # 4 tokens each

    def accepted(ratio: float, **clip: int) -> bool:
        values = {"strategy": "er", "bench": "b", "clip": {**shape, **clip}, "model": {"mask_ratio": ratio}}
        try:
            validate(RunConfig, values, "")
        except UsageError:
            return False
        return True

    visible = {ratio / 100: int(4 * (1 - ratio / 100)) for ratio in range(100)}
    assert all(accepted(ratio) == (0 < count < 4) for ratio, count in visible.items())
    assert accepted(0.5, frames=2) and not accepted(0.5, image_size=16)  # 1 video token can't be both


@pytest.mark.parametrize("override", ["x" * 100_000 + "=1", "a." * 5000 + "b=1", "training=" + "[" * 100_000])
def test_messages_stay_short_whatever_is_given(override):
    assert "..." in refused(override)


def test_many_mistakes_are_told_in_part():
    keys = ", ".join(f"k{number}: 1" for number in range(500))
    with pytest.raises(UsageError, match="and 490 more"):
        validate(RunConfig, parse_override(f"training={{{keys}}}") | {"strategy": "er", "bench": "b"}, "")


def test_references_are_refused_at_once_however_much_they_would_unfold_to(tmp_path):
    rows = "".join(f"&{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}], " for n in range(20))
    bomb = f"[&a [x,x,x,x,x,x,x,x,x], {rows}]"
    path = tmp_path / "bomb.yaml"
    path.write_text(f"\ntraining: {bomb}")
    start = time.process_time()
    with pytest.raises(UsageError, match=r"bomb\.yaml is not valid YAML: line 2, .*references"):
        read_yaml(path)
    assert "references" in refused(f"training={bomb}")
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training:\n  epochs: 2\n  epochs: 3\n", "line 3, column 3: the key 'epochs' was given before, in line 2"),
        ("seed: 1\nlimit: 3\nseed: 2\n", "line 3, column 1: the key 'seed'"),
        ("a: 1\n'a': 2\n", "line 2"),
    ],
)  # fmt: skip
def test_a_key_that_is_given_twice_is_named_with_its_lines(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.yaml") as caught:
        read_yaml(path)
    assert said in str(caught.value)


def test_what_is_dumped_can_be_read_although_values_are_shared(tmp_path):
    shared = [1, 2]
    config = RunConfig(strategy="er", bench="b", data={"x": shared, "y": shared}, options={"z": {"x": shared}})
    path = tmp_path / "config.yaml"
    path.write_text(dump(config))
    assert validate(RunConfig, read_yaml(path), "") == config
    assert yaml.safe_load(dump(config)) == config.model_dump(mode="json")


def test_an_unknown_option_where_there_are_none_is_said_without_a_list():
    message = refused("options.memory=3")
    assert message == "options.memory: unknown option; there are none here"


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(UsageError, match=r"no profile 'standart'; did you mean 'standard'\? it has paper, quick"):
        resolve("finetune", "continual-synth", "standart")


def test_where_nothing_is_registered_no_empty_list_is_shown(monkeypatch):
    monkeypatch.setattr(registry, "plugins", lambda kind: {})
    with pytest.raises(UsageError, match=r"no strategy called 'er'; there are: none at all$"):
        registry.find("strategies", "er")


def test_relative_paths_are_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert absolute("a/b") == tmp_path / "a" / "b"
    assert absolute("~/b") == tmp_path / "home" / "b"


def test_short_values_are_shown_in_full():
    for value in (3, 0.5, "quick", [1, 5, 10], None, True, {"a": 1}):
        assert shortened(value) == repr(value)


def test_names_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="not valid UTF-8"):
        absolute("clips-\udcff")


@pytest.mark.parametrize("strategy", ["er", "derpp", "gmed", "esmer", "cls-er"])
def test_a_variant_chosen_over_a_saved_configuration_is_that_variant(strategy: str, tmp_path: Path) -> None:
    bench, faithful = "continual-synth", [{"options": {"variant": "faithful"}}]
    saved = tmp_path / "config.yaml"
    saved.write_text(dump(resolve(strategy, bench)))
    direct = resolve(strategy, bench, overrides=faithful)
    assert resolve(strategy, bench, files=[saved], overrides=faithful) == direct != resolve(strategy, bench)
    saved.write_text(dump(direct))
    assert resolve(strategy, bench, files=[saved]) == direct
    back = [{"options": {"variant": "stella"}}]
    assert resolve(strategy, bench, files=[saved], overrides=back) == resolve(strategy, bench)


def test_options_given_beside_a_variant_stay_as_given() -> None:
    given = [{"options": {"replay_loss": "joint"}}, {"options": {"variant": "faithful"}}]
    assert resolve("er", "continual-synth", overrides=given).options["replay_loss"] == "joint"

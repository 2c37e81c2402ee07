"""Properties of GMED: its edits, where they are kept, and that making them leaves no other trace."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import RunConfig
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise
from avbench.strategies.gmed import GMED
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Replay, Step

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def stepped(config: RunConfig, steps: int) -> Session:
    """A session after some steps; no two clips have the same name."""
    session = Session(config)
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    for number in range(steps):
        wire = random_wire(config, config.training.batch_size, generator)
        template.mbatch = wire | {"clip_id": [f"{number}-{name}" for name in wire["clip_id"]]}
        template.run_iteration()
    return session


def next_step(config: RunConfig) -> Step:
    wire = random_wire(config, 6, torch.Generator().manual_seed(6))
    return Step(wire, Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"]))


def weights(session: Session) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in session.net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def options(**values: Any) -> dict[str, Any]:
    return {"memory": 40, **values}


def edited(session: Session, slots: Tensor) -> tuple[Replay, Replay]:
    """Clips of the memory before and after an edit."""
    before = session.strategy.replay(slots)
    return before, session.strategy.edit(next_step(session.config), session.strategy.replay(slots))


def slopes(net: AudioVideoMAE, clips: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
    """By audio and video; 0.7 and 0.3 are the weights of the tiny configuration."""
    audio, video = clips.audio.clone().requires_grad_(), clips.video.clone().requires_grad_()
    out = net(Batch(audio, video, clips.clip_id), noise)
    (0.7 * (out.reconstruction_audio + out.reconstruction_video) + 0.3 * out.contrastive).mean().backward()
    assert audio.grad is not None and video.grad is not None
    return audio.grad, video.grad


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("masks", ["fresh", "shared"])
def test_an_edit_is_that_of_a_step_really_made_on_a_copy(tiny_config: Config, masks: str, sign: int) -> None:
    values = {"alpha": 2.0, "beta": 0.3, "gamma": 0.5, "sign": sign, "masks": masks, "edit_reference_batch": 4}
    session = stepped(tiny_config("gmed", options=options(**values)), 4)
    memory, slots, config = session.strategy.memory, torch.tensor([3, 0, 11, 7, 8, 20]), session.config
    assert memory is not None
    memory.write(slots, {"edits": torch.tensor([0, 1, 2, 0, 3, 1])})
    aux = torch.Generator()
    aux.set_state(session.generators["aux"].get_state())
    before, after = edited(session, slots)

    step, noises = next_step(config), [Noise.draw(6, config.clip, aux) for _ in range(3)]
    net, optimizer = deepcopy((session.net, session.optimizer))
    out = net(step.stream, noises[0])
    optimizer.zero_grad()
    (0.7 * (out.reconstruction_audio + out.reconstruction_video) + 0.3 * out.contrastive).mean().backward()
    optimizer.step()
    now = slopes(deepcopy(session.net), before.batch, noises[1])
    ahead = slopes(net, before.batch, noises[1] if masks == "shared" else noises[2])
    for place, edits in enumerate([0, 1, 2, 0, 3, 1]):
        stride = 2.0 * 0.5**edits * 6 / 4
        pairs = zip((before.batch.audio, before.batch.video), (after.batch.audio, after.batch.video), strict=True)
        for modality, (old, new) in enumerate(pairs):
            pull = (ahead[modality] - now[modality] + sign * 0.3 * now[modality])[place]
            assert (stride * pull).abs().max() > 1e-4  # far more than the tolerance
            torch.testing.assert_close(new[place] - old[place], stride * pull, rtol=1e-3, atol=2e-6)
    assert after.fields["edits"].tolist() == [1, 2, 3, 1, 4, 2]


def test_without_a_step_ahead_and_under_shared_masks_only_the_present_gradient_edits(tiny_config: Config) -> None:
    slots = torch.arange(6)

    def change(**values: Any) -> float:
        values = {"alpha": 1.0, "virtual_learning_rate": 0.0} | values
        before, after = edited(stepped(tiny_config("gmed", options=options(**values)), 2), slots)
        audio, video = after.batch.audio - before.batch.audio, after.batch.video - before.batch.video
        return max(float(audio.abs().max()), float(video.abs().max()))

    assert change(beta=0.0, masks="shared") == 0.0
    assert change(beta=0.0, masks="fresh") > 1e-3  # the noise that fresh masks bring into the edit
    assert change(beta=0.5, masks="shared") > 1e-3
    assert change(beta=0.0, masks="shared", virtual_learning_rate=None) > 1e-4


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_says_whether_the_present_loss_rises_or_falls(tiny_config: Config, sign: int) -> None:
    values = {"alpha": 1.0, "beta": 0.1, "sign": sign, "masks": "shared", "virtual_learning_rate": 0.0}
    session = stepped(tiny_config("gmed", options=options(**values)), 2)
    aux = torch.Generator()
    aux.set_state(session.generators["aux"].get_state())
    before, after = edited(session, torch.arange(6))
    noise = [Noise.draw(6, session.config.clip, aux) for _ in range(2)][1]
    with torch.no_grad():
        old, new = (float(session.strategy.clip_loss(session.net(r.batch, noise)).mean()) for r in (before, after))
    assert sign * (new - old) > 1e-5


def test_without_contrast_edits_do_not_depend_on_how_many_clips_are_edited_at_once(tiny_config: Config) -> None:
    """The loss is a mean: its gradient falls with the batch size, and the scale to the reference batch undoes that."""
    values = {"alpha": 100.0, "beta": 0.5, "virtual_learning_rate": 0.0}
    session = stepped(tiny_config("gmed", options=options(**values), training={"contrastive_weight": 0.0}), 2)
    strategy, noise = session.strategy, session.strategy.draw_noise(6)
    assert isinstance(strategy, GMED)
    strategy.masks_around = lambda clips: (Noise.cat([noise] * (clips // 6)),) * 2  # type: ignore[method-assign]
    once = strategy.replay(torch.arange(6))
    twice = Replay(Batch.cat([once.batch, once.batch]), {"edits": torch.zeros(12)}, torch.arange(12))
    moved = strategy.edit(next_step(session.config), once).batch.audio - once.batch.audio
    both = strategy.edit(next_step(session.config), twice).batch.audio - twice.batch.audio
    torch.testing.assert_close(both[:6], moved, rtol=1e-3, atol=1e-6)
    assert moved.abs().max() > 1e-3


def test_without_a_stride_gmed_is_er_bit_for_bit(tiny_config: Config, train: Train) -> None:
    er = train(tiny_config("er"))
    gmed = train(tiny_config("gmed", options={"memory": 12, "alpha": 0.0}))
    assert same(weights(er), weights(gmed))
    assert er.strategy.memory and gmed.strategy.memory
    assert er.strategy.memory.clip_ids == gmed.strategy.memory.clip_ids
    assert not same(weights(er), weights(train(tiny_config("gmed", options={"memory": 12}))))


def test_an_edit_leaves_weights_gradients_and_the_optimizer_alone(tiny_config: Config) -> None:
    session = stepped(tiny_config("gmed", options=options()), 3)
    before, optimizer = weights(session), deepcopy(session.optimizer.state_dict())
    gradients = {name: deepcopy(p.grad) for name, p in session.net.named_parameters()}
    states = session.generators.state_dict()
    edited(session, torch.arange(6))
    assert same(before, weights(session))
    for name, parameter in session.net.named_parameters():
        assert (parameter.grad is None) == (gradients[name] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])
    for index, kept in session.optimizer.state_dict()["state"].items():
        assert same({k: torch.as_tensor(v) for k, v in kept.items()}, optimizer["state"][index])
    drawn = {name for name, state in session.generators.state_dict().items() if not torch.equal(state, states[name])}
    assert drawn == {"aux"}


def test_new_clips_are_stored_as_the_model_saw_them_in_full_precision(tiny_config: Config) -> None:
    session = stepped(tiny_config("gmed", options=options()), 1)
    stored = session.strategy.memory.read(torch.arange(6))  # type: ignore[union-attr]
    assert stored["audio"].dtype == stored["video"].dtype == torch.float32
    assert torch.equal(stored["audio"], session.template.step.stream.audio)
    assert torch.equal(stored["video"], session.template.step.stream.video)


def test_what_is_trained_on_is_what_the_memory_then_keeps(tiny_config: Config) -> None:
    session = stepped(tiny_config("gmed", options=options(alpha=5.0)), 4)
    replay, memory = session.template.step.replay, session.strategy.memory
    assert replay is not None and memory is not None
    kept = memory.read(replay.slots)
    assert torch.equal(kept["audio"], replay.batch.audio) and torch.equal(kept["video"], replay.batch.video)
    assert torch.equal(session.template.step.joint.audio[6:], replay.batch.audio)
    assert torch.equal(kept["edits"], replay.fields["edits"])
    untouched = [slot for slot in range(len(memory)) if slot not in replay.slots.tolist()]
    assert len(untouched) == 24 - 6


def test_edits_are_counted_per_stored_clip_and_anew_for_its_successor(tiny_config: Config) -> None:
    session = Session(tiny_config("gmed", options={"memory": 8}))
    template, generator, counted = session.attach(store=[]), torch.Generator().manual_seed(5), dict[str, int]()
    memory, replaced = session.strategy.memory, 0
    assert memory is not None
    for number in range(12):
        wire = random_wire(session.config, 6, generator)
        template.mbatch = wire | {"clip_id": [f"{number}-{name}" for name in wire["clip_id"]]}
        before = list(memory.clip_ids)
        template.run_iteration()
        replay = template.step.replay
        for slot in [] if replay is None else replay.slots.tolist():
            counted[before[slot]] = counted.get(before[slot], 0) + 1
        found = memory.read(torch.arange(len(memory)))["edits"].tolist()
        assert found == [counted.get(name, 0) for name in memory.clip_ids]
        gone = [old for old, new in zip(before, memory.clip_ids[: len(before)], strict=True) if old != new]
        replaced += sum(counted.get(name, 0) > 0 for name in gone)
    assert replaced > 2


def test_the_variants_differ_in_sign_masks_and_in_how_replay_counts() -> None:
    stella, faithful = GMED.Config(), GMED.Config(variant="faithful")
    assert (stella.sign, stella.masks, stella.replay_loss) == (1, "fresh", "joint")
    assert (faithful.sign, faithful.masks, faithful.replay_loss) == (-1, "shared", "separate")

"""Properties of Finetune, ER and DER++, exact where the methods say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import RunConfig
from avbench.errors import UsageError
from avbench.model.masking import Noise
from avbench.training.generators import Generators
from avbench.training.loader import epoch_batches
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Replay, Step

Config = Callable[..., RunConfig]
Train = Callable[..., Session]
ALL = ["finetune", "er", "derpp", "stella"]


def weights(session: Session) -> dict[str, Tensor]:
    modules = {"model": session.net, **session.strategy.modules()}
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def iterate(session: Session, steps: int) -> None:
    template = session.attach(store=[])
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        template.mbatch = random_wire(session.config, session.config.training.batch_size, generator)
        template.run_iteration()


def test_finetune_equals_a_loop_written_by_hand(tiny_config: Config, train: Train) -> None:
    config = tiny_config("finetune")
    trained = train(config)
    by_hand, store = Session(config), trained.template.store
    generators, training = Generators(config.seed), config.training
    for rows in (range(12), range(12, 24)):
        for _ in range(training.epochs):
            for batch in epoch_batches(list(rows), training.batch_size, generators["data"]):
                clips = [store[key] for key in batch]
                audio, video = (torch.stack([clip[name] for clip in clips]) for name in ("audio", "video"))
                noise = Noise.draw(len(clips), config.clip, generators["mask"])
                out = by_hand.net(Batch.from_wire(audio, video, ()), noise)
                loss = 0.7 * (out.reconstruction_audio + out.reconstruction_video) + 0.3 * out.contrastive
                by_hand.optimizer.zero_grad()
                loss.mean().backward()
                by_hand.optimizer.step()
    assert same(weights(trained), weights(by_hand))


def test_finetune_never_allocates_a_memory(tiny_config: Config, train: Train) -> None:
    assert train(tiny_config("finetune")).strategy.memory is None


@pytest.mark.parametrize("strategy", ["er", "derpp"])
def test_the_first_step_of_replay_equals_finetune(tiny_config: Config, strategy: str) -> None:
    sessions = [Session(tiny_config(name)) for name in ("finetune", strategy)]
    for session in sessions:
        iterate(session, 1)
    assert same(*map(weights, sessions))
    for session in sessions:
        iterate(session, 1)
    assert not same(*map(weights, sessions))


def test_derpp_without_its_penalty_is_er_bit_for_bit(tiny_config: Config, train: Train) -> None:
    er = train(tiny_config("er"))
    derpp = train(tiny_config("derpp", options={"memory": 12, "alpha": 0.0}))
    assert same(weights(er), weights(derpp))
    assert er.strategy.memory and derpp.strategy.memory
    assert er.strategy.memory.clip_ids == derpp.strategy.memory.clip_ids
    assert not same(weights(er), weights(train(tiny_config("derpp"))))


def test_memory_holds_clips_exactly_as_they_were_trained_on(tiny_config: Config, train: Train) -> None:
    session = train(tiny_config("er", options={"memory": 100}))
    memory, store = session.strategy.memory, session.template.store
    assert memory is not None
    assert (len(memory), memory.visits) == (48, 48)  # every visit: 24 clips in two epochs
    for slot, clip_id in enumerate(memory.clip_ids):
        row = store.clip_ids.index(clip_id)
        assert torch.equal(memory.read(torch.tensor([slot]))["video"][0], store.wire["video"][row])


def test_stored_embeddings_are_those_of_the_forward_pass_before_the_update(tiny_config: Config) -> None:
    session = Session(tiny_config("derpp"))
    before = {key: value.clone() for key, value in session.net.state_dict().items()}
    iterate(session, 1)
    step, memory = session.template.step, session.strategy.memory
    assert memory is not None
    session.net.load_state_dict(before)
    out = session.net(step.stream, step.noise)
    stored = memory.read(torch.arange(6))
    assert torch.equal(stored["z_audio"], out.z_audio)
    assert torch.equal(stored["z_video"], out.z_video)


def test_the_distillation_penalty_is_alpha_times_the_mean_square_of_each_modality(tiny_config: Config) -> None:
    session = Session(tiny_config("derpp", options={"memory": 12, "alpha": 0.3}))
    iterate(session, 2)
    step, total = session.template.step, 0.0
    assert step.replay is not None
    for z, name in ((step.output.z_audio, "z_audio"), (step.output.z_video, "z_video")):
        assert z is not None
        differences = [
            (float(new.detach()) - float(old)) ** 2
            for row, kept in zip(z[6:], step.replay.fields[name], strict=True)
            for new, old in zip(row, kept, strict=True)
        ]
        total += sum(differences) / len(differences)
    assert float(step.terms["distillation"].detach()) == pytest.approx(0.3 * total, rel=1e-4)


def test_the_penalty_is_zero_for_unchanged_weights_and_masks(tiny_config: Config) -> None:
    session = Session(tiny_config("derpp"))
    before = {key: value.clone() for key, value in session.net.state_dict().items()}
    iterate(session, 1)
    first, memory = session.template.step, session.strategy.memory
    after = {key: value.clone() for key, value in session.net.state_dict().items()}
    assert memory is not None
    other = Noise.draw(6, session.config.clip, torch.Generator().manual_seed(1))

    def penalty(state: dict[str, Tensor], masks: Noise) -> float:
        """Replay the first step's clips beside themselves."""
        session.net.load_state_dict(state)
        slots = torch.arange(6)
        step = Step(first.wire, first.stream, Replay(first.stream, memory.read(slots), slots))
        step.output = session.net(Batch.cat([first.stream, first.stream]), Noise.cat([other, masks]))
        return float(session.strategy.penalty(step)["distillation"].detach())

    unchanged = penalty(before, first.noise)
    assert unchanged < 1e-10
    assert penalty(after, first.noise) > 1e-6 + 1e3 * unchanged
    assert penalty(before, other) > 1e-6 + 1e3 * unchanged


@pytest.mark.parametrize("strategy", ALL)
def test_a_stream_cut_into_experiences_or_given_whole_leaves_the_same_weights(
    tiny_config: Config, train: Train, strategy: str
) -> None:
    config = tiny_config(strategy, training={"epochs": 1})
    whole = train(config, clips=36, cuts=(), shuffle=False)
    cut = train(config, clips=36, cuts=(12, 18), shuffle=False)
    assert same(weights(whole), weights(cut))


@pytest.mark.parametrize("strategy", ALL)
def test_one_seed_gives_one_result_whatever_the_number_of_workers(
    tiny_config: Config, train: Train, strategy: str
) -> None:
    alone, helped, other = (train(tiny_config(strategy, **run)) for run in ({}, {"workers": 2}, {"seed": 1}))
    assert same(weights(alone), weights(helped))
    assert not same(weights(alone), weights(other))
    memories = [session.strategy.memory for session in (alone, helped, other)]
    assert (strategy == "finetune") == all(memory is None for memory in memories)
    if memories[0] is not None and memories[1] is not None and memories[2] is not None:
        assert same(memories[0].state_dict(), memories[1].state_dict())
        assert memories[0].clip_ids == memories[1].clip_ids != memories[2].clip_ids
        assert (memories[0].visits, memories[0].accepted) == (memories[1].visits, memories[1].accepted)


@pytest.mark.parametrize("count", [4, 6, 9])
def test_apart_the_loss_is_a_mean_over_the_stream_and_one_over_the_memory(tiny_config: Config, count: int) -> None:
    """Also where they are not equally many: `count` replayed clips beside six."""
    session = Session(tiny_config("er", options={"memory": 12, "replay_loss": "separate"}))
    template, generator, draw = session.attach(store=[]), torch.Generator().manual_seed(5), session.strategy.draw
    for size in (6, 6):
        template.mbatch = random_wire(session.config, size, generator)
        template.run_iteration()
    session.strategy.select = lambda step: draw(count)  # type: ignore[method-assign]
    template.mbatch = random_wire(session.config, 6, generator)
    template.run_iteration()
    out, replay = template.step.output, template.step.replay
    assert replay is not None and len(replay) == count
    parts = (out.reconstruction_audio, out.reconstruction_video, out.contrastive)
    lists = [part.tolist() for part in parts if part is not None]
    losses = [0.7 * (audio + video) + 0.3 * contrast for audio, video, contrast in zip(*lists, strict=True)]
    expected = sum(losses[:6]) / 6 + sum(losses[6:]) / count
    assert float(template.loss.detach()) == pytest.approx(expected, rel=1e-6)
    assert count == 6 or abs(2 * sum(losses) / (6 + count) / expected - 1) > 1e-5  # else it would say little


def test_training_leaves_the_global_generators_alone(tiny_config: Config, train: Train) -> None:
    torch.manual_seed(11)
    one = weights(train(tiny_config("stella")))
    torch.manual_seed(12)
    assert same(one, weights(train(tiny_config("stella"))))


def test_a_memory_smaller_than_a_batch_is_refused_before_training(tiny_config: Config) -> None:
    with pytest.raises(UsageError, match=r"options\.memory = 5 .*batch_size = 6"):
        Session(tiny_config("er", options={"memory": 5}))

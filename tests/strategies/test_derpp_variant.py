"""Properties of the options of DER++ that its own paper needs: two draws, a weight of replay, stored masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.config import RunConfig
from avbench.model.masking import Noise
from avbench.strategies.derpp import DERPlusPlus
from avbench.training.session import Session, random_wire

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def weights(session: Session) -> dict[str, Tensor]:
    return dict(session.net.state_dict())


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def stepped(config: RunConfig, steps: int, learning_rate: Callable[[int], float] | None = None) -> Session:
    session = Session(config, learning_rate=learning_rate)
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    for _ in range(steps):
        template.mbatch = random_wire(config, config.training.batch_size, generator)
        template.run_iteration()
    return session


def options(**values: Any) -> dict[str, Any]:
    return {"memory": 40, **values}


def penalty_of(session: Session) -> float:
    return float(session.template.step.terms["distillation"].detach())


@pytest.mark.parametrize("values", [{"draws": 2}, {"replay_masks": "fresh"}, {"variant": "faithful"}])
def test_without_its_penalty_each_variant_is_er_bit_for_bit(
    tiny_config: Config, train: Train, values: dict[str, Any]
) -> None:
    er = {name: value for name, value in values.items() if name == "variant"}
    plain = train(tiny_config("er", options={"memory": 12, **er}))
    derpp = train(tiny_config("derpp", options={"memory": 12, "alpha": 0.0, **values}))
    assert same(weights(plain), weights(derpp))
    assert not same(weights(plain), weights(train(tiny_config("derpp", options={"memory": 12, **values}))))


@pytest.mark.parametrize("draws", [1, 2])
def test_under_stored_masks_an_unchanged_network_pays_nothing(tiny_config: Config, draws: int) -> None:
    def penalty(masks: str, rate: float) -> float:
        config = tiny_config("derpp", options=options(draws=draws, replay_masks=masks, alpha=1.0))
        return penalty_of(stepped(config, 4, lambda step: rate))

    unchanged = penalty("stored", 0.0)
    assert unchanged < 1e-10  # batches of different sizes round differently
    assert penalty("stored", 1e-3) > 1e-6 + 1e3 * unchanged
    assert penalty("fresh", 0.0) > 1e-6 + 1e3 * unchanged


def test_with_one_draw_replayed_clips_are_trained_on_under_their_stored_masks(tiny_config: Config) -> None:
    session = stepped(tiny_config("derpp", options=options(replay_masks="stored")), 3)
    step, mask = session.template.step, torch.Generator()
    assert step.replay is not None
    assert torch.equal(step.noise.audio[6:], step.replay.fields["noise_audio"])
    assert torch.equal(step.noise.video[6:], step.replay.fields["noise_video"])
    mask.set_state(Session(session.config).generators["mask"].get_state())
    drawn = [Noise.draw(count, session.config.clip, mask) for count in (6, 12, 12)]  # as many as ER draws
    assert torch.equal(step.noise.audio[:6], drawn[2].audio[:6])
    stored = session.strategy.memory.read(torch.arange(18))  # type: ignore[union-attr]
    assert torch.equal(stored["noise_audio"], torch.cat([noise.audio[:6] for noise in drawn]))
    assert torch.equal(stored["noise_video"], torch.cat([noise.video[:6] for noise in drawn]))


@pytest.mark.parametrize("masks", ["fresh", "stored"])
def test_with_two_draws_other_clips_are_distilled_than_those_whose_loss_counts(tiny_config: Config, masks: str) -> None:
    config = tiny_config("derpp", options=options(draws=2, replay_masks=masks, alpha=0.3))
    session = stepped(config, 4)
    template, memory, generators = session.template, session.strategy.memory, {}
    before = {name: value.clone() for name, value in session.net.state_dict().items()}
    for name in ("memory", "aux"):
        generators[name] = torch.Generator()
        generators[name].set_state(session.generators[name].get_state())
    assert memory is not None
    kept = {name: value.clone() for name, value in memory.read(torch.arange(24)).items()}
    template.mbatch = random_wire(config, 6, torch.Generator().manual_seed(6))
    template.run_iteration()
    assert template.step.replay is not None
    assert torch.equal(template.step.replay.slots, torch.randperm(24, generator=generators["memory"])[:6])

    slots = torch.randperm(24, generator=generators["aux"])[:6]
    assert sorted(slots.tolist()) != sorted(template.step.replay.slots.tolist())
    noise = Noise(kept["noise_audio"][slots], kept["noise_video"][slots]) if masks == "stored" else None
    session.net.load_state_dict(before)
    clips = session.strategy.replay(slots).batch
    with torch.no_grad():
        out = session.net(clips, noise or Noise.draw(6, config.clip, generators["aux"]))
    total = 0.0
    for z, name in ((out.z_audio, "z_audio"), (out.z_video, "z_video")):
        assert z is not None
        differences = [
            (float(new) - float(old)) ** 2
            for row, stored in zip(z, kept[name][slots], strict=True)
            for new, old in zip(row, stored, strict=True)
        ]
        total += sum(differences) / len(differences)
    assert penalty_of(session) == pytest.approx(0.3 * total, rel=1e-4)


@pytest.mark.parametrize("replay_loss", ["joint", "separate"])
def test_beta_weighs_the_loss_of_replayed_clips(tiny_config: Config, replay_loss: str) -> None:
    session = stepped(tiny_config("derpp", options=options(beta=0.4, replay_loss=replay_loss)), 3)
    out = session.template.step.output
    losses = [
        0.7 * (float(audio) + float(video)) + 0.3 * float(contrast)
        for audio, video, contrast in zip(
            out.reconstruction_audio.detach(),  # type: ignore[union-attr]
            out.reconstruction_video.detach(),  # type: ignore[union-attr]
            out.contrastive.detach(),  # type: ignore[union-attr]
            strict=True,
        )
    ]
    expected = sum(losses[:6]) + 0.4 * sum(losses[6:])
    expected = expected / 12 if replay_loss == "joint" else expected / 6
    assert float(session.template.loss.detach()) == pytest.approx(expected + penalty_of(session), rel=1e-5)


def test_the_variant_of_the_paper_draws_twice_under_stored_masks() -> None:
    stella, faithful = DERPlusPlus.Config(), DERPlusPlus.Config(variant="faithful")
    assert (stella.draws, stella.replay_masks, stella.replay_loss, stella.beta) == (1, "fresh", "joint", 1.0)
    assert (faithful.draws, faithful.replay_masks, faithful.replay_loss) == (2, "stored", "separate")

"""Properties of MIR: what it replays, and that looking ahead leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from avbench.batch import Batch
from avbench.config import RunConfig
from avbench.errors import UsageError
from avbench.model.mae import Output
from avbench.model.masking import Noise
from avbench.strategies.mir import MIR
from avbench.training.session import Session, random_wire
from avbench.training.strategy import Step

Config = Callable[..., RunConfig]
Train = Callable[..., Session]


def stepped(config: RunConfig, *counts: int) -> Session:
    """A session after one step per count, on as many clips."""
    session = Session(config)
    template, generator = session.attach(store=[]), torch.Generator().manual_seed(5)
    for clips in counts:
        template.mbatch = random_wire(config, clips, generator)
        template.run_iteration()
    return session


def next_step(config: RunConfig, clips: int = 6) -> Step:
    wire = random_wire(config, clips, torch.Generator().manual_seed(6))
    return Step(wire, Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"]))


def rewound(session: Session) -> dict[str, torch.Generator]:
    """Generators that repeat what the session's are about to draw."""
    generators = {}
    for name, state in session.generators.state_dict().items():
        generators[name] = torch.Generator()
        generators[name].set_state(state)
    return generators


def weights(session: Session) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in session.net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def losses(out: Output) -> list[float]:
    """0.7 and 0.3 are the weights of the tiny configuration."""
    parts = zip(out.reconstruction_audio, out.reconstruction_video, out.contrastive, strict=True)  # type: ignore[arg-type]
    return [0.7 * (float(audio) + float(video)) + 0.3 * float(contrast) for audio, video, contrast in parts]


def options(**values: Any) -> dict[str, Any]:
    return {"memory": 40, "candidates": 3, **values}


@pytest.mark.parametrize("masks", ["fresh", "shared"])
@pytest.mark.parametrize("clip_gradient", [None, 0.1])
def test_the_selection_is_that_of_a_step_really_made_on_a_copy(
    tiny_config: Config, masks: str, clip_gradient: float | None
) -> None:
    config = tiny_config("mir", options=options(masks=masks), training={"clip_gradient": clip_gradient})
    session = stepped(config, 6, 6, 6, 6, 6)
    step, generators, memory = next_step(config), rewound(session), session.strategy.memory
    assert memory is not None
    selected = session.strategy.select(step)

    slots = torch.randperm(30, generator=generators["memory"])[:18]
    candidates = session.strategy.replay(slots).batch
    noises = [Noise.draw(clips, config.clip, generators["aux"]) for clips in (6, 18, 18)]
    before, after = noises[1], noises[1] if masks == "shared" else noises[2]
    net, optimizer = deepcopy((session.net, session.optimizer))
    out = net(step.stream, noises[0])
    (0.7 * (out.reconstruction_audio + out.reconstruction_video) + 0.3 * out.contrastive).mean().backward()
    if clip_gradient is not None:
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), clip_gradient)
        assert norm > 2 * clip_gradient  # else the comparison would say little
    optimizer.step()
    with torch.no_grad():
        pairs = zip(losses(session.net(candidates, before)), losses(net(candidates, after)), strict=True)
        rises = [later - now for now, later in pairs]
    torch.testing.assert_close(step.notes["interference"], torch.tensor(rises), rtol=1e-3, atol=1e-5)
    worst = sorted(range(18), key=lambda place: -rises[place])[:6]
    assert selected is not None
    assert selected.slots.tolist() == [int(slots[place]) for place in sorted(worst)]  # in drawn order


def test_without_a_step_ahead_and_under_shared_masks_nothing_interferes(tiny_config: Config) -> None:
    def interference(masks: str, rate: float | None) -> Tensor:
        config = tiny_config("mir", options=options(masks=masks, virtual_learning_rate=rate))
        session, step = stepped(config, 6, 6, 6, 6), next_step(config)
        session.strategy.select(step)
        return step.notes["interference"]

    assert not interference("shared", 0.0).any()
    assert interference("shared", None).abs().max() > 1e-3
    assert interference("fresh", 0.0).abs().max() > 1e-2  # the noise that fresh masks bring into the scores


def test_the_gradient_step_is_plain_descent_at_the_given_rate(tiny_config: Config) -> None:
    config = tiny_config("mir", options=options(virtual_step="gradient", virtual_learning_rate=0.5))
    session, step = stepped(config, 6, 6), next_step(config)
    assert isinstance(session.strategy, MIR)
    noise, net = Noise.draw(6, config.clip, rewound(session)["aux"]), deepcopy(session.net)
    ahead = session.strategy.parameters_ahead(step.stream)
    session.strategy.clip_loss(net(step.stream, noise)).mean().backward()
    moved = {name: p.detach() - 0.5 * p.grad for name, p in net.named_parameters() if p.grad is not None}
    assert ahead.keys() == moved.keys()
    for name, value in moved.items():
        torch.testing.assert_close(ahead[name], value)


def test_looking_ahead_leaves_weights_gradients_and_the_optimizer_alone(tiny_config: Config) -> None:
    config = tiny_config("mir", options=options())
    session = stepped(config, 6, 6, 6, 6)
    before, optimizer = weights(session), deepcopy(session.optimizer.state_dict())
    slopes = {name: deepcopy(p.grad) for name, p in session.net.named_parameters()}
    states, memory = session.generators.state_dict(), deepcopy(session.strategy.memory.state_dict())  # type: ignore[union-attr]
    session.strategy.select(next_step(config))
    assert same(before, weights(session))
    assert same(memory, session.strategy.memory.state_dict())  # type: ignore[union-attr]
    for name, parameter in session.net.named_parameters():
        assert (parameter.grad is None) == (slopes[name] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, slopes[name])
    for index, kept in session.optimizer.state_dict()["state"].items():
        assert same({k: torch.as_tensor(v) for k, v in kept.items()}, optimizer["state"][index])
    drawn = {name for name, state in session.generators.state_dict().items() if not torch.equal(state, states[name])}
    assert drawn == {"memory", "aux"}


def test_with_as_many_candidates_as_are_replayed_mir_is_er_bit_for_bit(tiny_config: Config, train: Train) -> None:
    er = train(tiny_config("er"))
    mir = train(tiny_config("mir", options={"memory": 12, "candidates": 1}))
    assert same(weights(er), weights(mir))
    assert er.strategy.memory and mir.strategy.memory
    assert er.strategy.memory.clip_ids == mir.strategy.memory.clip_ids
    assert not same(weights(er), weights(train(tiny_config("mir", options={"memory": 12, "candidates": 2}))))


def test_of_as_many_scored_candidates_as_are_replayed_all_are_chosen_as_er_draws_them(tiny_config: Config) -> None:
    """With C = 1 no scores are needed, and none are taken; taken all the same, they change nothing."""
    session, step = (
        stepped(tiny_config("mir", options=options(candidates=1)), 6, 6, 6, 6),
        next_step(tiny_config("mir")),
    )
    assert isinstance(session.strategy, MIR)
    ers = torch.randperm(24, generator=rewound(session)["memory"])[:6]
    candidates = session.strategy.draw(6)
    assert candidates is not None
    scored = session.strategy.most_interfered(step, candidates)
    assert step.notes["interference"].argsort(descending=True).tolist() != list(range(6))  # not in drawn order
    assert torch.equal(scored.slots, ers)
    assert torch.equal(scored.batch.audio, candidates.batch.audio)


def test_a_memory_of_no_more_clips_than_a_batch_is_replayed_whole_in_drawn_order(tiny_config: Config) -> None:
    config = tiny_config("mir", options=options())
    for counts in ((4,), (6,)):
        session, step = stepped(config, *counts), next_step(config)
        expected = torch.randperm(sum(counts), generator=rewound(session)["memory"])
        selected = session.strategy.select(step)
        assert selected is not None and torch.equal(selected.slots, expected)
        assert "interference" not in step.notes
    assert Session(config).strategy.select(next_step(config)) is None


def test_a_memory_of_fewer_clips_than_candidates_is_searched_whole(tiny_config: Config) -> None:
    config = tiny_config("mir", options=options(masks="shared"))
    session, step = stepped(config, 6, 4), next_step(config)
    selected = session.strategy.select(step)
    assert selected is not None and len(selected) == len(set(selected.slots.tolist())) == 6
    assert len(step.notes["interference"]) == 10


def test_more_candidates_than_the_memory_holds_are_refused_before_training(tiny_config: Config) -> None:
    Session(tiny_config("mir", options={"memory": 18, "candidates": 3}))
    with pytest.raises(UsageError, match=r"options\.candidates = 3 .* 18 candidates .*options\.memory = 17 .* to 2"):
        Session(tiny_config("mir", options={"memory": 17, "candidates": 3}))
    with pytest.raises(UsageError, match=r"options\.memory = 5 .*batch_size = 6"):
        Session(tiny_config("mir", options={"memory": 5, "candidates": 1}))


def test_the_variants_differ_in_their_masks_and_in_how_replay_counts(tiny_config: Config) -> None:
    stella, faithful = MIR.Config(), MIR.Config(variant="faithful")
    assert (stella.masks, stella.replay_loss) == ("fresh", "joint")
    assert (faithful.masks, faithful.replay_loss) == ("shared", "separate")
    assert MIR.Config(variant="faithful", masks="fresh").masks == "fresh"

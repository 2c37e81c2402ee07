"""Counted compute: against PyTorch's own counter, and what a unit and a step are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from avbench.batch import Batch
from avbench.config import RunConfig
from avbench.model.masking import Noise
from avbench.training import checkpoint as checkpoints
from avbench.training.compute import ComputeMeter
from avbench.training.session import Session, random_batch, random_wire
from avbench.training.teacher import Teacher
from avbench.training.virtual import gradients, output_at, virtual_parameters

Config = Callable[..., RunConfig]
CPU = torch.device("cpu")


def clips(config: RunConfig, count: int) -> tuple[Batch, Noise]:
    generator = torch.Generator().manual_seed(0)
    return random_batch(config, count, generator, CPU), Noise.draw(count, config.clip, generator)


def counted(meter: ComputeMeter, work: Callable[[], object]) -> int:
    before = meter.operations
    with meter.counting():
        work()
    return meter.operations - before


def go_on(session: Session, steps: int, count: int = 6) -> None:
    for step in range(steps):
        session.template.mbatch = random_wire(session.config, count, torch.Generator().manual_seed(step))
        with session.compute.counting():
            session.template.run_iteration()


def started(config: RunConfig) -> Session:
    session = Session(config)
    session.attach(store=[])
    return session


def test_a_forward_pass_counts_what_pytorch_counts_but_for_the_similarity(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    net, meter = session.net, session.compute
    batch, noise = clips(session.config, 6)
    # PyTorch has no formula for its fused attention on CPUs; the plain one is made of products it knows.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as theirs, torch.no_grad():
        ours = counted(meter, lambda: net(batch, noise))
    assert ours == theirs.get_total_flops() - 2 * 6 * 6 * 16  # cosines of 6 by 6 embeddings of width 16
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as theirs, torch.no_grad():
        ours = counted(meter, lambda: net(batch, noise, parts={"contrastive"}))
    assert ours == theirs.get_total_flops() - 2 * 6 * 6 * 16


def test_training_counts_what_pytorch_counts_but_for_gradients_of_pixels(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    net, meter = session.net, session.compute
    batch, noise = clips(session.config, 6)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as theirs:
        ours = counted(meter, lambda: session.strategy.clip_loss(net(batch, noise)).mean().backward())
    # Twice the forward pass is one product too many for the first layers, whose inputs need no gradient.
    pixels = 2 * 6 * 16 * (net.visible_audio * 8**2 + net.visible_video * 3 * 8**2)
    similarity = 3 * 2 * 6 * 6 * 16
    assert ours == theirs.get_total_flops() + pixels - similarity
    assert ours == pytest.approx(theirs.get_total_flops(), rel=0.02)


def test_a_unit_is_a_masked_forward_pass_of_one_clip(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    net, meter = session.net, session.compute
    assert meter.units == 0
    with torch.no_grad():
        for count in (1, 5):
            batch, noise = clips(session.config, count)
            assert counted(meter, lambda: net(batch, noise)) == count * meter.per_unit  # noqa: B023
    assert meter.units == 6
    assert meter.per_unit == Session(tiny_config("er")).compute.per_unit


def test_what_has_no_graph_counts_once(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    net, meter = session.net, session.compute
    batch, noise = clips(session.config, 4)
    with torch.no_grad():
        assert counted(meter, lambda: net(batch, noise)) == 4 * meter.per_unit
    with torch.inference_mode():
        assert counted(meter, lambda: net(batch, noise)) == 4 * meter.per_unit
    assert counted(meter, lambda: net(batch, noise)) == 3 * 4 * meter.per_unit


def test_teachers_are_counted_and_never_have_a_backward_pass(tiny_config: Config) -> None:
    config = tiny_config("finetune")
    net = Session(config).net
    teacher = Teacher(net, 0.9, 1.0)
    meter = ComputeMeter(net, [teacher.net])
    batch, noise = clips(config, 4)
    assert counted(meter, lambda: teacher.net(batch, noise)) == 4 * meter.per_unit  # though gradients are enabled


def test_the_cheap_pass_of_a_teacher_and_a_pass_at_other_parameters_count_as_what_they_are(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    net, meter = session.net, session.compute
    batch, noise = clips(session.config, 4)
    with torch.no_grad():
        cheap = counted(meter, lambda: net(batch, noise, parts={"contrastive"}))
        joint = counted(meter, lambda: net(batch, noise, parts={"reconstruction"}))
    assert 0 < cheap < 4 * meter.per_unit < cheap + joint  # both need the modality encoders
    moved = virtual_parameters(net, session.optimizer, gradients(net(batch, noise).contrastive.mean(), net))
    with torch.no_grad():
        assert counted(meter, lambda: output_at(net, moved, batch, noise)) == 4 * meter.per_unit


def test_nothing_is_counted_outside(tiny_config: Config) -> None:
    session = Session(tiny_config("finetune"))
    batch, noise = clips(session.config, 4)
    session.net(batch, noise)
    session.net.embed(batch)
    assert session.compute.operations == 0
    with pytest.raises(RuntimeError), session.compute.counting():
        raise RuntimeError
    session.net(batch, noise)
    assert session.compute.operations == 0


def test_a_step_of_replay_costs_two_of_finetune(tiny_config: Config) -> None:
    finetune, er = started(tiny_config("finetune")), started(tiny_config("er"))
    go_on(finetune, 3)
    assert finetune.compute.units == 3 * 3 * 6
    go_on(er, 1)
    assert er.compute.units == 3 * 6  # the memory is empty yet
    go_on(er, 2)
    assert er.compute.units == 3 * 6 + 2 * 2 * 3 * 6


def test_a_trained_stream_is_counted_without_its_evaluation(tiny_config: Config, train: Callable[..., Session]) -> None:
    session = train(tiny_config("finetune"))  # 24 clips in two epochs
    assert session.compute.units == 2 * 24 * 3


def test_the_count_goes_on_after_a_restart(tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config("er")
    session, resumed = started(config), started(config)
    go_on(session, 3)
    path = checkpoints.save(tmp_path, 3, 0, session.checkpoint(), keep=1)
    resumed.restore(checkpoints.load(path), path)
    assert resumed.compute.operations == session.compute.operations > 0
    go_on(resumed, 1)
    assert resumed.compute.units == session.compute.units + 36

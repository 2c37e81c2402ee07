"""One run in memory: model, strategy, optimizer and template, built from a configuration, saved and restored whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from avbench import registry
from avbench.batch import Batch
from avbench.config import RunConfig, validate
from avbench.cores import available_cores
from avbench.errors import CheckpointError, UsageError
from avbench.model.mae import AudioVideoMAE
from avbench.model.masking import Noise
from avbench.training import hook_results as returned
from avbench.training import weights
from avbench.training.checkpoint import Checkpoint
from avbench.training.compute import ComputeMeter
from avbench.training.generators import Generators
from avbench.training.optimizer import build_optimizer
from avbench.training.strategy import AudioVideoStrategy, Context
from avbench.training.template import AudioVideoPretraining, Progress
from avbench.training.threads import choose_threads


def resolve_device(name: str) -> torch.device:
    """`auto` is the first CUDA device if there is one, else the CPU.

    Raises:
        UsageError: the device is unknown or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device = {name!r} is unknown; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device = {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(f"device = {name!r}, but PyTorch sees {count} CUDA devices; try --device cpu")
    return device


class Session:
    """Everything that trains, and nothing that reports.

    Args:
        config: the resolved configuration.
        strategy: a strategy to use in place of the registered one that `config` names.
        learning_rate: the rate as a function of the step, or None for the configured constant.
    """

    def __init__(
        self,
        config: RunConfig,
        strategy: AudioVideoStrategy | None = None,
        learning_rate: Callable[[int], float] | None = None,
    ) -> None:
        self.config = config
        self.device = resolve_device(config.device)
        self.generators = Generators(config.seed)
        base = self._read_base()
        self.net = self._build_net(base)
        self.strategy = strategy or self._build_strategy()
        beside = {name: value for name, value in base.items() if not name.startswith("model.")}
        sizes = config.clip, config.model, config.training
        context = Context(self.net, *sizes, self.generators, self.device, beside, config.profile)
        self.strategy.setup(context)
        returned.after_setup(self.strategy)
        self.optimizer = build_optimizer(self.net, self.strategy.modules(), config.training)
        self.strategy.optimizer = self.optimizer
        teachers = {name: teacher.net for name, teacher in self.strategy.teachers.items()}
        self.compute = ComputeMeter(self.net, [*self.strategy.modules().values(), *teachers.values()])
        self._learning_rate = learning_rate
        self.template: AudioVideoPretraining

    def attach(
        self,
        store: Any,
        evaluator: EvaluationPlugin | None = None,
        after_step: Callable[[AudioVideoPretraining], None] | None = None,
        shuffle: bool = True,
        exhausted: Callable[[AudioVideoPretraining], bool] = lambda template: False,
    ) -> AudioVideoPretraining:
        """The template that trains this session on clips of `store`; the arguments are the template's."""
        config = self.config
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No loggers specified")  # Avalanche's; the journal is ours
            self.template = AudioVideoPretraining(
                plugin=self.strategy,
                optimizer=self.optimizer,
                store=store,
                generators=self.generators,
                compute=self.compute,
                training=config.training,
                evaluation=config.evaluation,
                device=self.device,
                precision=config.precision,
                workers=config.workers,
                evaluator=evaluator,
                after_step=after_step,
                learning_rate=self._learning_rate,
                shuffle=shuffle,
                exhausted=exhausted,
            )
        return self.template

    @property
    def parameters(self) -> dict[str, int]:
        """Number of trained parameters per module."""
        modules: dict[str, nn.Module] = {"model": self.net, **self.strategy.modules()}
        return {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}

    @property
    def teacher_parameters(self) -> dict[str, int]:
        """Number of parameters per teacher."""
        return {name: sum(p.numel() for p in one.net.parameters()) for name, one in self.strategy.teachers.items()}

    # --- construction -------------------------------------------------------------------------------------------------

    def _read_base(self) -> dict[str, Tensor]:
        name = self.config.training.base_weights
        return {} if name is None else weights.read_tensors(weights.locate(name))

    def _build_net(self, base: Mapping[str, Tensor]) -> AudioVideoMAE:
        net = AudioVideoMAE(self.config.clip, self.config.model, self.generators["init"])
        if base:
            weights.load_into(net, base, "model", str(self.config.training.base_weights))
        return net.to(self.device)

    def _build_strategy(self) -> AudioVideoStrategy:
        kind = registry.find("strategies", self.config.strategy).load()
        strategy: AudioVideoStrategy = kind(validate(kind.Config, self.config.options, "options"))
        return strategy

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The whole state; `restore` continues from it bit for bit."""
        strategy, template = self.strategy, self.template
        tensors = {
            "model": dict(self.net.state_dict()),
            "optimizer": optimizer_tensors(self.optimizer),
            "strategy": returned.state(strategy),
            "generators": template.generator_states(),
        }
        tensors |= {f"module-{name}": dict(module.state_dict()) for name, module in strategy.modules().items()}
        tensors |= {f"teacher-{name}": teacher.state_dict() for name, teacher in strategy.teachers.items()}
        state: dict[str, Any] = {
            "operations": self.compute.operations,
            "progress": template.progress.state_dict(),
            "seconds": template.stopwatch.state_dict(),
        }
        if strategy.memory is not None:
            tensors["memory"] = strategy.memory.state_dict()
            memory = strategy.memory
            state["memory"] = {"clip_ids": memory.clip_ids, "visits": memory.visits, "accepted": memory.accepted}
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint, path: Path) -> None:
        """Continue from a checkpoint of the same configuration.

        Raises:
            CheckpointError: it does not fit this configuration.
        """
        try:
            self._restore(checkpoint.tensors, checkpoint.state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint {path} does not fit this run's configuration: {error}") from None

    def _restore(self, tensors: Mapping[str, dict[str, Tensor]], state: Mapping[str, Any]) -> None:
        strategy, template = self.strategy, self.template
        self.net.load_state_dict(tensors["model"])
        for name, module in strategy.modules().items():
            module.load_state_dict(tensors[f"module-{name}"])
        for name, teacher in strategy.teachers.items():
            teacher.load_state_dict(tensors[f"teacher-{name}"])
        load_optimizer(self.optimizer, tensors["optimizer"])
        strategy.load_state_dict(tensors["strategy"])
        self.generators.load_state_dict(tensors["generators"])
        if strategy.memory is not None:
            strategy.memory.load_state_dict(tensors["memory"], **state["memory"])
        template.progress = Progress.from_state(state["progress"])
        self.compute.operations = int(state["operations"])
        template.stopwatch.load_state_dict(state["seconds"])


def with_measured_threads(config: RunConfig, clips: int = 8) -> RunConfig:
    """The configuration with `threads` settled: as asked for, or the fastest on this machine now, and in force.

    A resumed run must use as many threads as before to give the same bits, so the choice is part of the configuration.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
        return config
    if resolve_device(config.device).type != "cpu":
        torch.set_num_threads(min(available_cores(), 8))
        return config.model_copy(update={"threads": torch.get_num_threads()})
    generator, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    net = AudioVideoMAE(config.clip, config.model)
    batch, noise = random_batch(config, clips, generator, cpu), Noise.draw(clips, config.clip, generator, device=cpu)

    def work() -> None:
        out = net(batch, noise)
        (out.reconstruction_audio + out.contrastive).mean().backward()

    return config.model_copy(update={"threads": choose_threads(work, available_cores())[0]})


def random_batch(config: RunConfig, clips: int, generator: torch.Generator, device: torch.device) -> Batch:
    """Clips of noise in the configured shape, for measuring time and memory."""
    wire = random_wire(config, clips, generator)
    return Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], device)


def random_wire(config: RunConfig, clips: int, generator: torch.Generator) -> dict[str, Any]:
    """`random_batch` as loaders deliver it."""
    shape = config.clip
    audio = torch.randn(clips, 1, shape.audio_frames, shape.mel_bins, generator=generator).half()
    size = (clips, shape.frames, 3, shape.image_size, shape.image_size)
    video = torch.randint(256, size, generator=generator, dtype=torch.uint8)
    return {"audio": audio, "video": video, "clip_id": [f"noise-{number}" for number in range(clips)]}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state, flat, for a checkpoint."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": torch.as_tensor(value) for index, kept in state.items() for name, value in kept.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})

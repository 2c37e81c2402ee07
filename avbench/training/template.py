"""The training loop: one Avalanche template for all methods.

Avalanche gives the experience loop, the plugin events and the evaluation loop. Loading, the optimizer and resuming are
ours, because Avalanche's loader drops seeds and its optimizer handling wipes Adam's state at the first experience.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates.base_sgd import BaseSGDTemplate
from torch import Tensor

from avbench.batch import Batch
from avbench.config import EvaluationConfig, TrainingConfig
from avbench.data.store import rows_of
from avbench.model.mae import AudioVideoMAE
from avbench.model.precision import computing_in
from avbench.training import hook_results as returned
from avbench.training.compute import ComputeMeter
from avbench.training.generators import Generators
from avbench.training.guard import GuardedStrategy
from avbench.training.loader import epoch_batches, make_loader
from avbench.training.step import Step
from avbench.training.stopwatch import Stopwatch
from avbench.training.strategy import AudioVideoStrategy
from avbench.training.terms import TermLog


@dataclass
class Progress:
    """Where a run stands: everything a resume needs to find the next batch."""

    experience: int = 0
    epoch: int = 0  # within the experience
    batch: int = 0  # batches of this epoch already trained on
    step: int = 0  # updates since the run began
    clips: int = 0  # clips of the stream seen since the run began

    def state_dict(self) -> dict[str, int]:
        """As plain numbers."""
        return asdict(self)

    @staticmethod
    def from_state(state: Mapping[str, int]) -> Progress:
        """Restore what `state_dict` gave.

        Raises:
            ValueError: a value is no count.
        """
        progress = Progress(**state)
        if not all(isinstance(value, int) and value >= 0 for value in asdict(progress).values()):
            raise ValueError(f"progress must be counts, not {dict(state)}")
        return progress


class AudioVideoPretraining(BaseSGDTemplate):
    """Continual audio-video pre-training with one strategy.

    Args:
        plugin: the strategy, set up already; the only plugin that shapes the loss.
        optimizer: over the model's and the strategy's parameters; never reset.
        store: the clips; experiences are lists of its rows.
        generators: the run's random numbers.
        compute: counts what training costs.
        training, evaluation: schedule and batch sizes.
        device, precision: where and in which arithmetic ("fp32" or "bf16" autocast).
        workers: loader processes.
        evaluator: Avalanche's metrics and loggers.
        after_step: called after every update, for instance to write a checkpoint; may raise to stop.
        learning_rate: the rate as a function of the step, or None for the configured constant one.
        shuffle: False keeps the order of the experience's rows (used to compare streams cut in different places).
        exhausted: says whether the budget of the current experience is used up, asked before every step.
    """

    model: Any
    mbatch: Any  # the wire batch in training, a `Batch` in evaluation: Avalanche has one name for both

    def __init__(
        self,
        *,
        plugin: AudioVideoStrategy,
        optimizer: torch.optim.Optimizer,
        store: Any,
        generators: Generators,
        compute: ComputeMeter,
        training: TrainingConfig,
        evaluation: EvaluationConfig,
        device: torch.device,
        precision: str = "fp32",
        workers: int = 0,
        evaluator: EvaluationPlugin | None = None,
        after_step: Callable[[AudioVideoPretraining], None] | None = None,
        learning_rate: Callable[[int], float] | None = None,
        shuffle: bool = True,
        exhausted: Callable[[AudioVideoPretraining], bool] = lambda template: False,
    ) -> None:
        super().__init__(
            model=plugin.net,
            optimizer=optimizer,
            criterion=None,
            train_mb_size=training.batch_size,
            train_epochs=training.epochs,
            eval_mb_size=evaluation.batch_size,
            device=device,
            plugins=[plugin if plugin.boundary_aware else GuardedStrategy(plugin)],
            evaluator=evaluator,
            eval_every=-1,
        )
        self.plugin, self.store, self.generators, self.training = plugin, store, generators, training
        self.compute = compute
        self.precision, self.workers, self.shuffle = precision, workers, shuffle
        self.after_step, self.learning_rate, self.exhausted = after_step, learning_rate, exhausted
        self.progress = Progress()
        self.stopwatch = Stopwatch(device)
        plugin.training_pass = lambda: self.stopwatch.measure("forward")
        self.step = Step(wire={}, stream=None)  # type: ignore[arg-type]
        self.terms = TermLog()
        self._epoch_state = generators["data"].get_state()
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        groups = [set(module.parameters()) for module in plugin.clipped()]
        self._clipped = [[p for p in trained if p in group] for group in groups]

    # --- training -----------------------------------------------------------------------------------------------------

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """Avalanche would wipe the optimizer's state and adopt foreign parameters here; we keep both as they are."""

    def model_adaptation(self, model: Any = None) -> Any:
        """The model never changes its shape."""
        return self.model

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Loaders are made per epoch, see `training_epoch`."""

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        # Starts at the saved epoch, where Avalanche's own loop would always start at the first.
        for module in self.plugin.modules().values():
            module.train()
        while self.progress.epoch < self.train_epochs and not self.exhausted(self):
            self._before_training_epoch(**kwargs)
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0
        self.progress.experience, self.progress.epoch = self.progress.experience + 1, 0

    def training_epoch(self, **kwargs: Any) -> None:
        """One pass over the experience, or what is left of it after a resume."""
        self._epoch_state = self.generators["data"].get_state()
        assert self.experience is not None
        rows, size = rows_of(self.experience), self.training.batch_size
        batches = epoch_batches(rows, size, self.generators["data"], self.shuffle)[self.progress.batch :]
        loader = make_loader(self.store, batches, self.workers, pin=self.device.type == "cuda")
        with self.stopwatch.measure("data"):
            loaded = iter(loader)
        while not self.exhausted(self):
            with self.stopwatch.measure("data"):
                self.mbatch = next(loaded, None)
            if self.mbatch is None:
                return
            with self.stopwatch.measure("update"), self.compute.counting():
                self.run_iteration(**kwargs)
            if self.after_step is not None:
                self.after_step(self)

    def run_iteration(self, **kwargs: Any) -> None:
        """One update on the wire batch in `self.mbatch`.

        Its time is charged to `forward` (the pass that is trained on), `backward`, `strategy` (all else that the method
        does: choosing, auxiliary passes, remembering) and `update` (the rest, mostly the optimizer).
        """
        wire: Mapping[str, Any] = self.mbatch
        self._before_training_iteration(**kwargs)
        self.optimizer.zero_grad(set_to_none=True)
        self.step = Step(wire, Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], self.device))
        self._before_forward(**kwargs)
        with self.stopwatch.measure("strategy"), self.autocast():
            self.loss = returned.loss(self.plugin, self.plugin.training_loss(self.step))
        self.mb_output = self.step.output
        self._after_forward(**kwargs)
        self._before_backward(**kwargs)
        with self.stopwatch.measure("backward"):
            self.backward()
        self._after_backward(**kwargs)
        self._before_update(**kwargs)
        self._set_learning_rate()
        if self.training.clip_gradient is not None:
            for parameters in self._clipped:
                torch.nn.utils.clip_grad_norm_(parameters, self.training.clip_gradient)
        self.optimizer_step()
        with self.stopwatch.measure("strategy"):
            self._after_update(**kwargs)
        self._after_training_iteration(**kwargs)
        self._count()

    def _set_learning_rate(self) -> None:
        if self.learning_rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate(self.progress.step)

    def _count(self) -> None:
        self.progress.batch, self.progress.step = self.progress.batch + 1, self.progress.step + 1
        self.progress.clips += len(self.step.stream)
        self.terms.add(self.loss, self.step.terms)

    def read_terms(self, steps: int) -> dict[str, float]:
        """The mean of the loss and its terms over the last `steps` updates, then start anew.

        Raises:
            LossNotFinite: the run can't recover; names the first such step and its terms.
        """
        return self.terms.read(self.progress.step, steps)

    def autocast(self) -> Any:
        """The arithmetic of forward passes."""
        return computing_in(self.precision, self.device)

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """The experience's clips in order, fixed views, none left out."""
        rows, size = rows_of(self.experience), self.eval_mb_size
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        self.dataloader = make_loader(self.store, batches, self.workers, pin=self.device.type == "cuda")

    def eval_dataset_adaptation(self, **kwargs: Any) -> None:
        """Nothing to adapt."""

    def eval(self, experiences: Any, model: AudioVideoMAE | None = None, **kwargs: Any) -> Any:
        """Embed the clips of `experiences` with `model`, by default the trained one; metrics see each batch."""
        trained, self.model = self.model, model or self.model
        self.step = Step(wire={}, stream=None)  # type: ignore[arg-type]  # let go of the last batch and its graph
        try:
            with self.stopwatch.measure("evaluation"):
                return super().eval(experiences, **kwargs)
        finally:
            self.model = trained

    def _unpack_minibatch(self) -> None:
        wire = self.mbatch
        self.mbatch = Batch.from_wire(wire["audio"], wire["video"], wire["clip_id"], self.device)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Retrieval embeddings of an evaluation batch."""
        with self.autocast():
            embeddings: tuple[Tensor, Tensor] = self.model.embed(self.mbatch)
        return embeddings

    def criterion(self) -> Tensor:
        """Evaluation has no loss."""
        return torch.zeros(())

    def _make_empty_loss(self) -> Tensor:
        return torch.zeros((), device=self.device)

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def generator_states(self) -> dict[str, Tensor]:
        """All generators as a resume needs them: `data` as it was when the unfinished epoch began."""
        states = self.generators.state_dict()
        return states | ({"data": self._epoch_state} if self.progress.batch else {})

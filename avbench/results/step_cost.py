"""What one training step of a method costs: the typed content of a remembered measurement."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from avbench.results.schema import Count, Record


class StepCost(Record):
    """The cost of one step of a method, as `avbench.step_cost` measures it.

    Attributes:
        batch: clips of the stream.
        steps: how many were timed.
        clips_per_second: of the stream, from the median of the timed steps.
        peak_bytes: allocated on the GPU, or else resident in the process.
        reserved_bytes: on the GPU, with what PyTorch keeps for later; zero elsewhere.
        units_per_clip: see `avbench.training.compute`; per clip of the stream, in the last step.
        parameters: of the backbone and of whatever the method adds, by name.
        machine: what computed.
    """

    batch: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    clips_per_second: Annotated[float, Field(gt=0)]
    peak_bytes: Count
    reserved_bytes: Count = 0
    on_gpu: bool
    units_per_clip: Annotated[float, Field(ge=0)]
    parameters: dict[str, Count] = Field(default_factory=dict)
    machine: str

    @property
    def seconds(self) -> float:
        """The median step's."""
        return self.batch / self.clips_per_second

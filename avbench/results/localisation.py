"""Where and when a network sees what sounds: the part of `results.json` about localisation."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from avbench.config import Section

Kind = Literal["matching", "cosine"]  # of maps, see avbench.evaluation.attention
Measure = Literal["pointing", "iou", "auc", "pixel_auc", "preference"]  # see avbench.evaluation.localisation
# Maps that have not listened; saliency is colour in the picture, loudness in time.
Control = Literal["chance", "centre", "saliency"]
Share = Annotated[float, Field(ge=0, le=100.001)]  # percent, mean over clips; 0.001 for rounding


class Gain(Section):
    """A difference in points, paired by clip, and the half-width of its 95 % interval over clips."""

    points: float
    margin: Annotated[float, Field(ge=0)]


class MapScore(Section):
    """One kind of map: asked with the clip's own other half, and with that of a clip of another class.

    Only `gain`, the first minus the second, says whether the network listened.
    """

    own: dict[Measure, Share]
    exchanged: dict[Measure, Share]
    gain: dict[Measure, Gain]


class Domain(Section):
    """Localisation in the picture, or in time."""

    clips: Annotated[int, Field(ge=1)]  # that have something to find
    controls: dict[Control, dict[Measure, Share]]  # all of them
    before: dict[Kind, MapScore] = Field(default_factory=dict)  # before any training
    after: dict[Kind, MapScore] = Field(default_factory=dict)  # after the last experience

    @field_validator("controls")
    @classmethod
    def _complete(cls, controls: dict[Control, dict[Measure, float]]) -> dict[Control, dict[Measure, float]]:
        missing = sorted(set(get_args(Control)) - set(controls))
        if missing:
            raise ValueError(f"there is no control {missing[0]!r}")
        return controls


class Localisation(Section):
    """Both domains, where the benchmark knows the truth of its clips."""

    picture: Domain | None = None
    time: Domain | None = None

    def before_training(self) -> Localisation:
        """Without the scores after the last experience."""
        domains = {"picture": self.picture, "time": self.time}
        kept = {name: domain.model_copy(update={"after": {}}) for name, domain in domains.items() if domain is not None}
        return self.model_copy(update=kept)

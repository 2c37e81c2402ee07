"""What a run found out: the typed content of `results.json`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from avbench.errors import RunDirectoryError
from avbench.results.localisation import Localisation

SCHEMA_VERSION = 1

Direction = Literal["audio2video", "video2audio"]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Rank = Annotated[float, Field(ge=1)]
Gap = Annotated[float, Field(ge=0, le=2.001)]
Key = Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")]  # a hash, or nothing


class Record(BaseModel):
    """A part of the results: immutable, no unknown keys, every number finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class TaskResult(Record):
    """One task of the benchmark, as it was in this run."""

    id: str
    title: str
    classes: Count
    train_clips: Count
    queries: Count  # clips of the retrieval stream; each is a query in both directions


class Recall(Record):
    """R@K in percent: one value per task, in training order."""

    before: list[Percent] = []  # before any training; empty when that was not evaluated
    after: list[list[Percent]] = []  # one row per finished experience


class MedianRank(Record):
    """Median rank of the true partner, 1 being perfect: one value per task, in training order."""

    before: list[Rank] = []
    after: list[list[Rank]] = []


class DirectionResult(Record):
    """Retrieval in one direction; the keys of `recall` are "R@1", "R@5", ..."""

    recall: dict[str, Recall] = {}
    median_rank: MedianRank = MedianRank()


class MetricSummary(Record):
    """Headline numbers in percent and percentage points; null until the last experience has been evaluated."""

    accuracy: Percent | None = None  # A: mean over tasks at the end
    forgetting_paper: float | None = None  # F over the T - 1 earlier tasks, as printed
    forgetting_official: float | None = None  # F as the released tool computes it
    learned: Percent | None = None  # mean of each task just after it was trained


class ModalityGap(Record):
    """Distance between mean audio and mean video embedding, 0 to 2; one value per task, in training order."""

    before: list[Gap] = []  # before any training; empty when that was not evaluated
    after: list[list[Gap]] = []  # one row per finished experience
    accumulated: list[Gap] = []  # after each experience, over the clips of all tasks trained so far


class Rehearsal(Record):
    """The rehearsal memory after each experience, counted by the runner; empty for a method without one.

    A visit is a clip of the stream offered to the memory, so each clip comes once per epoch.
    """

    occupancy: list[list[Count]] = []  # one row per finished experience: slots by the experience their clip came from
    distinct: list[Count] = []  # different clips; a clip that was accepted twice has two slots
    visits: list[Count] = []  # so far
    accepted: list[Count] = []  # visits stored so far, also those overwritten since


class ModelScores(Record):
    """Retrieval with one network of a method that has several, such as a teacher."""

    directions: dict[Direction, DirectionResult] = {}
    summary: dict[Direction, dict[str, MetricSummary]] = {}  # per direction: "R@1", ..., "Avg"


class Track(Record):
    """Under which limits a method ran; None is no limit."""

    memory: str | None = None  # rehearsal memory asked for, such as "2000 clips" or "2GiB"
    budget: str | None = None  # of training, such as "4000 steps"


class PeakMemory(Record):
    """Largest memory in bytes: resident in this process (no loader workers) and, on CUDA, PyTorch's two figures."""

    process: Count = 0
    cuda_allocated: Count = 0
    cuda_reserved: Count = 0


class Efficiency(Record):
    """What the run cost."""

    clips_per_second: Annotated[float, Field(ge=0)] | None = None  # clips of the stream, replayed ones not counted
    seconds: dict[str, Seconds] = {}  # data, forward, backward, strategy, update, evaluation
    peak_memory_bytes: PeakMemory = PeakMemory()
    memory_clips: Count = 0  # clips in the rehearsal memory at the end
    memory_capacity: Count = 0  # clips it can hold
    memory_bytes: Count = 0  # bytes reserved for it
    parameters: Count = 0  # trained
    teacher_parameters: Count = 0
    compute_units: Annotated[float, Field(ge=0)] = 0.0  # see avbench.training.compute; one is a forward pass of a clip
    steps: Count = 0

    @property
    def training_seconds(self) -> float:
        """Everything but evaluation, which is no part of a method."""
        return sum(self.seconds.values()) - self.seconds.get("evaluation", 0.0)

    @property
    def units_per_clip(self) -> float | None:
        """Counted compute for each clip of the stream and epoch, 3 for plain training; None where not counted."""
        clips = (self.clips_per_second or 0.0) * self.training_seconds
        return self.compute_units / clips if self.compute_units and clips else None


class TaskCoverage(Record):
    """How many clips of one stream and task the benchmark lists, and what became of them."""

    listed: Count
    usable: Count
    unreadable: Count = 0  # found but quarantined; listed - usable - unreadable were not found


class Quarantined(Record):
    """Why a clip was left out: a short stable word, and a sentence."""

    reason: str
    message: str

    @model_validator(mode="before")
    @classmethod
    def _from_pair(cls, value: Any) -> Any:
        return dict(zip(("reason", "message"), value, strict=True)) if isinstance(value, list | tuple) else value


class Caution(Record):
    """Something a reader of the numbers should know; `code` is a short stable word."""

    code: str
    message: str


class Provenance(Record):
    """Where the numbers come from. No user or host names; folders in the command are shortened to their last part."""

    command: str = ""
    started: str = ""  # ISO 8601, UTC
    finished: str | None = None
    versions: dict[str, str] = {}  # of the packages that can change a number, and of Python
    git_commit: str | None = None
    git_dirty: bool | None = None  # the checkout held changes that no commit has
    platform: str = ""
    processor: str = ""
    device: str = ""
    accelerator: str | None = None  # the GPU's name
    threads: Count = 0
    config_hash: str = ""
    clip_list_hash: str = ""
    benchmark_version: str = ""


class Results(Record):
    """Everything a report or a leaderboard needs to know of a run, finished or not."""

    schema_version: Literal[1] = 1
    status: Literal["running", "interrupted", "complete"]
    strategy: str
    bench: str
    profile: str
    seed: Count
    order: str
    synthetic: bool  # made from procedurally generated clips, not from recordings
    limit: Annotated[int, Field(ge=1)] | None = None
    boundary_aware: bool = False  # the method used the boundaries between tasks
    joint_stream: bool = False  # the method saw all tasks at once; no continual learner
    track: Track = Track()
    tasks: list[TaskResult] = []  # in training order
    evaluated_model: str = "working"  # the network whose scores stand for the method
    directions: dict[Direction, DirectionResult] = {}
    summary: dict[Direction, dict[str, MetricSummary]] = {}  # per direction: "R@1", ..., "Avg"
    other_models: dict[str, ModelScores] = {}  # of a method with teachers, by name
    modality_gap: ModalityGap = ModalityGap()
    rehearsal: Rehearsal = Rehearsal()
    localisation: Localisation | None = None  # where the truth of clips is known
    efficiency: Efficiency = Efficiency()
    coverage: dict[str, list[TaskCoverage]] = {}  # per stream, in training order
    quarantined: dict[str, Quarantined] = {}  # by clip id
    warnings: list[Caution] = []
    provenance: Provenance = Provenance()
    exam: dict[str, JsonValue] = {}  # what the comparability key is made of
    comparability_key: Key = ""  # see avbench.results.comparability

    @model_validator(mode="after")
    def _one_value_per_task(self) -> Results:
        scored = [self.directions, *(scores.directions for scores in self.other_models.values())]
        for direction, result in [pair for directions in scored for pair in directions.items()]:
            measured: dict[str, Recall | MedianRank] = {**result.recall, "median rank": result.median_rank}
            for name, values in measured.items():
                rows = [*([values.before] if values.before else []), *values.after]
                if any(len(row) != len(self.tasks) for row in rows) or len(values.after) > len(self.tasks):
                    raise ValueError(f"{direction}, {name}: rows do not fit {len(self.tasks)} tasks")
        return self

    @property
    def experiences(self) -> int:
        """How many experiences the stream has."""
        return min(1, len(self.tasks)) if self.joint_stream else len(self.tasks)

    @property
    def finished_experiences(self) -> int:
        """Experiences trained and evaluated so far."""
        return max((len(r.after) for d in self.directions.values() for r in d.recall.values()), default=0)

    def to_json(self) -> str:
        """The text of `results.json`."""
        return self.model_dump_json(indent=1) + "\n"


def parse_results(text: str, where: Path) -> Results:
    """The results in `text`, which was read from `where`.

    Raises:
        RunDirectoryError: it is not JSON, was written by a newer avbench, or does not fit the schema.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # also endless numbers and bottomless nesting
        raise RunDirectoryError(f"{where} is damaged: not valid JSON ({error}); {how_to_replace(where)}") from error
    if not isinstance(content, Mapping):
        raise RunDirectoryError(f"{where} is damaged: it holds no results; {how_to_replace(where)}")
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        known = f"this avbench reads up to schema {SCHEMA_VERSION}"
        raise RunDirectoryError(f"{where} was written by a newer avbench (schema {version}; {known}): update avbench")
    try:
        return Results.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "results"
        text = f"{where} does not hold valid results: {place}: {first['msg']}; {how_to_replace(where)}"
        raise RunDirectoryError(text) from error


def how_to_replace(where: Path) -> str:
    """What to do about results that are lost: checkpoints don't hold the scores of earlier experiences."""
    folder = where.parent if where.parent.name not in ("", "..") else where.parent.resolve()
    beside = str(folder.with_name(f"{folder.name}-again"))  # its own folder is taken
    again = shlex.join(["avbench", "run", "--config", str(where.with_name("config.yaml")), "--out", beside])
    return f"put back a copy of it, or do the run again, `{again}`"

"""What a world is made of: its size and its dials, each with a range and a default."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from avbench.config import Fraction, Positive, Section

VERSION = 1  # part of every seed; raised whenever any pixel, sample or class of any world changes

TASK_CLASSES = 20  # classes that exist in every task; a world may use only the first few
BASE_CLASSES = 64  # classes that exist outside all tasks
MOST_CLIPS = 10_000  # of one class and split

Count = Annotated[int, Field(ge=1, le=MOST_CLIPS)]

_LISTS = {"classes_per_task", "train_clips", "test_clips", "base_classes", "base_clips"}  # say which clips, not how


class WorldConfig(Section):
    """One world. Equal configurations give equal bytes; the counts only say how many of its clips are listed."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    classes_per_task: Annotated[int, Field(ge=1, le=TASK_CLASSES)] = 4  # the first ones of each task
    train_clips: Count = 64  # per class
    test_clips: Count = 24  # per class, in each of the retrieval and evaluation splits
    base_classes: Annotated[int, Field(ge=1, le=BASE_CLASSES)] = 26  # for base weights, in no task
    base_clips: Count = 100  # per base class

    image_size: Annotated[int, Field(ge=16, le=2048)] = 64  # pixels, square
    frames: Positive = 8  # rendered per clip, evenly spaced
    seconds: Annotated[float, Field(ge=1.0, le=60.0)] = 2.56
    sample_rate: Annotated[int, Field(ge=8000)] = 16000  # Hz; sound is made at 16 kHz and resampled to other rates

    sources: Literal[1, 2] = 1  # objects that sound; the clip has the class of the first
    distractors: Annotated[int, Field(ge=0, le=6)] = 1  # silent objects
    distractor_activity: Fraction = 0.0  # chance that a silent object moves and lights up to events of its own
    recurring_looks: Fraction = 0.5  # share of classes whose body recurs in the other tasks with another sound
    sparsity: Fraction = 0.1  # 0: large objects, sounding all the time; 1: small objects, sounding a quarter of it
    salience: Fraction = 1.0  # 1: a source is lit by its own sound; 0: never brighter than what is silent
    clutter: Fraction = 0.3  # contrast of the background
    video_noise: Annotated[float, Field(ge=0.0, le=0.5)] = 0.02  # standard deviation, of full scale
    snr_db: tuple[float, float] | None = (15.0, 30.0)  # range of source over background noise; none: no noise

    @model_validator(mode="after")
    def _ordered(self) -> WorldConfig:
        if self.snr_db is not None and self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db = {list(self.snr_db)} must run from the lower to the higher ratio")
        return self

    def fingerprint(self) -> str:
        """Changes exactly when the bytes of a clip with a given id may change: names a cache of rendered clips."""
        shaping = self.model_dump(mode="json", exclude=_LISTS)
        return hashlib.sha256(json.dumps([VERSION, shaping], sort_keys=True).encode()).hexdigest()[:16]

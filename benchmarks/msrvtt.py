"""MSR-VTT on disk (Xu et al., CVPR 2016): its annotations in the three forms they come in, and its splits.

A clip is known by its name, `video0` to `video9999`. About 1200 of the 10000 files have no sound.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from avbench.benchmarks.list_file import opened
from avbench.config import read_yaml
from avbench.errors import DataError

Split = Literal["train", "val", "test"]
SplitName = Literal["miech", "official", "jsfusion"]

ANNOTATIONS = (
    "MSR_VTT.json",
    "MSRVTT_data.json",
    "videodatainfo.json",
    "train_val_videodatainfo.json",
    "test_videodatainfo.json",
)
_TXT, _CSV = "{}_list_{}.txt", {"train": "MSRVTT_train.9k.csv", "test": "MSRVTT_JSFUSION_test.csv"}
_LIST_NAMES: dict[SplitName, dict[Split, tuple[str, ...]]] = {
    "miech": {"train": (_TXT.format("train", "miech"),), "test": (_TXT.format("test", "miech"),)},
    "official": {
        "train": (_TXT.format("train", "full"),),
        "val": (_TXT.format("val", "full"),),
        "test": (_TXT.format("test", "full"),),
    },
    "jsfusion": {
        "train": (_TXT.format("train", "jsfusion"), _CSV["train"]),
        "test": (_TXT.format("val", "jsfusion"), _CSV["test"]),
    },
}
FOLDERS = (".", "annotation", "annotations", "high-quality/structured-symlinks", "splits", "MSRVTT")  # under the root

HOW_TO_GET = (
    "the archive MSRVTT.zip that https://github.com/m-bain/frozen-in-time links to holds clips, annotations and the "
    "lists of the splits"
)
_VIDEO = re.compile(r"video\d{1,5}", re.ASCII)
_ADDRESS = re.compile(r"[?&]v=([A-Za-z0-9_-]{11})(?:&|$)")
_SPLIT_WORDS: dict[str, Split] = {"train": "train", "validate": "val", "val": "val", "test": "test"}


@dataclass(frozen=True)
class Video:
    """One clip.

    Attributes:
        video_id: such as `video7010`.
        split: None where the split leaves the clip out, as `miech` does with 2344 of them.
        category: its name, where the annotations hold one (`MSR_VTT.json` holds none).
        captions: how many sentences describe it; 0 also where no annotations are on disk.
        ytid: YouTube id of the video it was cut from, where the annotations hold its address.
    """

    video_id: str
    split: Split | None
    category: str | None
    captions: int
    ytid: str | None = None

    @property
    def clip_id(self) -> str:
        """The name."""
        return self.video_id

    @property
    def annotated(self) -> bool:
        """Whether the annotations on disk describe it."""
        return self.captions > 0


@dataclass(frozen=True)
class VideoList:
    """The clips in the order of their numbers, and what was read, by what it is."""

    videos: tuple[Video, ...]
    files: Mapping[str, Path]
    split_name: SplitName

    def of(self, split: Split) -> tuple[Video, ...]:
        """The clips of one split."""
        return tuple(video for video in self.videos if video.split == split)


@dataclass(frozen=True)
class _Annotations:
    captions: Counter[str]
    categories: dict[str, str]
    splits: dict[str, Split]  # the official one
    ytids: dict[str, str]


@lru_cache(maxsize=1)
def published() -> dict[str, Any]:
    """`clips`, `without_audio`, `categories` in the order of their numbers, and the sizes of the `splits`."""
    return read_yaml(Path(__file__).with_name("msrvtt_splits.yaml"))


def read_list(root: Path, split_name: SplitName = "miech") -> VideoList:
    """The clips under a folder: those that the annotations or the lists of the split name.

    Args:
        split_name: `miech` is STELLA's (also called 1k-B), `official` the data set's own, `jsfusion` the common 9k/1k.

    Raises:
        DataError: neither the lists of the split nor annotations that hold it are there, or a file is not of its form.
    """
    files = {name: path for name in ANNOTATIONS if (path := _find(root, name)) is not None}
    annotations = _read_annotations(files.values())
    splits = _read_splits(root, split_name, files)
    if splits is None and split_name == "official" and annotations.splits:
        splits = annotations.splits
    if splits is None:
        names = ", ".join(name for several in _LIST_NAMES[split_name].values() for name in several)
        places = ", ".join(str(root / folder) for folder in FOLDERS)
        raise DataError(
            f"no lists of MSR-VTT's split {split_name}: looked for {names} in {places}. {HOW_TO_GET}; another split: "
            f"--splits {' or '.join(name for name in _LIST_NAMES if name != split_name)}"
        )
    known = {*splits, *annotations.captions, *annotations.categories}
    videos = tuple(
        Video(
            name,
            splits.get(name),
            annotations.categories.get(name),
            annotations.captions[name],
            annotations.ytids.get(name),
        )
        for name in sorted(known, key=lambda name: int(name[5:]))
    )
    return VideoList(videos, files, split_name)


def _find(root: Path, name: str) -> Path | None:
    return next((path for folder in FOLDERS if (path := root / folder / name).is_file()), None)


def _read_splits(root: Path, split_name: SplitName, files: dict[str, Path]) -> dict[str, Split] | None:
    found: dict[Split, Path] = {}
    for split, names in _LIST_NAMES[split_name].items():
        path = next((path for name in names if (path := _find(root, name)) is not None), None)
        if path is None:
            return None
        found[split] = path
    files.update({f"{split} split": path for split, path in found.items()})
    splits: dict[str, Split] = {}
    for split, path in found.items():
        for name in _read_names(path):
            if splits.setdefault(name, split) != split:
                raise DataError(f"{path} lists {name}, which is in {found[splits[name]]}, too: mend the lists")
    return splits


def _read_names(path: Path) -> Iterator[str]:
    """The clips of a list: one to a line, or the column `video_id` of a csv."""
    with opened(path, "video123, one to a line") as file:
        reader = csv.reader(file)
        place = 0
        for cells in filter(None, reader):
            if reader.line_num == 1 and "video_id" in cells:
                place = cells.index("video_id")
                continue
            name = cells[place].strip() if place < len(cells) else ""
            if not _VIDEO.fullmatch(name):
                raise DataError(f"{path}, line {reader.line_num}: expected a name such as video123, found {name!r:.80}")
            yield name


def _read_annotations(paths: Any) -> _Annotations:
    merged = _Annotations(Counter(), {}, {}, {})
    for path in paths:
        try:
            _merge(merged, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"can't read the annotations {path}: {type(error).__name__}: {error}; expected one of MSR-VTT's forms, "
                '{"videos": [...], "sentences": [...]} or {"images": [...], "annotations": [...]}'
            ) from None
    return merged


def _merge(merged: _Annotations, content: Any) -> None:
    names = published()["categories"]
    if not {"videos", "sentences", "images", "annotations"} & set(content):
        raise ValueError(f"it holds {', '.join(map(str, content))[:80]}")
    for video in content.get("videos", ()):
        name = _name(video["video_id"])
        merged.captions[name] += 0
        if "category" in video:
            merged.categories[name] = names[_category(video["category"], len(names))]
        if "split" in video:
            merged.splits[name] = _SPLIT_WORDS[video["split"]]
        if match := _ADDRESS.search(str(video.get("url", ""))):
            merged.ytids[name] = match[1]
    for image in content.get("images", ()):
        merged.captions[_name(image["id"])] += 0
    sentences = Counter(_name(sentence["video_id"]) for sentence in content.get("sentences", ()))
    sentences.update(_name(sentence["image_id"]) for sentence in content.get("annotations", ()))
    for name, number in sentences.items():  # two forms of one file may lie side by side
        merged.captions[name] = max(merged.captions[name], number)


def _name(name: Any) -> str:
    if not isinstance(name, str) or not _VIDEO.fullmatch(name):
        raise ValueError(f"{name!r:.40} is no name such as video123")
    return name


def _category(number: Any, count: int) -> int:
    if not isinstance(number, int) or not 0 <= number < count:
        raise ValueError(f"{number!r:.40} is no category, 0 to {count - 1}")
    return number

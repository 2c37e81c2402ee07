"""AVSBench-S4 on disk (Zhou et al., ECCV 2022): its list of clips, and where their pictures, sound and masks lie.

A clip lasts five seconds and is known by its YouTube id. Training clips have one mask, of their first second; clips to
validate and test with have five, one for each second.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from avbench.benchmarks.list_file import opened
from avbench.benchmarks.spelling import Spelling
from avbench.config import read_yaml
from avbench.errors import DataError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "val", "test")

SECONDS = 5  # of every clip that its video is long enough for
VIDEO_SECONDS = 10  # of the VGGSound clip that a scene was cut from
MASKS: dict[Split, int] = {"train": 1, "val": SECONDS, "test": SECONDS}
LISTS = ("s4_meta_data.csv", "s4_semi_meta_data.csv")
FOLDERS = (".", "Single-source", "avsbench_data/Single-source")  # under the root, in this order
DATA = "s4_data"  # beside the list

HOW_TO_GET = (
    "AVSBench is given out on request; https://github.com/OpenNLPLab/AVSBench says how. The single-source part is its "
    "folder Single-source"
)
_COLUMNS = ("name", "start", "category", "split")
_FORM = ",".join(_COLUMNS)
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")
_SECOND = re.compile(r"\d{1,5}", re.ASCII)


@dataclass(frozen=True)
class Scene:
    """One row of the list.

    Attributes:
        name: YouTube id.
        start: seconds, of the five that were annotated within the ten-second VGGSound clip.
        category: class in its official spelling, such as `cat_meowing`.
    """

    name: str
    start: int
    category: str
    split: Split

    @property
    def clip_id(self) -> str:
        """The YouTube id: the list names each once."""
        return self.name

    @property
    def seconds(self) -> float:
        """How long the clip is: less than five seconds where its video ends before."""
        left = VIDEO_SECONDS - self.start
        return float(min(SECONDS, left) if left > 0 else SECONDS)

    @property
    def masks(self) -> int:
        """How many masks there are: 1 of a training clip, else 5."""
        return MASKS[self.split]


@dataclass(frozen=True)
class SceneList:
    """The clips in the order of their file.

    Attributes:
        data: the folder with `raw_videos`, `visual_frames`, `gt_masks` and `audio_wav`.
        repeated: rows that named a clip again and were left out.
    """

    scenes: tuple[Scene, ...]
    file: Path
    data: Path
    repeated: int

    def of(self, split: Split) -> tuple[Scene, ...]:
        """The clips of one split."""
        return tuple(scene for scene in self.scenes if scene.split == split)

    def video(self, scene: Scene) -> Path:
        """The video with sound."""
        return self.data / "raw_videos" / scene.split / scene.category / f"{scene.name}.mp4"

    def frames(self, scene: Scene) -> tuple[Path, ...]:
        """The five pictures, 224 x 224 png: the last of the 16 frames of each second."""
        return self._numbered("visual_frames", scene, SECONDS)

    def sound(self, scene: Scene) -> Path:
        """The sound, wav at 16 kHz."""
        return self.data / "audio_wav" / scene.split / scene.category / f"{scene.name}.wav"

    def masks(self, scene: Scene) -> tuple[Path, ...]:
        """The masks, png: of second 1 for a training clip, of seconds 1 to 5 otherwise.

        An object that sounds is bright; the official loader reads them in Pillow's mode `1`, which cuts at 128.
        """
        return self._numbered("gt_masks", scene, scene.masks)

    def _numbered(self, kind: str, scene: Scene, count: int) -> tuple[Path, ...]:
        folder = self.data / kind / scene.split / scene.category / scene.name
        return tuple(folder / f"{scene.name}_{number}.png" for number in range(1, count + 1))


@lru_cache(maxsize=1)
def classes() -> dict[str, dict[Split, int]]:
    """The 23 classes in alphabetical order, with the published number of clips per split."""
    content = read_yaml(Path(__file__).with_name("avsbench_s4_classes.yaml"))
    return {str(name): {split: int(counts[split]) for split in SPLITS} for name, counts in content["classes"].items()}


def read_list(root: Path) -> SceneList:
    """The list of clips under a folder, its columns known by their names.

    Raises:
        DataError: it is missing, can't be read, or a line is not of its form; names file, line and what was expected.
    """
    looked = [root / folder / name for folder in FOLDERS for name in LISTS]
    path = next((path for path in looked if path.is_file()), None)
    if path is None:
        raise DataError(f"no list of AVSBench-S4: looked for {', '.join(map(str, looked))}. {HOW_TO_GET}")
    rows = _read(path)
    first: dict[str, Scene] = {}
    for scene in rows:
        first.setdefault(scene.name, scene)
    data = path.parent / DATA
    return SceneList(tuple(first.values()), path, data if data.is_dir() else path.parent, len(rows) - len(first))


def _read(path: Path) -> list[Scene]:
    spelling, scenes = Spelling("AVSBench-S4", classes()), []
    with opened(path, _FORM) as file:
        reader = csv.reader(file)
        header = [cell.strip().lower() for cell in next(reader, [])]
        if absent := [column for column in _COLUMNS if column not in header]:
            raise DataError(f"{path}, line 1: no column {' and no '.join(absent)}; expected a header with {_FORM}")
        places = {column: header.index(column) for column in _COLUMNS}
        for cells in filter(None, reader):
            try:
                if len(cells) != len(header):
                    raise ValueError(f"{len(cells)} columns where the header has {len(header)}")
                scenes.append(_scene({column: cells[place].strip() for column, place in places.items()}, spelling))
            except ValueError as error:
                raise DataError(f"{path}, line {reader.line_num}: {error}; expected {_FORM}") from None
    if not scenes:
        raise DataError(f"{path} lists no clip; expected lines of the form {_FORM}")
    return scenes


def _scene(row: Mapping[str, str], spelling: Spelling) -> Scene:
    if not _YTID.fullmatch(row["name"]):
        raise ValueError(f"{row['name']!r:.80} is no YouTube id of 11 characters")
    if not _SECOND.fullmatch(row["start"]):
        raise ValueError(f"{row['start']!r:.20} are no whole seconds")
    return Scene(row["name"], int(row["start"]), spelling.official(row["category"]), _split(row["split"]))


def _split(name: str) -> Split:
    for split in SPLITS:
        if name == split:
            return split
    raise ValueError(f"{name!r:.20} is none of {', '.join(SPLITS)}")

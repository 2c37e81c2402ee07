"""What base weights for Continual-AS are made from: all of VGGSound's train list (STELLA, section 5.1 and appendix B).

Several hundred of its videos are in AudioSet's evaluation list. The variant `leakage-free` leaves out every clip of
these; `authors` keeps them. Classes are the whole of VGGSound's in both: its words for sounds are not AudioSet's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from avbench.benchmarks import audioset, vggsound
from avbench.benchmarks.base_mix import IN_A_LIST, BaseMix, Candidate, DataSetClips, Mix, choose
from avbench.benchmarks.plugin import Place
from avbench.errors import DataError

if TYPE_CHECKING:
    from avbench.benchmarks.continual_as import AudioSetData, ContinualAS
    from avbench.benchmarks.recordings import RecordedData


class AudioSetBase(BaseMix):
    """The section `data.base` of Continual-AS."""

    vggsound: Place | None = None  # folder of VGGSound's lists and clips


def base_mix(benchmark: ContinualAS) -> Mix:
    """The clips to make base weights from.

    Raises:
        DataError: VGGSound or AudioSet's evaluation list is not where it should be, or can't be read.
    """
    settings: AudioSetBase = benchmark.data.base
    clips = train_vggsound(settings.vggsound, benchmark.data)
    tested = {segment.ytid for segment in audioset.read_segments(_evaluation_list(benchmark))}
    kept = settings.variant == "authors"
    parts = choose(
        [(clips, lambda clip: IN_A_LIST if clip.ytid in tested and not kept else None)],
        settings.queries_per_class,
        tested,
    )
    leaking = sum(each.ytid in tested for each in clips.listed)
    note = f"the variant `authors` leaks: {leaking:,} listed clips are of videos in {audioset.EVAL_LIST}"
    return Mix("VGGSound's train list", settings.variant, parts, (note,) if kept else ())


def train_vggsound(root: Path | None, settings: RecordedData) -> DataSetClips:
    """VGGSound's train list, from a folder of lists and clips.

    Raises:
        DataError: it is not there, or can't be read.
    """
    from avbench.benchmarks.datasets import DatasetOnDisk
    from avbench.benchmarks.known_datasets import find

    if root is None or not root.is_dir():
        looked = "no folder is named" if root is None else f"data.base.vggsound names {root}, which is no folder"
        raise DataError(
            f"the base clips of continual-as are VGGSound's, but {looked}: --set data.base.vggsound=FOLDER. "
            f"{vggsound.HOW_TO_GET}"
        )
    data = DatasetOnDisk(find("vggsound"), root, None, settings.frames_per_second)
    listed = [Candidate(row.clip_id, row.name, row.group) for row in data.listing.rows if row.split == "train"]
    source = partial(data.source, preprocessing=settings.preprocessing)
    return DataSetClips("VGGSound", data.dataset.name, listed, data.found, source)


def _evaluation_list(benchmark: ContinualAS) -> Path:
    """AudioSet's list of clips to test with; its clips need not be there."""
    data: AudioSetData = benchmark.data
    root, named = data.root, data.csv
    folders = [named] if named is not None else [root / name for name in audioset.FOLDERS] if root is not None else []
    for folder in folders:
        if (path := folder / audioset.EVAL_LIST).is_file():
            return path
    looked = f"looked in {', '.join(map(str, folders))}" if folders else "no folder is named"
    raise DataError(
        f"which videos continual-as tests with is in AudioSet's {audioset.EVAL_LIST}, which was not found ({looked}): "
        f"name its folder with --data-root FOLDER or --set data.csv=FOLDER. {audioset.HOW_TO_GET}"
    )

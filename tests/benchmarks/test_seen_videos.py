"""Videos that a network was trained on, met again in a test: AVSBench-S4 in VGGSound, from pre-training to report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from vggsound_tree import PREPROCESSING, RATE, SAMPLING, SHAPE, Line, lines, touch, write_clip, write_list, ytid

import avbench
from avbench import seen_videos
from avbench.benchmarks.continual_vs import task_classes
from avbench.cli import main
from avbench.config import merge, resolve_benchmark
from avbench.downstream.overlap import cautions, overlap
from avbench.errors import RunDirectoryError
from avbench.results import RunDirectory
from avbench.results.downstream import VideoOverlap
from avbench.runner import pretrain
from avbench.seen_videos import SeenVideos, of_weights
from avbench.training.weights import read_metadata, save_tensors
from avbench.weight_import import card
from avbench.weight_import.export import export_weights

FIRST = [each.task.classes[0] for each in task_classes().values()]
OTHER = ("golf driving", "playing tennis")  # classes of no task: base weights are made from them
STREAM, BASE, NEW = range(10), range(100, 108), range(900, 910)  # numbers of videos
SCENES = {"train": (NEW[:2],), "val": (NEW[2:4],), "test": (STREAM[:2], BASE[:1], NEW[4:6])}
MODEL = {
    "width": 16, "heads": 2, "unimodal_depth": 1, "fusion_depth": 1, "decoder_width": 16, "decoder_depth": 1,
    "decoder_heads": 2, "mask_ratio": 0.5,
}  # fmt: skip
FEW = {"epochs": 1, "warmup_epochs": 0, "batch_size": 2}


def vgg(root: Path) -> Path:
    """Two train clips of a class of every task, and base clips of two other classes."""
    rows: list[Line] = []
    for place, label in enumerate(FIRST):
        numbers = [STREAM[place], 500 + place] if place else [STREAM[8], STREAM[0]]
        rows += lines(label, "train", numbers) + lines(label, "test", [600 + place])
    rows += lines(OTHER[0], "train", BASE[:4]) + lines(OTHER[1], "train", BASE[4:])
    write_list(root / "vggsound.csv", rows)
    touch(root, rows)
    clip = write_clip(root.parent / "clip.mp4")
    for file in (root / "video").iterdir():
        file.write_bytes(clip)
    return root


def avs(root: Path) -> Path:
    """AVSBench-S4 in its official layout; of five test clips two are in the stream and one in the base mix."""
    base, table = root / "Single-source", ["name,start,category,split"]
    for split, parts in SCENES.items():
        for name in [ytid(number) for part in parts for number in part]:
            table.append(f"{name},0,helicopter,{split}")
            folder = f"{split}/helicopter/{name}"
            for second in range(1, 6):
                picture = np.full((32, 32, 3), 40 * second, np.uint8)
                _save(base / f"s4_data/visual_frames/{folder}/{name}_{second}.png", picture)
                if second == 1 or split != "train":
                    _save(base / f"s4_data/gt_masks/{folder}/{name}_{second}.png", 255 * np.eye(32, dtype=np.uint8))
            sound = base / f"s4_data/audio_wav/{folder}.wav"
            sound.parent.mkdir(parents=True, exist_ok=True)
            wavfile.write(sound, RATE, np.sin(0.1 * np.arange(5 * RATE)).astype(np.float32))
    (base / "s4_meta_data.csv").write_text("\n".join(table) + "\n")
    return root


def _save(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with AVSBench-S4, base weights, and a run that began with them; VGGSound is gone again."""
    folder = tmp_path_factory.mktemp("made")
    root = vgg(folder / "vggsound")
    avs(folder / "avsbench")
    data = {"root": str(root), "cache": str(folder / "cache"), "jobs": 1, "base": {"queries_per_class": 1}}
    values: dict[str, Any] = {
        "threads": 1, "device": "cpu", "clip": SHAPE.model_dump(), "model": MODEL,
        "training": {"epochs": 1, "batch_size": 2, "base_weights": None, "log_every": 1},
        "pretraining": {"epochs": 1, "batch_size": 2, "warmup_steps": 1, "stages": "backbone"},
        "data": data | {"preprocessing": PREPROCESSING, "sampling": SAMPLING},
        "evaluation": {"examples": 0},
    }  # fmt: skip
    base = pretrain(resolve_benchmark("continual-vs", "quick", overrides=[values]), folder / "base.safetensors")
    values = merge(values, {"training": {"base_weights": str(base)}})
    avbench.run("finetune", "continual-vs", out=folder / "run", **values)
    shutil.rmtree(root)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def test_base_weights_and_runs_keep_the_videos_they_saw(made: Path) -> None:
    told = read_metadata(made / "base.safetensors")
    held_out = {ytid(BASE[3]), ytid(BASE[7])}  # the last of each class test the weights only
    assert set(told["videos"].split()) == {ytid(number) for number in BASE} - held_out and told["videos_untold"] == ""
    seen = seen_videos.read(made / "run")
    assert seen is not None and seen.base == sorted(told["videos"].split()) and not seen.unnamed and not seen.untold
    assert seen.stream == sorted(ytid(number) for number in (*STREAM[:9], *range(501, 508)))


def test_test_videos_of_the_stream_and_of_the_starting_weights_are_counted_told_and_reported(
    made: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for name, value in FEW.items() for word in ("--set", f"{name}={value}")]
    with pytest.raises(SystemExit) as left:
        main(["eval", str(run), "--task", "segmentation", "--data-root", str(made / "avsbench"), *sets])
    shown = " ".join(capsys.readouterr().out.split())
    assert not left.value.code, shown
    in_stream = "2 of the 5 test videos (40 %) are in the training stream of continual-vs, by YouTube id"
    in_base = "1 of the 5 test videos (20 %) are in the data of the starting weights"
    assert in_stream in shown and in_base in shown
    (path,) = (run / "downstream").glob("segmentation-*.json")
    content = json.loads(path.read_text())
    assert content["overlap"] == {
        "videos": 5, "unknown": 0, "seen_videos": 3, "seen_examples": 3, "share": 60.0, "in_stream": 2, "in_base": 1,
        "not_checked": [],
    }  # fmt: skip
    page = (run / "report.html").read_text()
    assert in_stream in page and in_base in page


def test_other_backbones_have_seen_less(made: Path, run: Path) -> None:
    root = made / "avsbench"
    base = avbench.evaluate_downstream(run, "segmentation", data_root=root, backbone="base", **FEW)
    assert base.overlap is not None and (base.overlap.in_stream, base.overlap.in_base) == (0, 1)
    random = avbench.evaluate_downstream(run, "segmentation", data_root=root, backbone="random", **FEW)
    assert random.overlap is None and not [one for one in random.warnings if one.code.startswith("overlap")]


def test_what_can_not_be_told_is_said(made: Path, run: Path) -> None:
    (run / "videos.json").unlink()
    found = avbench.evaluate_downstream(run, "segmentation", data_root=made / "avsbench", **FEW)
    assert found.overlap is not None and found.overlap.videos == 5 and not found.overlap.seen_videos
    (caution,) = [one for one in found.warnings if one.code.startswith("overlap")]
    assert "not checked: the run keeps no list of the videos it was trained on (videos.json)" in caution.message


def test_exported_weights_of_a_run_carry_the_videos_it_saw(run: Path, tmp_path: Path) -> None:
    """Else a run that begins with them could not tell what it was tested with before."""
    seen = seen_videos.read(run)
    assert seen is not None
    first = tmp_path / "first.safetensors"
    export_weights(run, first)
    assert of_weights(str(first)) == ({*seen.stream, *seen.base}, "")
    export_weights(first, tmp_path / "again.safetensors")
    assert of_weights(str(tmp_path / "again.safetensors")) == of_weights(str(first))
    (run / "videos.json").write_text(seen.model_copy(update={"unnamed": 3, "untold": "x"}).model_dump_json())
    export_weights(run, tmp_path / "unnamed.safetensors")
    told = of_weights(str(tmp_path / "unnamed.safetensors"))[1]
    assert told == "x; 3 clips of the training stream are of videos that are not known"
    (run / "videos.json").unlink()
    export_weights(run, tmp_path / "earlier.safetensors")
    assert "earlier.safetensors don't say" in of_weights(str(tmp_path / "earlier.safetensors"))[1]
    shown = card.markdown({"file": "many.safetensors", "metadata": {"videos": " ".join(map(ytid, range(9000)))}})
    assert len(shown) < 2000 and "107,999 letters" in shown  # people are not shown all of them


# --- counts -----------------------------------------------------------------------------------------------------------


def counted(run: Path, videos: dict[str, str], names: str = "abcd") -> VideoOverlap:
    found = overlap(run, RunDirectory.open(run).read_results(), "trained", list(names), videos)
    assert found is not None
    return found


def test_examples_of_one_video_count_once_as_a_video(run: Path) -> None:
    one, other = ytid(STREAM[0]), ytid(NEW[0])
    found = counted(run, {"a": one, "b": one, "c": other})
    assert (found.videos, found.seen_videos, found.seen_examples, found.unknown) == (2, 1, 2, 1)
    assert found.share == 50 and "of 1 of the 4 test examples no YouTube id is known" in found.not_checked[0]
    none = counted(run, {})
    assert none.unknown == 4 and none.not_checked == ["the lists of the test examples name no YouTube ids"]
    assert [one.code for one in cautions(none, "continual-vs")] == ["overlap-not-checked"]
    assert not list(cautions(counted(run, dict.fromkeys("abcd", other)), "continual-vs"))


def test_weights_that_say_nothing_of_their_data_are_named(tmp_path: Path, run: Path) -> None:
    import torch

    save_tensors(tmp_path / "foreign.safetensors", {"model.x": torch.ones(1)}, {})
    assert of_weights(str(tmp_path / "foreign.safetensors"))[1].startswith("the starting weights foreign.safetensors")
    pictures = {"card": json.dumps({"source": {"kind": "ImageNet MAE"}})}
    save_tensors(tmp_path / "pictures.safetensors", {"model.x": torch.ones(1)}, pictures)
    assert of_weights(str(tmp_path / "pictures.safetensors")) == (set(), "")
    assert of_weights("shipped:continual-synth-quick") == of_weights(None) == (set(), "")
    (run / "videos.json").write_text(SeenVideos(untold="the starting weights x don't say").model_dump_json())
    assert counted(run, dict.fromkeys("abcd", ytid(1))).not_checked == ["the starting weights x don't say"]


def test_a_damaged_list_is_named(run: Path) -> None:
    (run / "videos.json").write_text("{")
    with pytest.raises(RunDirectoryError, match=re.escape("videos.json can't be read")):
        counted(run, {"a": ytid(1)})

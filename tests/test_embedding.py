"""Embeddings as files, weights of runs as files: they are what the run itself was judged by, and begin further runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_run import TINY, options

import avbench as package
from avbench.batch import Batch
from avbench.cli import main
from avbench.config import RunConfig, merge, resolve
from avbench.data.media import read_clip
from avbench.data.transforms import evaluation_view
from avbench.embedding import stored_as
from avbench.evaluation import similarity
from avbench.results.directory import RunDirectory
from avbench.training import backbones
from avbench.training.session import Session

Answer = tuple[int, str, str]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunDirectory:
    """A finished run of STELLA, which has a matching module."""
    values: dict[str, Any] = merge(TINY, options("stella")) | {"seed": 3}
    values = merge(values, {"data": {"cache": str(cache)}, "training": {"epochs": 1}, "options": {"chunk": 1}})
    made = package.run("stella", "continual-synth", out=tmp_path_factory.mktemp("runs") / "run", **values)
    return RunDirectory.open(made.directory)


@pytest.fixture
def avbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Call the command line in an empty folder: exit status, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Answer:
        try:
            main([str(argument) for argument in arguments])
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, error = capsys.readouterr()
        return status, out, error

    return call


def read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_embeddings_of_a_run_are_those_it_was_judged_by(avbench: Callable[..., Answer], run: RunDirectory) -> None:
    status, out, error = avbench("embed", run.path, "--stream", "retrieval", "--out", "e.npz")
    assert (status, error) == (0, "")
    assert "SYNTHETIC DATA" in out
    found = read(Path("e.npz"))
    last = similarity.load(max(run.similarity.glob("*.npz")))
    rows = {str(clip_id): row for row, clip_id in enumerate(found["clip_id"])}
    order = [rows[clip_id] for clip_id in last.clip_ids]
    assert sorted(order) == list(range(len(found["clip_id"])))
    for modality in ("audio", "video"):
        z = found[modality]
        assert z.dtype == np.float32
        unit = (z / np.linalg.norm(z, axis=1, keepdims=True))[order]
        np.testing.assert_allclose(unit, last.embeddings[modality], atol=1e-3)
    assert all(label for label in found["label"])
    assert set(found["stream"]) == {"retrieval"}
    assert len(set(found["task"])) == 8
    card = json.loads(str(found["card"]))
    assert card["clips"]["synthetic"] is True
    assert (card["network"]["method"], card["network"]["after"]) == ("stella", "8 of 8 experiences")
    assert str(run.path.parent) not in json.dumps(card)


def test_both_forms_hold_the_same_and_nothing_is_overwritten(avbench: Callable[..., Answer], run: RunDirectory) -> None:
    for name in ("e.npz", "e.safetensors"):
        assert avbench("embed", run.path, "--out", name)[0] == 0
        content = Path(name).read_bytes()
        status, _, error = avbench("embed", run.path, "--out", name)
        assert (status, Path(name).read_bytes()) == (2, content)
        assert "exists already" in error
    one = read(Path("e.npz"))
    with safe_open("e.safetensors", framework="np") as two:
        metadata = two.metadata()
        for modality in ("audio", "video"):
            np.testing.assert_array_equal(one[modality], two.get_tensor(modality))
    for name in ("clip_id", "label", "task", "stream"):
        assert one[name].tolist() == json.loads(metadata[name])
    assert set(one["stream"]) == {"evaluation", "retrieval"}


def test_weights_of_a_run_begin_another_one_with_its_matching_module(
    avbench: Callable[..., Answer], run: RunDirectory, cache: Path
) -> None:
    status, out, error = avbench("weights", "export", run.path, "--out", "mine.safetensors")
    assert (status, error) == (0, "")
    assert "SYNTHETIC DATA" in out
    card = json.loads(Path("mine.json").read_text())
    assert (card["method"], card["seed"], card["synthetic"]) == ("stella", 3, True)
    assert str(run.path.parent) not in json.dumps(card)
    net = backbones.trained(run, run.read_results(), 8)
    exported = load_file("mine.safetensors")
    assert all(torch.equal(exported[f"model.{name}"], value) for name, value in net.state_dict().items())
    overrides = [
        merge(TINY, options("stella")),
        {"training": {"base_weights": "mine.safetensors"}},
        {"options": {"chunk": 1}},
    ]
    session = Session(resolve("stella", "continual-synth", overrides=overrides))
    assert not session.strategy.warnings
    matching = session.strategy.modules()["matching"].state_dict()
    assert all(torch.equal(exported[f"matching.{name}"], value) for name, value in matching.items())
    # Embedded from the file, which names its sizes itself, a clip is where the run put it.
    tiny = Path("tiny.yaml")
    tiny.write_text(json.dumps(TINY | {"data": merge(TINY["data"], {"cache": str(cache)})}))
    asked = ("--bench", "continual-synth", "--config", tiny)
    assert avbench("embed", "mine.safetensors", *asked, "--out", "file.npz")[0] == 0
    assert avbench("embed", run.path, "--out", "run.npz")[0] == 0
    np.testing.assert_allclose(read(Path("file.npz"))["video"], read(Path("run.npz"))["video"], atol=1e-6)


def test_an_earlier_network_of_a_run(avbench: Callable[..., Answer], run: RunDirectory) -> None:
    assert avbench("weights", "export", run.path, "--after", "2", "--out", "second.safetensors")[0] == 0
    second, kept = load_file("second.safetensors"), load_file(run.path / "weights" / "after-02.safetensors")
    assert all(torch.equal(second[name], value) for name, value in kept.items())
    assert not any(name.startswith("matching.") for name in second)  # gone with its checkpoint, and the card says so
    assert "no matching module" in Path("second.md").read_text()
    status, _, error = avbench("weights", "export", run.path, "--after", "9", "--out", "ninth.safetensors")
    assert (status, "finished 8 experiences" in error) == (1, True)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered clips as media files, two folders deep."""
    folder = tmp_path_factory.mktemp("media")
    config = folder / "tiny.yaml"
    config.write_text(json.dumps(TINY | {"data": merge(TINY["data"], {"world": {"test_clips": 1}})}))
    with pytest.raises(SystemExit) as leaving:
        main(["data", "synth", "--out", str(folder / "export"), "--splits", "retrieval", "--config", str(config),
              "--jobs", "1"])  # fmt: skip
        raise SystemExit(0)
    assert not leaving.value.code
    return folder / "export"


def test_a_folder_of_media_files(avbench: Callable[..., Answer], run: RunDirectory, media: Path) -> None:
    status, _, error = avbench("embed", run.path, "--clips", media, "--out", "e.npz", "--jobs", "1")
    assert (status, error) == (0, "")
    found = read(Path("e.npz"))
    files = sorted(path.relative_to(media).as_posix() for path in media.rglob("*.mp4"))
    assert found["clip_id"].tolist() == files
    assert len(files) == 8
    config: RunConfig = run.config
    net = backbones.trained(run, run.read_results(), 8)
    preprocessing, sampling = stored_as(config, config.clip)
    for row, name in enumerate(files):
        clip = read_clip(media / name, preprocessing)
        frames, sound = torch.from_numpy(clip.frames).permute(0, 3, 1, 2), torch.from_numpy(clip.log_mel)
        view = evaluation_view(
            lambda wanted, f=frames, s=sound: (f[list(wanted)], s), preprocessing, sampling, config.clip
        )  # type: ignore[misc]
        with torch.no_grad():
            audio, video = net.embed(Batch.from_wire(view["audio"][None], view["video"][None], [name]))
        np.testing.assert_allclose(found["audio"][row], audio[0].numpy(), atol=1e-5)
        # Pictures wait as JPEG in the cache, which changes them a little.
        assert np.corrcoef(found["video"][row], video[0].numpy())[0, 1] > 0.99


def test_files_that_cannot_be_read_are_named_or_left_out(
    avbench: Callable[..., Answer], run: RunDirectory, media: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(media, folder)
    (folder / "broken.mp4").write_bytes(b"no media")
    asked = ("embed", run.path, "--clips", folder, "--out", "e.npz", "--jobs", "1")
    status, _, error = avbench(*asked)
    assert status == 2
    assert "broken.mp4" in error
    assert "--skip-unreadable" in error
    assert not Path("e.npz").exists()
    status, out, _ = avbench(*asked, "--skip-unreadable")
    assert status == 0
    assert "1 unreadable" in out
    found = read(Path("e.npz"))
    assert "broken.mp4" not in found["clip_id"]
    assert list(json.loads(str(found["card"]))["unreadable"]) == ["broken.mp4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clips", "nowhere", "--out", "e.npz"], "there is no such folder"),
        (["--clips", ".", "--out", "e.npz"], "no media file"),
        (["--clips", ".", "--stream", "train", "--out", "e.npz"], "--stream chooses clips of a benchmark"),
        (["--out", "e.bin"], "end in .npz or .safetensors"),
        (["--set", "data.jobs=1", "--out", "e.npz"], "name it with --bench"),
        (["--bench", "continual-synth", "--out", "e.npz"], "audio_frames"),
    ],
)
def test_bad_input_is_one_message(
    avbench: Callable[..., Answer], run: RunDirectory, arguments: list[str], said: str
) -> None:
    status, _, error = avbench("embed", run.path, *arguments)
    assert status == 2
    assert said in error
    assert "Traceback" not in error
    assert not list(Path().iterdir())

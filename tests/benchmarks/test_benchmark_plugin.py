"""What every benchmark shares: where prepared clips go, what is done again and what isn't."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from vggsound_tree import benchmark, file_name, lines, touch, write_clip, write_list

from avbench.benchmarks.continual_vs import task_classes
from avbench.benchmarks.plugin import BenchmarkPlugin
from avbench.benchmarks.prepared import default_cache
from avbench.errors import DataError, UsageError

ROWS = [
    row
    for place, classes in enumerate(task_classes().values())
    for split in ("train", "test")
    for row in lines(classes.task.classes[0], split, [2 * place + (split == "test")])
]

(SPARE,) = lines(next(iter(task_classes().values())).task.classes[1], "train", [99])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one real clip per task and split, the first of which is a text file."""
    root = tmp_path / "vggsound"
    write_list(root / "vggsound.csv", ROWS)
    touch(root, ROWS)
    good = write_clip(tmp_path / "good.mp4")
    for row in ROWS:
        (root / "video" / file_name(row)).write_bytes(b"text" if row == ROWS[0] else good)
    return root


@pytest.fixture
def spare(root: Path, tmp_path: Path) -> Path:
    """The same folder, but the first task has two train clips, the second of which is a text file."""
    write_list(root / "vggsound.csv", [*ROWS, SPARE])
    (root / "video" / file_name(ROWS[0])).write_bytes((tmp_path / "good.mp4").read_bytes())
    (root / "video" / file_name(SPARE)).write_bytes(b"text")
    return root


def test_a_mended_clip_is_taken_up(root: Path, tmp_path: Path) -> None:
    plugin = benchmark(root, tmp_path / "cache", {"unreadable_share": 0.1})
    seen: list[tuple[int, int]] = []
    assert len(plugin.prepare(lambda done, total: seen.append((done, total))).quarantined) == 1
    assert seen[0] == (0, 16) and seen[-1] == (16, 16)
    again = plugin.prepare()
    assert again.built == 0 and len(again.quarantined) == 1

    (root / "video" / file_name(ROWS[0])).write_bytes((tmp_path / "good.mp4").read_bytes())
    report = plugin.prepare()
    assert report.built == 1 and not report.quarantined
    assert plugin.inspect().tasks[0].coverage["train"].unreadable == 0


def test_too_many_unreadable_clips_are_refused_with_every_remedy(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 16 .*allowed 5%.*--bench continual-vs --retry.*") as caught:
        benchmark(root, tmp_path / "cache").prepare()
    option, _, share = str(caught.value).rpartition("--set data.")[2].partition("=")
    assert option == "unreadable_share"
    assert len(benchmark(root, tmp_path / "cache", {option: float(share)}).prepare().quarantined) == 1


def test_what_is_published_of_an_unreadable_clip_does_not_tell_where_it_lies(spare: Path, tmp_path: Path) -> None:
    made = benchmark(spare, tmp_path / "cache", {"unreadable_share": 0.1}).build()
    ((_, message),) = made.quarantined.values()
    assert str(tmp_path) not in message and message.startswith(f"video/{file_name(SPARE)}")


def test_a_resumed_run_keeps_the_clips_it_began_with_although_one_was_mended(spare: Path, tmp_path: Path) -> None:
    root = spare
    began = benchmark(root, tmp_path / "cache", {"unreadable_share": 0.1}).build()
    (root / "video" / file_name(SPARE)).write_bytes((tmp_path / "good.mp4").read_bytes())
    resumed = benchmark(root, tmp_path / "cache").build(left_out=began.quarantined)
    assert resumed.clip_list_hash == began.clip_list_hash
    assert resumed.quarantined == began.quarantined and resumed.coverage == began.coverage
    assert benchmark(root, tmp_path / "cache").build().clip_list_hash != began.clip_list_hash


def test_sources_reach_other_processes(root: Path, tmp_path: Path) -> None:
    plugin = benchmark(root, tmp_path / "cache")
    source = pickle.loads(pickle.dumps(plugin.source(plugin.clip_list.clip_ids[1])))
    assert source().frames.shape == (4, 16, 16, 3)


def test_a_summary_names_every_place(root: Path, tmp_path: Path) -> None:
    places = benchmark(root, tmp_path / "cache").inspect().places
    assert places["clips"] == root and places["train list"] == places["test list"] == root / "vggsound.csv"
    assert tmp_path / "cache" in places["prepared clips"].parents


def test_paths_stay_the_same_from_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = benchmark(Path("clips"), Path("cache")).data
    assert (data.root, data.cache) == (tmp_path / "clips", tmp_path / "cache")


@pytest.mark.skipif(sys.platform != "linux", reason="the places of Linux")
def test_the_cache_follows_the_platforms_conventions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AVBENCH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache() == tmp_path / ".cache" / "avbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "avbench"
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"


def test_a_benchmark_without_base_clips_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="continual-vs has no clips to make base weights from"):
        BenchmarkPlugin.build_base(benchmark(tmp_path, tmp_path))  # what a benchmark inherits that brings none


@pytest.mark.skipif("AVBENCH_REAL_CLIPS" not in os.environ, reason="AVBENCH_REAL_CLIPS names no folder of real clips")
def test_real_clips_reach_every_task(tmp_path: Path) -> None:
    root = Path(os.environ["AVBENCH_REAL_CLIPS"])
    every = next(root.rglob("vggsound_overfit.csv"))
    made = benchmark(every.parent, tmp_path / "cache", {"csv": every}).build()
    assert not made.quarantined and len(made.store) == 17
    assert all(coverage.usable for stream in made.coverage.values() for coverage in stream)

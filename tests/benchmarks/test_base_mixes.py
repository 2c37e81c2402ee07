"""The clips base weights are made from: which are left out, beside plain loops over the lists; what is held out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import audioset_tree
import pytest
import vggsound_tree
from audioset_tree import BALANCED, EVAL, line, write_segments
from vggsound_tree import Line, lines, touch, write_clip, write_list

from avbench.benchmarks import continual_as_base, continual_vs_base
from avbench.benchmarks.base_mix import Mix
from avbench.benchmarks.continual_as import ContinualAS
from avbench.benchmarks.continual_vs import ContinualVS, task_classes
from avbench.benchmarks.streams import TRAIN, rows_of
from avbench.errors import DataError, UsageError

TASKS = task_classes()
USED, OTHER = "skiing", ("golf driving", "playing tennis", "sea waves")  # of a task; of the same category only
SHARED = 77  # the number of a video that has clips of several classes, or in both lists


def vgg_rows() -> list[Line]:
    rows = [row for place, each in enumerate(TASKS.values()) for row in _both(each.task.classes[0], 5000 + 100 * place)]
    rows += lines(USED, "train", range(8)) + lines(USED, "test", range(20, 22))
    for place, label in enumerate(OTHER):
        rows += lines(label, "train", range(100 * place + 100, 100 * place + 106))
        rows += lines(label, "test", range(100 * place + 150, 100 * place + 152))
    rows += lines(USED, "train", [SHARED])
    rows.append((vggsound_tree.ytid(SHARED), 200, OTHER[0], "train"))  # the same video, another start
    rows.append((vggsound_tree.ytid(150), 250, OTHER[1], "train"))  # a video of the test list, another start
    return rows


def _both(label: str, first: int) -> list[Line]:
    return lines(label, "train", [first]) + lines(label, "test", [first + 1])


def clip_id(row: Line) -> str:
    return f"{row[0]}_{row[1]:06d}"


@pytest.fixture
def vgg(tmp_path: Path) -> Callable[..., ContinualVS]:
    """Continual-VS with at most three clips per class; `missing` rows have no file."""

    def make(rows: list[Line], base: dict[str, Any] | None = None, missing: list[Line] | None = None) -> ContinualVS:
        root = tmp_path / "vggsound"
        write_list(root / "vggsound.csv", rows)
        touch(root, [row for row in rows if row not in (missing or [])])
        data = {"max_train_per_class": 3, "base": base or {}}
        return vggsound_tree.benchmark(root, tmp_path / "cache", data)

    return make


def ids(mix: Mix, part: int | None = None) -> set[str]:
    parts = mix.parts if part is None else [mix.parts[part]]
    return {clip.clip_id for each in parts for clip in (*each.train, *each.queries)}


def plain_leakage_free(rows: list[Line]) -> set[str]:
    """One loop inside another, from the definition."""
    chosen = set()
    for row in rows:
        leaks = row[3] == "test" or any(row[2] in each.task.classes for each in TASKS.values())
        for other in rows:
            of_task = other[3] == "train" and any(other[2] in each.task.classes for each in TASKS.values())
            leaks = leaks or (row[0] == other[0] and (of_task or other[3] == "test"))
        if not leaks:
            chosen.add(clip_id(row))
    return chosen


# --- Continual-VS -----------------------------------------------------------------------------------------------------


def test_leakage_free_has_no_class_and_no_video_of_the_tasks(vgg: Callable[..., ContinualVS]) -> None:
    rows = vgg_rows()
    plugin = vgg(rows)
    mix = continual_vs_base.base_mix(plugin)
    assert ids(mix) == plain_leakage_free(rows) and len(ids(mix)) == 18
    videos = {name[:11] for name in ids(mix)}
    assert not videos & {name[:11] for name in plugin.clip_list.clip_ids}
    counts = mix.described["counts"]["VGGSound"]
    assert counts["left_out"] == {"of a class of the tasks": 17, "of a video in the benchmark's own lists": 2}
    assert counts["listed"] == sum(row[3] == "train" for row in rows)
    assert sum(counts["left_out"].values()) + counts["train"] + counts["held_out"] == counts["listed"]


def test_the_mix_does_not_depend_on_which_clips_of_the_tasks_are_on_disk(vgg: Callable[..., ContinualVS]) -> None:
    rows = vgg_rows()
    gone = [row for row in rows if row[2] == USED]
    assert ids(continual_vs_base.base_mix(vgg(rows, missing=gone))) == plain_leakage_free(rows)


def test_authors_add_exactly_the_clips_that_the_tasks_leave(vgg: Callable[..., ContinualVS]) -> None:
    rows = [row for row in vgg_rows() if row[0] not in (vggsound_tree.ytid(SHARED), vggsound_tree.ytid(150))]
    free = continual_vs_base.base_mix(vgg(rows))
    plugin = vgg(rows, {"variant": "authors"})
    authors = continual_vs_base.base_mix(plugin)
    beyond = [clip_id(row) for row in lines(USED, "train", range(8))[3:]]
    assert ids(authors) - ids(free) == set(beyond) and ids(free) < ids(authors)
    trained = {clip.clip_id for group in plugin.clip_list.streams[TRAIN] for clip in group.clips}
    assert not ids(authors) & trained
    assert any("leaks" in note for note in authors.notes)


def test_authors_leave_out_nothing_by_video(vgg: Callable[..., ContinualVS]) -> None:
    rows = vgg_rows()
    plugin = vgg(rows, {"variant": "authors"})
    trained = {clip.clip_id for group in plugin.clip_list.streams[TRAIN] for clip in group.clips}
    mix = continual_vs_base.base_mix(plugin)
    assert ids(mix) == {clip_id(row) for row in rows if row[3] == "train"} - trained
    queries = {clip.clip_id[:11] for clip in mix.parts[0].queries}
    assert not queries & {row[0] for row in rows if row[3] == "test" or row[2] == USED}


def test_audioset_20k_joins_without_videos_of_the_tasks(vgg: Callable[..., ContinualVS], tmp_path: Path) -> None:
    rows, root = vgg_rows(), tmp_path / "audioset"
    clips = [line(number, "Conversation") for number in range(5)]
    shared = [line(9, "Conversation")._replace(ytid=vggsound_tree.ytid(number)) for number in (SHARED, 20, 100)]
    write_segments(root / BALANCED, [*clips, *shared])
    audioset_tree.touch(root, [*clips[:4], *shared])
    mix = continual_vs_base.base_mix(vgg(rows, {"audioset": root}))
    assert ids(mix, 1) == {each.clip_id for each in (*clips[:4], shared[2])}
    assert mix.parts[1].counts() == {
        "listed": 8,
        "left_out": {"of a video in the benchmark's own lists": 2},
        "missing": 1,
        "held_out": 0,
        "train": 5,
    }
    assert ids(mix, 0) == plain_leakage_free(rows)


def test_held_out_clips_are_the_last_of_their_class_and_of_other_videos(vgg: Callable[..., ContinualVS]) -> None:
    rows = vgg_rows()
    rows.append((vggsound_tree.ytid(105), 299, OTHER[1], "train"))  # the last video of the first class, once more
    mix = continual_vs_base.base_mix(vgg(rows, {"queries_per_class": 2}))
    held = [clip.clip_id for clip in mix.parts[0].queries]
    assert held[:2] == [clip_id(row) for row in lines(OTHER[0], "train", [103, 104])]
    assert len(held) == 2 * len(OTHER)
    assert not {name[:11] for name in held} & {clip.clip_id[:11] for clip in mix.parts[0].train}


def test_a_class_gives_at_most_half_of_its_clips_away(vgg: Callable[..., ContinualVS]) -> None:
    mix = continual_vs_base.base_mix(vgg(vgg_rows(), {"queries_per_class": 100}))
    assert len(mix.parts[0].queries) == 9 and len(mix.parts[0].train) == 9


# --- Continual-AS -----------------------------------------------------------------------------------------------------


@pytest.fixture
def audioset(tmp_path: Path) -> Callable[..., ContinualAS]:
    """Continual-AS whose lists name two of VGGSound's train videos, without any clip of AudioSet on disk."""

    def make(base: dict[str, Any] | None = None) -> ContinualAS:
        rows, root = vgg_rows(), tmp_path / "vggsound"
        write_list(root / "vggsound.csv", rows)
        touch(root, rows)
        tested = [
            line(1, "Conversation"),
            *(line(9, "Conversation")._replace(ytid=vggsound_tree.ytid(n)) for n in (SHARED, 101)),
        ]
        write_segments(tmp_path / "audioset" / EVAL, tested)
        return audioset_tree.benchmark(tmp_path / "audioset", tmp_path / "cache", {"base": base or {"vggsound": root}})

    return make


def test_all_of_vggsound_but_videos_that_audioset_tests_with(
    audioset: Callable[..., ContinualAS], tmp_path: Path
) -> None:
    rows, root = vgg_rows(), tmp_path / "vggsound"
    train = {clip_id(row) for row in rows if row[3] == "train"}
    leaking = {clip_id(row) for row in rows if row[3] == "train" and row[0] in map(vggsound_tree.ytid, (SHARED, 101))}
    assert len(leaking) == 3
    assert ids(continual_as_base.base_mix(audioset())) == train - leaking
    authors = continual_as_base.base_mix(audioset({"vggsound": root, "variant": "authors"}))
    assert ids(authors) == train
    assert not {clip.clip_id for clip in authors.parts[0].queries} & leaking
    assert "3 listed clips" in authors.notes[0]


# --- built ------------------------------------------------------------------------------------------------------------


def test_both_data_sets_become_one_stream_each_with_its_own_cache(tmp_path: Path) -> None:
    rows, root, other = vgg_rows(), tmp_path / "vggsound", tmp_path / "audioset"
    clips = [line(number, "Conversation") for number in range(3)]
    write_list(root / "vggsound.csv", rows)
    write_segments(other / BALANCED, clips)
    content = write_clip(tmp_path / "one.mp4")
    touch(root, rows)
    for file in (root / "video").iterdir():
        file.write_bytes(content)
    audioset_tree.touch(other, clips, content=content)
    (other / "clips" / f"{clips[1].clip_id}.mp4").write_bytes(b"broken")
    data = {"base": {"audioset": other}, "unreadable_share": 0.5, "clip_timeout": 60}
    plugin = vggsound_tree.benchmark(root, tmp_path / "cache", data)
    told: list[tuple[int, int]] = []
    base = plugin.build_base(lambda done, total: told.append((done, total)))
    assert told[-1] == (21, 21) and [done for done, _ in told] == sorted(done for done, _ in told)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"vggsound", "audioset"}
    train, queries = (
        [base.store[row]["clip_id"] for row in rows_of(stream[0])]
        for stream in (base.scenario.train_stream, base.scenario.retrieval_stream)
    )
    assert set(train) | set(queries) == plain_leakage_free(rows) | {clips[0].clip_id, clips[2].clip_id}
    assert set(base.quarantined) == {clips[1].clip_id} and base.base_mix["unreadable"] == 1
    assert base.base_mix["variant"] == "leakage-free" and set(base.base_mix["counts"]) == {"VGGSound", "AudioSet-20k"}
    assert len(train) + len(queries) == len(base.store) == 20 and not set(train) & set(queries)
    view = base.store[19, 5]  # a training view of the last row, from the second cache
    assert view["clip_id"] == clips[2].clip_id


# --- what is said -----------------------------------------------------------------------------------------------------


def test_missing_folders_are_named(
    vgg: Callable[..., ContinualVS], audioset: Callable[..., ContinualAS], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"data\.base\.audioset names .*nowhere.*no folder"):
        vgg(vgg_rows(), {"audioset": tmp_path / "nowhere"}).build_base()
    with pytest.raises(DataError, match=r"no folder is named: --set data\.base\.vggsound=FOLDER"):
        audioset({"vggsound": None}).build_base()
    (tmp_path / "audioset" / EVAL).unlink()
    with pytest.raises(DataError, match=r"eval_segments\.csv, which was not found \(looked in .*audioset"):
        audioset_tree.benchmark(
            tmp_path / "audioset", tmp_path / "cache", {"base": {"vggsound": tmp_path / "vggsound"}}
        ).build_base()


def test_nothing_left_is_an_error_with_the_counts(vgg: Callable[..., ContinualVS]) -> None:
    rows = [row for row in vgg_rows() if row[2] not in OTHER]
    with pytest.raises(DataError, match=r"none is left for the train stream \(of 17 listed clips of VGGSound 17 of a"):
        vgg(rows).build_base()


def test_unknown_variants_are_refused(vgg: Callable[..., ContinualVS]) -> None:
    with pytest.raises(UsageError, match="variant"):
        vgg(vgg_rows(), {"variant": "published"})


@pytest.mark.parametrize("kind", [ContinualVS, ContinualAS])
def test_the_mix_is_no_part_of_the_comparability_key(kind: type[ContinualVS]) -> None:
    assert "base" in kind.Config.places  # the hash of the base weights is

"""Five data sets in miniature: every planted defect is found and named for what it is, and nothing stands in for it."""

import json

import av
import numpy as np
import pytest
from dataset_trees import KINDS, SETTINGS, TREES, UNUSABLE, prepared, world_clips, ytid

from avbench.data.media import read_clip
from avbench.reports import dataset_audit


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return world_clips(tmp_path_factory.mktemp("world"))


@pytest.fixture(params=TREES)
def found(request, tmp_path, clips):
    tree = TREES[request.param](tmp_path / "private place", clips)
    return tree, *prepared(tree, tmp_path / "cache")


def test_every_defect_is_found_and_none_replaced(found):
    tree, data, cache, audit = found
    of = {kind: clip_id for clip_id, kind in tree.kinds.items()}
    assert {clip_id: reason for clip_id, (reason, _) in audit.problems.items()} == {
        of[kind]: reason for kind, reason in UNUSABLE.items()
    }
    assert audit.missing == (of["missing"],) and audit.still == (of["still"],)
    assert [len(files) for files in audit.duplicates.values()] == [2]
    usable = [clip_id for clip_id, kind in tree.kinds.items() if kind not in UNUSABLE and kind != "missing"]
    assert sorted(clip_id for clip_id in tree.kinds if cache.contains(clip_id)) == sorted(usable)
    for clip_id in usable:
        stored, own = cache.read(clip_id), read_clip(data.found[clip_id], SETTINGS)
        assert np.array_equal(stored.log_mel, own.log_mel)
        assert np.abs(stored.frames.astype(int) - own.frames).mean() < 6


def test_numbers_add_up_and_are_beside_the_published_ones(found):
    tree, data, _, audit = found
    rows = len(data.listing.rows)
    assert rows == len(tree.kinds) + (tree.name == "ave")  # one video is annotated twice
    assert audit.together.listed == rows == sum(tally.listed for tally in audit.splits)
    assert sum(tally.usable for tally in audit.groups) == audit.together.usable
    for tally in (audit.together, *audit.splits, *audit.groups):
        assert tally.usable + sum(tally.lost.values()) == tally.listed
    assert audit.together.lost == dict(
        zip(("missing", "no audio", "silent", "short", "timeout", "undecodable"), (1, 1, 1, 1, 0, 2), strict=True)
    )
    published = {tally.split: tally.published for tally in audit.splits}
    assert (
        published
        == {
            "vggsound": {"train": 183730, "test": 15446},
            "audioset": {"eval": 20371, "balanced": 22160},
            "ave": {"train": 3339, "val": 402, "test": 402},
            "avsbench": {"train": 3452, "val": 740, "test": 740},
            "msrvtt": {"train": 6656, "test": 1000},
        }[tree.name]
    )


def test_an_audit_can_be_shared(found, tmp_path):
    tree, _, _, audit = found
    texts = {kind: tmp_path / f"audit{kind}" for kind in dataset_audit.KINDS}
    for path in texts.values():
        dataset_audit.write_audit(audit, path)
        text = path.read_text()
        assert "private" not in text and str(tmp_path) not in text and "/tmp" not in text
        dataset_audit.write_audit(audit, path)
        assert path.read_text() == text
    content = json.loads(texts[".json"].read_text())
    assert content["together"]["usable"] == audit.together.usable
    assert set(content["problems"]) == set(audit.problems)
    assert content["hashes"]["usable"] in texts[".html"].read_text()
    notes = " ".join(content["notes"])
    told = {
        "ave": "11 rows annotate 10 videos",
        "avsbench": "1 of 3 test clips lack masks (5 each)",
        "msrvtt": "10 clips are in no part of the split miech",
    }
    assert told.get(tree.name, "") in notes
    if tree.name == "vggsound":
        assert content["lost_leading_dash"] == 1
        assert content["unknown_names"] == {"count": 2, "examples": ["A_00012-_b_000030.mp4", "preview.mp4"]}


def test_the_hash_is_of_the_clips_and_not_of_their_place(tmp_path, clips):
    trees = [TREES["msrvtt"](tmp_path / name, clips) for name in ("one", "two")]
    made = [prepared(tree, tmp_path / f"cache of {tree.root.name}")[2].about["hashes"] for tree in trees]
    assert made[0] == made[1]
    (tmp_path / "two/videos/all/video0.mp4").unlink()
    fewer = prepared(trees[1], tmp_path / "cache of two")[2].about["hashes"]
    assert fewer["listed"] == made[0]["listed"] and fewer["usable"] != made[0]["usable"]


def test_labels_of_other_spellings_are_one_class(tmp_path, clips):
    tree = TREES["vggsound"](tmp_path / "v", clips)
    groups = {tally.group for tally in prepared(tree, tmp_path / "cache")[2].groups}
    assert groups == {"bird chirping, tweeting", "playing timpani"}
    assert ytid(1).startswith("_") and len(KINDS) == 10


def test_clips_of_equal_content_are_listed_and_told_apart_where_they_leak(tmp_path, clips):
    """Pictures and sound decide, neither name nor container: one copy is written anew from the same streams."""
    tree = TREES["vggsound"](tmp_path / "v", clips)
    videos, listed = tree.root / "video", tree.root / "vggsound.csv"
    first = tree.root / "video" / f"{ytid(0)}_000000.mp4"  # of the test list; `lost dash` is its copy in the train list
    rows = [(20, "test"), (21, "train"), (22, "train")]
    for number, split in rows:
        with listed.open("a") as file:
            file.write(f"{ytid(number)},{number},playing timpani,{split}\n")
    rewritten(first, videos / f"{ytid(20)}_000020.mp4")
    assert (videos / f"{ytid(20)}_000020.mp4").read_bytes() != first.read_bytes()
    (videos / f"{ytid(21)}_000021.mp4").write_bytes(clips[3].read_bytes())
    (videos / f"{ytid(22)}_000022.mp4").write_bytes(clips[3].read_bytes())
    audit = prepared(tree, tmp_path / "cache")[2]
    zero, copy, twelve = f"{ytid(0)}_000000", f"{ytid(20)}_000020", f"{ytid(12)}_000030"
    across = {zero: ("test",), twelve: ("train",), copy: ("test",)}
    within = {f"{ytid(21)}_000021": ("train",), f"{ytid(22)}_000022": ("train",)}
    assert sorted(audit.equal, key=len) == [within, across] and audit.leaking == (across,)
    content = json.loads(dataset_audit.as_json(audit))
    assert (
        content["equal_across_splits"] == 1 and {zero: ["test"], twelve: ["train"], copy: ["test"]} in content["equal"]
    )
    text = dataset_audit.as_markdown(audit)
    assert "Equal clips across splits, kept (1)" in text and f"{ytid(21)}_000021 (train), " in text
    assert "2 groups of clips, 1 of them across splits, which leaks" in text
    assert not {zero, copy, twelve} & {*audit.problems, *audit.still}  # kept, and no still pictures either


def rewritten(source, target):
    """The same packets in a file with other bytes."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"movflags": "faststart"}) as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def test_segments_that_are_shorter_by_annotation_are_counted_and_no_defects(tmp_path, clips):
    """Number 5 lasts half a second; as one of two seconds it is `short`."""
    tree = TREES["audioset"](tmp_path / "a", clips)
    before = prepared(tree, tmp_path / "cache of the others")[2]
    assert before.about["shorter_by_annotation"] == {"listed": 0, "usable": 0} and before.together.lost["short"] == 1
    path = tree.root / "balanced_train_segments.csv"
    path.write_text(path.read_text().replace("5.500,15.500", "5.500,6.100"))
    old, new = (f"{ytid(5)}_5500_{end}" for end in (15500, 6100))
    (video,) = tree.root.rglob(f"{ytid(5)}*.mp4")
    assert tree.kinds[old] == "short" and video.exists()
    audit = prepared(tree, tmp_path / "cache")[2]
    assert audit.about["shorter_by_annotation"] == {"listed": 1, "usable": 1}
    assert audit.together.lost["short"] == 0 and new not in audit.problems
    assert audit.together.usable == before.together.usable + 1
    assert ("Shorter segment by annotation", "1, 1 of them usable; no defect") in dataset_audit.facts(audit)

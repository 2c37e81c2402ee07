"""Five data sets in miniature: every planted defect is found and named for what it is, and nothing stands in for it."""

import json

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

"""MSR-VTT's annotations and splits in every form, and what is refused."""

import json

import pytest

from avbench.benchmarks import msrvtt
from avbench.errors import DataError


def captions(*numbers):
    return [{"image_id": f"video{n}", "caption": "a", "id": k} for k, n in enumerate(numbers)]


def test_the_carried_splits_are_known():
    content = msrvtt.published()
    assert len(content["categories"]) == 20 and set(content["splits"]) == {"miech", "official", "jsfusion"}
    assert sum(content["splits"]["official"].values()) == content["clips"] == 10000
    assert sum(content["splits"]["jsfusion"].values()) == 10000


def test_the_common_zip_with_stellas_split(tmp_path):
    (tmp_path / "annotation").mkdir()
    images = [{"id": f"video{n}"} for n in (0, 2, 10)]
    text = json.dumps({"images": images, "annotations": captions(0, 0, 10)})
    (tmp_path / "annotation/MSR_VTT.json").write_text(text)
    lists = tmp_path / "high-quality/structured-symlinks"
    lists.mkdir(parents=True)
    (lists / "train_list_miech.txt").write_text("video10\nvideo0")
    (lists / "test_list_miech.txt").write_text("video3\n")
    found = msrvtt.read_list(tmp_path)
    assert [video.video_id for video in found.videos] == ["video0", "video2", "video3", "video10"]
    assert [video.split for video in found.videos] == ["train", None, "test", "train"]
    assert [video.captions for video in found.videos] == [2, 0, 0, 1]
    assert [video.annotated for video in found.of("train")] == [True, True]
    with pytest.raises(DataError, match=r"jsfusion.*MSRVTT_JSFUSION_test\.csv.*--splits miech"):
        msrvtt.read_list(tmp_path, "jsfusion")


def test_the_release_holds_the_official_split_and_categories(tmp_path):
    def release(name, *videos):
        rows = [{"id": n, "video_id": f"video{n}", "category": n, "split": split} for n, split in videos]
        sentences = [{"sen_id": 0, "video_id": f"video{n}", "caption": "a"} for n, _ in videos]
        (tmp_path / name).write_text(json.dumps({"info": {}, "videos": rows, "sentences": sentences}))

    release("train_val_videodatainfo.json", (0, "train"), (1, "validate"))
    release("test_videodatainfo.json", (19, "test"))
    found = msrvtt.read_list(tmp_path, "official")
    assert [(v.split, v.category, v.captions) for v in found.videos] == [
        ("train", "music", 1),
        ("val", "people", 1),
        ("test", "advertisement", 1),
    ]


def test_jsfusion_as_csv_and_captions_counted_once(tmp_path):
    (tmp_path / "MSRVTT_train.9k.csv").write_text("video_id\nvideo0\n")
    text = "key,vid_key,video_id,sentence\nret0,msr9770,video9770,a person is connecting something to system\n"
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text(text)
    for name in ("MSR_VTT.json", "MSRVTT_data.json"):
        (tmp_path / name).write_text(json.dumps({"annotations": captions(0, 0)}))
    found = msrvtt.read_list(tmp_path, "jsfusion")
    assert [(v.video_id, v.split, v.captions) for v in found.videos] == [
        ("video0", "train", 2),
        ("video9770", "test", 0),
    ]


def test_a_clip_in_two_splits_is_refused(tmp_path):
    (tmp_path / "train_list_miech.txt").write_text("video1\n")
    (tmp_path / "test_list_miech.txt").write_text("video1\n")
    with pytest.raises(DataError, match=r"video1.*too"):
        msrvtt.read_list(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"videos": [{"video_id": "x"}]}', '{"annotations": [{}]}'])
def test_annotations_of_another_form_are_refused(tmp_path, text):
    (tmp_path / "train_list_miech.txt").write_text("video1\n")
    (tmp_path / "test_list_miech.txt").write_text("video2\n")
    (tmp_path / "MSR_VTT.json").write_text(text)
    with pytest.raises(DataError, match=r"MSR_VTT\.json"):
        msrvtt.read_list(tmp_path)


def test_a_line_that_names_no_clip_is_named(tmp_path):
    (tmp_path / "train_list_miech.txt").write_text("video1\nclip7\n")
    (tmp_path / "test_list_miech.txt").write_text("video2\n")
    with pytest.raises(DataError, match=r"train_list_miech\.txt, line 2.*clip7"):
        msrvtt.read_list(tmp_path)

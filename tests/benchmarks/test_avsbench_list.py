"""AVSBench-S4's list: columns by name, one mask for training, and what is refused."""

import pytest

from avbench.benchmarks import avsbench
from avbench.errors import DataError

HEAD = "name,start,category,split\n"


def write(folder, text, name="s4_meta_data.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_the_carried_table_adds_up():
    table = avsbench.classes()
    totals = [sum(counts[split] for counts in table.values()) for split in avsbench.SPLITS]
    assert len(table) == 23 and totals == [3452, 740, 740]


def test_columns_are_known_by_name_and_training_clips_have_one_mask(tmp_path):
    text = "split,category,extra,start,name\ntrain,helicopter,x,0,-_wznbUu3DY\ntest,cat_meowing,x,6,__cat_cat__\n"
    found = avsbench.read_list(write(tmp_path / "Single-source", text, "s4_semi_meta_data.csv").parent)
    helicopter, cat = found.scenes
    assert (helicopter.clip_id, helicopter.start, helicopter.split) == ("-_wznbUu3DY", 0, "train")
    assert [path.name for path in found.masks(helicopter)] == ["-_wznbUu3DY_1.png"]
    assert [path.name for path in found.masks(cat)] == [f"__cat_cat___{number}.png" for number in range(1, 6)]
    assert found.of("test") == (cat,) and found.of("val") == ()


def test_paths_follow_the_official_tree(tmp_path):
    write(tmp_path, HEAD + "-_wznbUu3DY,0,helicopter,val\n" * 2)
    (tmp_path / "s4_data").mkdir()
    found = avsbench.read_list(tmp_path)
    (scene,) = found.scenes
    assert found.repeated == 1
    place = "val/helicopter/-_wznbUu3DY"
    assert found.video(scene) == tmp_path / f"s4_data/raw_videos/{place}.mp4"
    assert found.sound(scene) == tmp_path / f"s4_data/audio_wav/{place}.wav"
    assert found.frames(scene)[4] == tmp_path / f"s4_data/visual_frames/{place}/-_wznbUu3DY_5.png"
    assert found.masks(scene)[0] == tmp_path / f"s4_data/gt_masks/{place}/-_wznbUu3DY_1.png"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b\n", "no column name"),
        (HEAD, "lists no clip"),
        (HEAD + "wznbUu3DY,0,helicopter,train\n", "11 characters"),
        (HEAD + "-_wznbUu3DY,x,helicopter,train\n", "whole seconds"),
        (HEAD + "-_wznbUu3DY,0,helicoptr,train\n", "nearest is 'helicopter'"),
        (HEAD + "-_wznbUu3DY,0,helicopter,dev\n", "none of train, val, test"),
        (HEAD + "-_wznbUu3DY,0,helicopter\n", "3 columns"),
    ],
)
def test_a_list_of_another_form_is_refused(tmp_path, text, what):
    with pytest.raises(DataError, match=what):
        avsbench.read_list(write(tmp_path, text))


def test_without_a_list_the_places_are_named(tmp_path):
    with pytest.raises(DataError, match=r"Single-source/s4_meta_data\.csv"):
        avsbench.read_list(tmp_path)

"""AVE's annotations: with and without a header, both forms of splits, rows that share a video, and what is refused."""

import sys
from pathlib import Path

import pytest

from avbench.benchmarks import ave
from avbench.errors import DataError

ROWS = [
    "Church bell&RUhOCu3LNXM&good&0&10",
    "Male speech, man speaking&-_speech-01&good&6&8",
    "Bark&-_speech-01&good&2&10",  # another event of the same video
    "Cat&VWi2ENBuTbw&good&0&0",
]
HEADER = "Category&VideoID&Quality&StartTime&EndTime\n"
SPLITS = {"train": [0, 3], "val": [1], "test": [2]}


def tree(folder: Path, header: str = "", final: str = "\n", txt: bool = True, order: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Annotations.txt").write_text(header + "\n".join(ROWS) + final)
    for split, numbers in SPLITS.items():
        if order:
            (folder / f"{split}_order.h5").write_text(",".join(map(str, numbers)))
        if txt:
            (folder / f"{split}Set.txt").write_text("".join(ROWS[number] + "\n" for number in numbers))
    return folder


def read_order(path: Path) -> list[int]:
    return [int(number) for number in path.read_text().split(",")]


def test_the_carried_table_adds_up():
    table = ave.classes()
    assert len(table) == 28 and next(iter(table)) == "Church bell"
    totals = [sum(counts[split] for counts in table.values()) for split in ave.SPLITS]
    assert totals == [3339, 402, 402] and sum(totals) == 4143


@pytest.mark.parametrize(("header", "final"), [("", "\n"), ("", ""), (HEADER, "\n"), ("\ufeff" + HEADER, "\n")])
def test_row_numbers_start_at_the_first_event_whatever_stands_above_it(tmp_path, header, final):
    found = ave.read_annotations(tree(tmp_path, header, final), read_order=read_order)
    assert [event.number for event in found.events] == [0, 1, 2, 3]
    assert [event.split for event in found.events] == ["train", "val", "test", "train"]
    assert found.split_form == "order"
    assert found.of("val")[0].label == "Male speech, man speaking"
    assert found.videos_across_splits == ("-_speech-01",)


def test_each_second_has_a_label(tmp_path):
    bell, speech, bark, cat = ave.read_annotations(tree(tmp_path), read_order=read_order).events
    assert bell.segment_labels == (0,) * 10
    assert speech.segment_labels == (28,) * 6 + (1, 1) + (28,) * 2
    assert bark.segments == (None, None, *["Bark"] * 8)
    assert cat.segment_labels == (28,) * 10  # start = end: all background


def test_txt_splits_are_taken_where_there_are_no_others_and_are_told_apart(tmp_path):
    found = ave.read_annotations(tree(tmp_path / "zip", HEADER, order=False))
    assert found.split_form == "txt"
    assert [event.split for event in found.events] == ["train", "val", "test", "train"]
    both = ave.read_annotations(tree(tmp_path / "both"), "txt")
    assert both.split_form == "txt"


def test_without_h5py_one_message_says_both_ways_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"h5py.*avbench\[ave\].*--splits txt"):
        ave.read_annotations(tree(tmp_path))


def test_order_files_as_h5py_writes_them(tmp_path):
    h5py = pytest.importorskip("h5py")
    tree(tmp_path)
    for split, numbers in SPLITS.items():
        with h5py.File(tmp_path / f"{split}_order.h5", "w") as file:
            file["order"] = numbers
    assert [event.split for event in ave.read_annotations(tmp_path).events] == ["train", "val", "test", "train"]
    (tmp_path / "val_order.h5").write_text("no h5 file")
    with pytest.raises(DataError, match=r"val_order\.h5.*order"):
        ave.read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Bark&-_speech-01&good&2", "4 fields"),
        ("Bark&short&good&2&3", "11 characters"),
        ("Bark&-_speech-01&good&5&3", "stretch"),
        ("Bark&-_speech-01&good&0&11", "stretch"),
        ("Brk&-_speech-01&good&0&3", "nearest is 'Bark'"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, line, what):
    (tmp_path / "Annotations.txt").write_text(f"{ROWS[0]}\n{line}\n")
    with pytest.raises(DataError, match=rf"Annotations\.txt, line 2.*{what}"):
        ave.read_events(tmp_path / "Annotations.txt")


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    tree(tmp_path)
    (tmp_path / "test_order.h5").write_text("2,4")
    with pytest.raises(DataError, match="row 4"):
        ave.read_annotations(tmp_path, read_order=read_order)
    (tmp_path / "test_order.h5").write_text("2,0")
    with pytest.raises(DataError, match="row 0"):
        ave.read_annotations(tmp_path, read_order=read_order)
    (tmp_path / "testSet.txt").write_text("Bark&-_speech-01&good&3&10\n")
    with pytest.raises(DataError, match=r"testSet\.txt, row 1"):
        ave.read_annotations(tmp_path, "txt")
    with pytest.raises(DataError, match=r"no Annotations\.txt"):
        ave.read_annotations(tmp_path / "elsewhere")

"""Reading VGGSound's lists in the forms they come in; every defect gets one message with file, line and remedy."""

from pathlib import Path

import pytest
from vggsound_tree import lines, write_list, write_pair, ytid

from avbench.benchmarks.vggsound import SPLITS, Lists, Row, find_lists, read_lists
from avbench.errors import DataError

LABELS = ("dog barking", "bee, wasp, etc. buzzing", "eletric blender running", "playing timpani", "playing tympani")
ROWS = [
    *lines("bee, wasp, etc. buzzing", "test", [7, 5]),
    *lines("dog barking", "train", [3, 1, 2]),
    *lines("dog barking", "test", [9]),
]


def read(path: Path) -> Lists:
    return read_lists(dict.fromkeys(SPLITS, path), LABELS)


def test_both_forms_give_the_same_rows_in_file_order(tmp_path: Path) -> None:
    write_pair(tmp_path, ROWS)
    four = read(write_list(tmp_path / "vggsound.csv", ROWS))
    two = read_lists(find_lists(tmp_path, None), LABELS)
    assert four.rows == two.rows
    assert [row.start for row in four.rows["train"]] == [3, 1, 2]
    assert four.rows["test"][0] == Row(ytid(7), 7, "bee, wasp, etc. buzzing")
    assert four.rows["test"][0].clip_id == f"{ytid(7)}_000007"


@pytest.mark.parametrize(
    ("written", "official"),
    [
        ("bee_ wasp_ etc. buzzing", "bee, wasp, etc. buzzing"),
        ("bee_wasp_etc. buzzing", "bee, wasp, etc. buzzing"),
        ("  Dog  barking", "dog barking"),
        ("eletric blender running", "eletric blender running"),
        ("playing tympani", "playing tympani"),
        ("playing timpani", "playing timpani"),
    ],
)
def test_spellings_of_a_class(tmp_path: Path, written: str, official: str) -> None:
    rows = lines(written, "train", [1]) + lines(written, "test", [2])
    assert read(write_list(tmp_path / "list.csv", rows)).rows["train"][0].label == official


def test_headers_empty_lines_and_byte_order_marks_are_passed_over(tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", ROWS)
    header = "\ufeffytid,start,label,split\n\n"
    path.write_text(header + path.read_text(encoding="utf-8").replace("\n", "\r\n\r\n"), encoding="utf-8")
    assert [row.start for row in read(path).rows["train"]] == [3, 1, 2]


def test_a_repeated_clip_counts_once_where_it_stood_first(tmp_path: Path) -> None:
    rows = ROWS + lines("bee, wasp, etc. buzzing", "train", [3])
    lists = read(write_list(tmp_path / "list.csv", rows))
    assert lists.repeated == 1 and [row.label for row in lists.rows["train"]] == ["dog barking"] * 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("abcdefghijk,1,dog barking", "expected ytid,start_seconds,label,split, found 3 columns"),
        ("abcdefghijk,1,dog barking,valid", "expected train or test in the fourth column, found 'valid'"),
        ("abcdefghijk,soon,dog barking,test", "expected whole seconds in the second column, found 'soon'"),
        (f"abcdefghijk,{'9' * 5000},dog barking,test", "expected whole seconds in the second column, found '999"),
        ("abcdefghijk,\u0661,dog barking,test", "expected whole seconds in the second column"),
        ("abcdefghij,1,dog barking,test", "expected a YouTube id of 11 characters in the first column"),
        ("abcdefghijk,1,dog barkin,test", "'dog barkin' is none of VGGSound's 5 classes; the nearest is 'dog barking'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    path = write_list(tmp_path / "list.csv", ROWS)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"{path}, line {len(ROWS) + 1}: " in str(caught.value) and expected in str(caught.value)


def test_a_file_with_a_column_too_few_throughout(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("abcdefghijk,1,dog barking\n" * 3, encoding="utf-8")
    with pytest.raises(DataError, match=r"list.csv, line 1: expected ytid.* or .*\.mp4,label, found 3 columns"):
        read(tmp_path / "list.csv")


@pytest.mark.parametrize(
    "name", ["abcdefghijk.mp4", "abcdefghijk_1.mp4", "abc_000001.mp4", f"abcdefghijk_{'9' * 5000}.mp4"], ids=len
)
def test_a_two_column_list_needs_official_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "test.csv").write_text(f"{name},dog barking\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test.csv, line 1: expected a name such as"):
        read(tmp_path / "test.csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x01", b'"' + b"x" * 200_000])
def test_an_empty_or_binary_list_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"list\.csv"):
        read(tmp_path / "list.csv")


def test_a_list_of_one_split_is_refused(tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", lines("dog barking", "train", [1]))
    with pytest.raises(DataError, match="lists no test clip"):
        read(path)


def test_the_pair_comes_before_the_single_file(tmp_path: Path) -> None:
    write_list(tmp_path / "data" / "vggsound.csv", ROWS)
    assert set(find_lists(tmp_path, None).values()) == {tmp_path / "data" / "vggsound.csv"}
    (tmp_path / "test.csv").touch()
    expected = {"train": tmp_path / "data" / "vggsound.csv", "test": tmp_path / "test.csv"}
    assert find_lists(tmp_path, None) == expected


def test_without_a_list_every_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_lists(tmp_path, None)
    for words in ("train.csv, test.csv and vggsound.csv", str(tmp_path / "data"), "https://", "data.csv=FILE"):
        assert words in str(caught.value)


def test_a_named_list_is_taken_as_it_is(tmp_path: Path) -> None:
    write_pair(tmp_path, ROWS)
    path = write_list(tmp_path / "mine.csv", ROWS)
    assert set(find_lists(tmp_path, path).values()) == {path}
    assert find_lists(tmp_path, tmp_path / "test.csv") == {s: tmp_path / f"{s}.csv" for s in SPLITS}


def test_a_named_two_column_list_must_say_its_split(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("abcdefghijk_000001.mp4,dog barking\n", encoding="utf-8")
    with pytest.raises(DataError, match="doesn't say which split"):
        find_lists(tmp_path, tmp_path / "mine.csv")
    with pytest.raises(DataError, match="is no file"):
        find_lists(tmp_path, tmp_path / "nothing.csv")

"""Reading AudioSet's lists in the forms they come in; every defect gets one message with file, line and remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
from audioset_tree import BALANCED, EVAL, TRAIN, line, one_of_each, write_retrieval, write_segments

from avbench.benchmarks.audioset import Segment, find_lists, pick, read_retrieval_list, read_segments
from avbench.data.index import ClipName
from avbench.errors import DataError

OFFICIAL = """\
# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
_-abc_efgh-, 21.5, 28.000, "/m/0jbk"
"""
SEGMENTS = [
    Segment("--PJHxphWEs", 30000, 40000, ("/m/09x0r", "/t/dd00088")),
    Segment("_-abc_efgh-", 21500, 28000, ("/m/0jbk",)),
]
BODY = OFFICIAL.split("\n", 3)[3]


@pytest.mark.parametrize(
    "text",
    [
        OFFICIAL,
        BODY,
        OFFICIAL.split("\n", 2)[2],
        "YTID,start_seconds,end_seconds,positive_labels\n" + BODY,
        OFFICIAL.replace(", ", ","),
        OFFICIAL.replace("30.000, 40.000", "30, 40"),
        OFFICIAL.replace('"/m/0jbk"', "/m/0jbk"),
        OFFICIAL.replace("\n", "\r\n\r\n"),
        "\ufeff" + OFFICIAL,
        OFFICIAL.replace("09x0r,", "09x0r, "),
    ],
    ids=["official", "none", "one", "no-hash", "no-blanks", "integers", "unquoted", "empty-lines", "mark", "blank"],
)
def test_all_forms_of_a_list_say_the_same(tmp_path: Path, text: str) -> None:
    path = tmp_path / EVAL
    path.write_bytes(text.encode())
    assert list(read_segments(path)) == SEGMENTS
    assert [segment.clip_id for segment in SEGMENTS] == ["--PJHxphWEs_30000_40000", "_-abc_efgh-_21500_28000"]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("--PJHxphWEt, 30.000, 40.000", "3 columns"),
        ("--PJHxphWEt, 30.000, 40.000, /m/09x0r,/t/dd00088", "5 columns"),
        ('PJHxphWEt, 30.000, 40.000, "/m/09x0r"', "'PJHxphWEt' is no YouTube id of 11 characters"),
        ('--PJHxphWEt, soon, 40.000, "/m/09x0r"', "'soon' is no time in seconds"),
        ('--PJHxphWEt, nan, 40.000, "/m/09x0r"', "'nan' is no time in seconds"),
        ('--PJHxphWEt, -1.000, 40.000, "/m/09x0r"', "'-1.000' is no time in seconds"),
        ('--PJHxphWEt, 40.000, 30.000, "/m/09x0r"', "starts at 40.000 s and ends at 30.000 s"),
        ('--PJHxphWEt, 30.000, 40.000, ""', "'' are no label ids"),
        ('--PJHxphWEt, 30.000, 40.000, "Speech"', "'Speech' are no label ids such as /m/09x0r"),
        ('--PJHxphWEt, 30.000, 40.000, "/m/09x0r;/m/0jbk"', "are no label ids"),
        ('--PJHxphWEt, 30.000, 40.000, "/m/09x0r" "', "expected after"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, wrong: str, expected: str) -> None:
    path = tmp_path / EVAL
    path.write_text(f"{OFFICIAL}{wrong}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_segments(path))
    message = str(caught.value)
    assert f"{path}, line 6: " in message and expected in message
    assert message.endswith('expected YTID, start_seconds, end_seconds, "label,label"')


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b'"' + b"x" * 200_000, b"PK\x03\x04\x00", b'\n\n"open'])
def test_what_is_no_text_of_this_form_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EVAL).write_bytes(content)
    with pytest.raises(DataError, match=r"eval_segments\.csv, line"):
        list(read_segments(tmp_path / EVAL))


def test_lists_are_found_under_the_root(tmp_path: Path) -> None:
    write_segments(tmp_path / "csv" / TRAIN, one_of_each(0))
    write_segments(tmp_path / EVAL, one_of_each(10))
    expected = {"train": tmp_path / "csv" / TRAIN, "evaluation": tmp_path / EVAL}
    assert find_lists(tmp_path, None, "unbalanced") == expected


def test_a_named_folder_is_the_only_one_looked_in(tmp_path: Path) -> None:
    for name in (TRAIN, EVAL):
        write_segments(tmp_path / name, [])
    write_segments(tmp_path / "mine" / EVAL, [])
    with pytest.raises(DataError, match=rf"no {TRAIN} in {tmp_path / 'mine'}\. "):
        find_lists(tmp_path, tmp_path / "mine", "unbalanced")
    with pytest.raises(DataError, match="is no folder"):
        find_lists(tmp_path, tmp_path / EVAL, "unbalanced")


def test_without_lists_every_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_lists(tmp_path, None, "unbalanced")
    for words in (f"no {TRAIN} and no {EVAL}", str(tmp_path / "csv"), "https://", "data.csv=FOLDER"):
        assert words in str(caught.value)
    assert "balanced_train_segments.csv is" not in str(caught.value)


def test_the_other_training_list_is_offered_and_never_taken_by_itself(tmp_path: Path) -> None:
    write_segments(tmp_path / BALANCED, one_of_each(0))
    write_segments(tmp_path / EVAL, one_of_each(10))
    with pytest.raises(DataError, match=f"where {BALANCED} is: --set data.train_list=balanced"):
        find_lists(tmp_path, None, "unbalanced")
    assert find_lists(tmp_path, None, "balanced")["train"] == tmp_path / BALANCED


def test_a_retrieval_list_names_its_clips_once_and_in_order(tmp_path: Path) -> None:
    lines = [line(3, "Bark"), line(1, "Owl"), line(3, "Bark"), line(2, "Frog")]
    path = write_retrieval(tmp_path / "list.json", lines)
    names = read_retrieval_list(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as editors on Windows save it
    assert read_retrieval_list(path) == names == tuple(ClipName(line(number).ytid, None) for number in (3, 1, 2))


def test_picking_follows_the_names_and_their_starts() -> None:
    first, second, third = (Segment("-" * 10 + letter, 30000, 40000, ("/m/0jbk",)) for letter in "abc")
    names = [ClipName(third.ytid, None), ClipName(second.ytid, 20000), ClipName(first.ytid, 30000)]
    assert pick([first, second, third], names) == [third, first]


def entry(**changes: Any) -> str:
    return json.dumps({"data": [{"video_id": "--PJHxphWEs", "labels": "/m/09x0r"} | changes]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "can't read the retrieval list"),
        ('{"data": [', "can't read the retrieval list"),
        ("[" * 100_000, "can't read the retrieval list"),
        ("[]", "lists no clips"),
        ('{"clips": []}', "lists no clips"),
        ('{"data": []}', "lists no clips"),
        ('{"data": {"a": 1}}', "lists no clips"),
        ('{"data": ["--PJHxphWEs"]}', "entry 1: '--PJHxphWEs' is no clip of AudioSet"),
        (entry(video_id=3), "entry 1"),
        (entry(video_id="a clip"), "entry 1"),
        (entry(labels=None), "entry 1"),
        (entry(labels="vgg_47"), "entry 1"),
    ],
)
def test_a_broken_retrieval_list_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_retrieval_list(path)
    assert str(path) in str(caught.value) and expected in str(caught.value) and '{"data": [{' in str(caught.value)


def test_a_retrieval_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.retrieval names .*, which is no file; CAV-MAE"):
        read_retrieval_list(tmp_path / "nothing.json")

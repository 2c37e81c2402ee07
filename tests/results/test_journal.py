import errno
import json
import math

import pytest

from avbench.errors import RunDirectoryError
from avbench.results import Journal


def fill(path, count):
    journal = Journal(path)
    for step in range(count):
        journal.append({"event": "step", "step": step})
    return journal


def test_events_come_back_in_order_and_stamped(tmp_path):
    journal = fill(tmp_path / "journal.jsonl", 5)
    events = journal.read()
    assert [event["step"] for event in events] == list(range(5))
    assert all(event["event"] == "step" and event["time"].endswith("Z") for event in events)


def test_each_line_is_one_json_object_whatever_the_text(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"event": "warning", "message": "two\nlines \u2028 and \x00 a tab\t", "time": "T"})
    lines = (tmp_path / "journal.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 2 and lines[1] == b""
    assert json.loads(lines[0])["message"] == "two\nlines \u2028 and \x00 a tab\t"
    assert journal.read()[0]["time"] == "T"


def test_numbers_that_json_lacks_become_null(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    written = journal.append({"event": "step", "loss": math.nan, "terms": {"a": [math.inf, 1.0]}})
    assert written["loss"] is None and written["terms"] == {"a": [None, 1.0]}
    assert journal.read() == [written]


def test_every_torn_last_line_is_dropped_and_appending_goes_on(tmp_path):
    whole = tmp_path / "whole.jsonl"
    fill(whole, 3)
    content = whole.read_bytes()
    last_line = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last_line, len(content)):
        path = tmp_path / "torn.jsonl"
        path.write_bytes(content[:cut])
        journal = Journal(path)
        assert [event["step"] for event in journal.read()] == [0, 1]
        journal.append({"event": "step", "step": "new"})
        assert [event["step"] for event in journal.read()] == [0, 1, "new"]
        journal.close()


def test_zeros_left_by_a_power_failure_are_a_torn_line(tmp_path):
    journal = fill(tmp_path / "journal.jsonl", 2)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b"\0" * 40)
    assert len(journal.read()) == 2


def test_damage_before_the_last_line_is_reported_with_its_place(tmp_path):
    path = tmp_path / "journal.jsonl"
    fill(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(RunDirectoryError, match="line 2"):
        Journal(path).read()


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"\0" * 40, b"[" * 100_000, b'{"step": 1}', b"9" * 5000, b'{"event": "\\udcff"}', b"\xff"]
)
def test_damaged_lines_are_left_out_and_do_not_hinder_appending(tmp_path, garbage):
    path = tmp_path / "journal.jsonl"
    fill(path, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + garbage + b"\n" + garbage + b"\n" + lines[2] + lines[3] + b'{"event": "torn')
    journal = Journal(path)
    events, damaged = journal.salvage()
    assert [event["step"] for event in events] == [0, 2, 3] and damaged == [2, 3]
    journal.append({"event": "step", "step": "new"})
    events, damaged = journal.salvage()
    assert [event["step"] for event in events] == [0, 2, 3, "new"] and damaged == [2, 3]


def test_appending_never_changes_what_was_there(tmp_path):
    path = tmp_path / "journal.jsonl"
    fill(path, 3)
    before = path.read_bytes()
    Journal(path).append({"event": "finished"}, sync=True)
    assert path.read_bytes().startswith(before)


def test_a_full_disk_leaves_no_half_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = fill(path, 2)
    before = path.read_bytes()

    class FullDisk:
        def __init__(self, file):
            self.file, self.calls = file, 0

        def write(self, data):
            self.calls += 1
            if self.calls == 1:
                return self.file.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

    journal._file = FullDisk(journal._file)
    with pytest.raises(RunDirectoryError, match="no space left"):
        journal.append({"event": "step", "step": 2})
    assert path.read_bytes() == before


def test_a_missing_journal_is_one_clear_error(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl"):
        Journal(tmp_path / "journal.jsonl").read()

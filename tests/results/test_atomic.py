import errno
import os
from pathlib import Path

import pytest

from avbench.errors import RunDirectoryError
from avbench.results import replacing, write_atomically


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "results.json"
    write_atomically(path, "old")
    return path


def test_text_and_bytes_are_replaced(file):
    write_atomically(file, "neu: ü")
    assert file.read_text(encoding="utf-8") == "neu: ü"
    write_atomically(file, b"\x00\xff")
    assert file.read_bytes() == b"\x00\xff"


@pytest.mark.parametrize("place", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_previous_file_and_nothing_else(file, monkeypatch, place):
    if place == "write":
        monkeypatch.setattr(Path, "write_bytes", full_disk)
    elif place == "fsync":
        monkeypatch.setattr(os, "fsync", full_disk)
    else:
        monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(RunDirectoryError, match="no space left"):
        write_atomically(file, "new")
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_half_written_temporary_file_is_removed_whatever_went_wrong(file):
    with pytest.raises(ZeroDivisionError), replacing(file) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_reader_sees_the_old_file_until_the_block_has_ended(file):
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert temporary.parent == file.parent
        assert file.read_text() == "old"
    assert file.read_text() == "new"


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("results.json", "avbench resume '{run}'"),
        ("similarity/after-01.npz", "avbench resume '{run}'"),
        ("report.html", "avbench report '{run}'"),
        ("../base.safetensors", "repeat the command"),
    ],
)
def test_advice_on_a_full_disk_fits_what_was_being_written(tmp_path, monkeypatch, place, advice):
    run = tmp_path / "my runs" / "one"
    (run / "similarity").mkdir(parents=True)
    write_atomically(run / "config.yaml", "seed: 1")
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(RunDirectoryError, match="no space left") as caught:
        write_atomically((run / place).resolve(), "new")
    assert advice.format(run=run) in str(caught.value)
    assert ("avbench" in str(caught.value)) == ("avbench" in advice)


def test_other_failures_name_the_file_and_the_reason(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"nowhere.*No such file"):
        write_atomically(tmp_path / "nowhere" / "x.json", "text")


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with pytest.raises(RunDirectoryError, match="is a device or a pipe"):
            write_atomically(path, "text")
    assert pipe.is_fifo() and {path.name for path in tmp_path.iterdir()} == {"link", "pipe"}


def test_a_link_stays_and_the_file_it_leads_to_is_replaced(file, tmp_path):
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(file)
    write_atomically(link, "new")
    assert link.is_symlink() and file.read_text() == "new"
    assert list(link.parent.iterdir()) == [link]


def test_names_that_no_file_can_have_are_named_in_the_error(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / ("x" * 255), tmp_path / "loop" / "x.json"):
        with pytest.raises(RunDirectoryError, match="can't write"):
            write_atomically(path, "text")

"""What was written is read again, or an error names the file; ids are never paths; nothing half stays behind."""

import errno
import json
import os
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
from stored_clips import JPEG, RAW, stored_clip

from avbench.data.cache import ClipCache
from avbench.data.clip import StoredClip
from avbench.data.preprocessing import Preprocessing
from avbench.errors import DataError


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_raw_round_trip_is_exact(tmp_path):
    cache, clip = ClipCache(tmp_path, RAW), stored_clip(0)
    assert not cache.contains("a")
    cache.write("a", clip)
    assert cache.contains("a")
    found = cache.read("a")
    assert np.array_equal(found.frames, clip.frames)
    assert np.array_equal(found.log_mel, clip.log_mel)
    assert (found.frames.dtype, found.log_mel.dtype) == (np.uint8, np.float16)


def test_jpeg_round_trip_is_close_and_the_spectrogram_exact(tmp_path):
    cache, clip = ClipCache(tmp_path, JPEG), stored_clip(0)
    cache.write("a", clip)
    found = cache.read("a")
    assert np.abs(found.frames.astype(int) - clip.frames).mean() < 10
    assert np.array_equal(found.log_mel, clip.log_mel)


@pytest.mark.parametrize("preprocessing", [RAW, JPEG], ids=["raw", "jpeg"])
def test_single_frames_are_those_of_the_whole(tmp_path, preprocessing):
    cache = ClipCache(tmp_path, preprocessing)
    cache.write("a", stored_clip(1))
    whole = cache.read("a")
    for numbers in ([7, 0, 3, 3], [2], range(8)):
        part = cache.read("a", numbers)
        assert np.array_equal(part.frames, whole.frames[list(numbers)])
        assert np.array_equal(part.log_mel, whole.log_mel)


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"'a' is not in the cache .*prepare"):
        ClipCache(tmp_path, RAW).read("a")
    assert files_below(tmp_path) == []


def test_wrong_shapes_are_refused(tmp_path):
    clip = stored_clip(0)
    for wrong in (StoredClip(clip.frames[:7], clip.log_mel), StoredClip(clip.frames, clip.log_mel.astype(np.float32))):
        with pytest.raises(DataError, match=r"'a' can't be cached"):
            ClipCache(tmp_path, RAW).write("a", wrong)
    assert files_below(tmp_path) == []


HOSTILE = [
    "../x",
    "../../../etc/passwd",
    "/absolute",
    "-abc",
    "--4gqARaEJE",
    ".",
    "..",
    "",
    " ",
    "a/b\\c",
    "nul\0byte",
    "line\nbreak",
    "CON",
    "Ünïcödé-音声",
    "\udc80broken",
    "x" * 5000,
    "x" * 5001,
    "case",
    "CASE",
]


def test_hostile_ids_stay_inside_and_apart(tmp_path):
    cache = ClipCache(tmp_path / "root", RAW)
    for seed, clip_id in enumerate(HOSTILE):
        cache.write(clip_id, stored_clip(seed))
        cache.quarantine("other " + clip_id, "short", "message")
    assert files_below(tmp_path) == files_below(cache.folder)
    safe = set(string.ascii_letters + string.digits + "_-.~%")
    names = [path.name for path in files_below(cache.folder / "clips")]
    assert len({name.lower() for name in names}) == len(HOSTILE)
    assert all(set(name) <= safe and len(name) < 200 and name[0] not in "-." for name in names)
    for seed, clip_id in enumerate(HOSTILE):
        assert np.array_equal(cache.read(clip_id).frames, stored_clip(seed).frames)
    assert set(cache.quarantined()) == {"other " + clip_id for clip_id in HOSTILE}


def test_a_description_for_people(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    cache.write("a", stored_clip(0))
    described = json.loads((cache.folder / "cache.json").read_text())
    assert Preprocessing.model_validate(described["preprocessing"]) == RAW
    assert described["format"] == 1


def test_other_preprocessing_is_another_cache(tmp_path):
    one, other = ClipCache(tmp_path, RAW), ClipCache(tmp_path, RAW.model_copy(update={"audio_mean": -4.0}))
    one.write("a", stored_clip(0))
    assert one.contains("a")
    assert not other.contains("a")


def test_the_fingerprint_covers_every_setting():
    base = Preprocessing()
    changes = {
        "clip_seconds": 5.0,
        "stored_frames": 40,
        "stored_size": 128,
        "sample_rate": 8000,
        "frame_shift_ms": 5.0,
        "frame_length_ms": 20.0,
        "audio_frames": 512,
        "mel_bins": 64,
        "audio_mean": 0.0,
        "audio_std": 1.0,
        "image_format": "raw",
        "jpeg_quality": 75,
    }
    assert set(changes) == set(Preprocessing.model_fields)
    prints = {base.model_copy(update={name: value}).fingerprint() for name, value in changes.items()}
    assert len(prints | {base.fingerprint()}) == len(changes) + 1
    assert RAW.fingerprint() == RAW.model_copy(update={"jpeg_quality": 50}).fingerprint()
    assert base.fingerprint() == "ffb7bbbfa966dda6"  # stored caches must stay valid: raise FORMAT_VERSION knowingly


@pytest.mark.parametrize("preprocessing", [RAW, JPEG], ids=["raw", "jpeg"])
def test_damage_is_detected_never_returned(tmp_path, preprocessing):
    cache = ClipCache(tmp_path, preprocessing)
    cache.write("a", stored_clip(2))
    (path,) = files_below(cache.folder / "clips")
    sound, expected = path.read_bytes(), cache.read("a")
    generator = np.random.default_rng(0)
    header = 8 + int.from_bytes(sound[:8], "little")
    places = [*range(0, header, 7), *generator.integers(header, len(sound), 120).tolist()]
    harmless = 0
    for place in places:
        damaged = bytearray(sound)
        damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            found = cache.read("a")
        except DataError as error:
            assert f"{path} is damaged" in str(error)
            assert not path.exists()
        else:  # a byte that changes nothing, such as the signedness of compressed bytes in the header
            assert np.array_equal(found.frames, expected.frames)
            assert np.array_equal(found.log_mel, expected.log_mel)
            harmless += 1
        cache.write("a", stored_clip(2))
    assert harmless <= 2


def test_a_file_cut_off_is_not_contained_and_names_itself(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    cache.write("a", stored_clip(0))
    (path,) = files_below(cache.folder / "clips")
    sound = path.read_bytes()
    for length in (0, 4, 8, 50, len(sound) // 2, len(sound) - 1):
        path.write_bytes(sound[:length])
        assert not cache.contains("a")
        with pytest.raises(DataError, match=path.name):
            cache.read("a")
        assert not path.exists()  # so that preparing again rebuilds it


def test_a_file_under_another_clips_name_is_not_taken_for_it(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    cache.write("a", stored_clip(0))
    (path,) = files_below(cache.folder / "clips")
    cache.write("b", stored_clip(1))
    other = next(p for p in files_below(cache.folder / "clips") if p != path)
    shutil.copy(path, other)
    with pytest.raises(DataError, match="holds clip"):
        cache.read("b")


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    cache = ClipCache(tmp_path, RAW)
    cache.write("a", stored_clip(0))
    before = files_below(tmp_path)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"No space left on device; make room"):
        cache.write("b", stored_clip(1))
    with pytest.raises(DataError, match="No space left"):
        cache.quarantine("c", "short", "message")
    assert files_below(tmp_path) == before
    assert not cache.contains("b")


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_place_that_can_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=str(tmp_path)):
        ClipCache(tmp_path, RAW).write("a", stored_clip(0))


def test_a_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        ClipCache(tmp_path / "file", RAW).write("a", stored_clip(0))


def test_a_place_that_is_no_folder_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/.*Not a directory; mend that, or name another folder .* AVBENCH_CACHE"):
        ClipCache(tmp_path / "file", RAW).contains("a")


def test_quarantine_keeps_reasons_until_the_clip_is_written(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    assert cache.quarantined() == {}
    cache.quarantine("b", "short", "too short")
    cache.quarantine("a", "silent", "says “nothing”")
    cache.quarantine("a", "no-audio", "has none")
    assert list(cache.quarantined().items()) == [("a", ("no-audio", "has none")), ("b", ("short", "too short"))]
    cache.write("a", stored_clip(0))
    assert list(cache.quarantined()) == ["b"]


def test_sweeping_spares_what_is_being_written(tmp_path):
    cache = ClipCache(tmp_path, RAW)
    cache.write("a", stored_clip(0))
    old, fresh = cache.folder / "unfinished" / "old", cache.folder / "unfinished" / "fresh"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert cache.sweep() == 1
    assert (old.exists(), fresh.exists()) == (False, True)

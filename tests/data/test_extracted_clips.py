"""Extracted pictures and sound: each layout's times, and what is missing is named and never filled in."""

from pathlib import Path

import av
import numpy as np
import pytest
from media_files import number_of, numbered_frame, tone, write_media
from PIL import Image

from avbench.data import clip_file
from avbench.data.extracted import read_files
from avbench.data.index import ClipName, index_media, parse_numbered
from avbench.data.preprocessing import Preprocessing
from avbench.errors import MediaError

NAME = "-_abcdefgh_"
SETTINGS = Preprocessing(clip_seconds=2.0, stored_frames=16, stored_size=32, audio_frames=200, mel_bins=16)


def picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(numbered_frame(number, 64, 48)).save(path, quality=95)


def sound(path: Path, seconds: float = 2.0, level: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame"}[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=16000, layout="mono")
        stream.codec_context.format = "fltp" if codec == "libmp3lame" else "s16"
        wave = level * tone(seconds, 16000)
        if stream.codec_context.format.name == "s16":
            wave = np.round(wave * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave, format=stream.codec_context.format.name, layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(stream.codec_context.frame_size or 1152, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def shown(root: Path, name: ClipName = ClipName(NAME, None), **options) -> list[int]:
    files = index_media(root, **options).find(name.ytid, None if name.start_ms is None else name.start_ms / 1000)
    assert files is not None
    return [number_of(frame) for frame in read_files(files, SETTINGS).frames]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_folder_per_clip_at_eight_a_second(tmp_path, suffix):
    name = f"{NAME}_30000_40000"
    for number in range(16):
        picture(tmp_path / f"data/frames/{name}/frame_{number}.jpg", number)
    sound(tmp_path / f"data/audio/{name}{suffix}")
    assert shown(tmp_path, ClipName(NAME, 30000)) == list(range(16))


def test_a_folder_per_clip_at_four_a_second_of_a_numbered_set(tmp_path):
    for number in range(8):
        picture(tmp_path / f"frames/video12/frame_{number}.jpg", number)
    sound(tmp_path / "audio/video12.wav")
    seen = shown(tmp_path, ClipName("video12", None), parse=parse_numbered, rate=4.0)
    assert seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]  # of two equally near ones the earlier


def test_cav_mae_has_a_folder_per_tenth(tmp_path):
    for number in range(10):
        picture(tmp_path / f"frames/frame_{number}/{NAME}_000030.jpg", number)
    sound(tmp_path / f"audio/{NAME}_000030.wav")
    seen = shown(tmp_path, ClipName(NAME, 30000))
    assert seen == [int(np.argmin([abs(k * 0.2 - i / 8) for k in range(10)])) for i in range(16)]


def test_the_tenths_are_those_of_a_shorter_clip(tmp_path):
    """A segment of one second by its annotation, stored as two: its pictures are 0.1 s apart, the last one stays."""
    for number in range(10):
        picture(tmp_path / f"frames/frame_{number}/{NAME}_000030.jpg", number)
    sound(tmp_path / f"audio/{NAME}_000030.wav", 1.0)
    files = index_media(tmp_path).find(NAME, 30)
    seen = [number_of(frame) for frame in read_files(files, SETTINGS, 1.0).frames]
    assert seen == [int(np.argmin([abs(k * 0.1 - i / 8) for k in range(10)])) for i in range(8)] + [9] * 8
    with pytest.raises(MediaError, match=r"0\.50 s of audio where 1\.6 s"):
        sound(tmp_path / f"audio/{NAME}_000030.wav", 0.5)
        read_files(files, SETTINGS, 1.6)


def test_lavish_spreads_its_pictures_over_the_clip(tmp_path):
    for number in range(1, 5):
        picture(tmp_path / f"video_frames/{NAME}/{number:04d}.jpg", number)
    sound(tmp_path / f"raw_audio/{NAME}.wav")
    seen = shown(tmp_path)
    assert seen == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]  # taken at 0, 0.5, 1 and 1.5 s


def test_avsbench_takes_the_last_of_sixteen_of_each_second_and_masks_are_no_pictures(tmp_path):
    for number in (1, 2):
        picture(tmp_path / f"visual_frames/test/bell/{NAME}/{NAME}_{number}.png", number)
        picture(tmp_path / f"gt_masks/test/bell/{NAME}/{NAME}_{number}.png", 9)
    sound(tmp_path / f"audio_wav/test/bell/{NAME}.wav")
    seen = shown(tmp_path)
    assert seen == [1 if abs(i / 8 - 15 / 16) <= abs(i / 8 - 31 / 16) else 2 for i in range(16)]


def test_a_media_file_comes_first(tmp_path):
    for number in range(16):
        picture(tmp_path / f"frames/{NAME}/frame_{number}.jpg", number)
    path = write_media(tmp_path / f"{NAME}.mp4", [0.0], tone(1.0, 44100))
    index = index_media(tmp_path)
    assert index.find(NAME) == path and len(index) == 1


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        ("no sound", "no-audio"),
        ("silent", "silent"),
        ("short sound", "short"),
        ("gap", "incomplete"),
        ("few", "short"),
        ("damaged", "undecodable"),
        ("column", "incomplete"),
    ],
)
def test_what_is_missing_is_named(tmp_path, defect, reason):
    if defect == "column":
        for number in range(9):
            picture(tmp_path / f"frames/frame_{number}/{NAME}.jpg", number)
    else:
        for number in range(6 if defect == "few" else 16):
            if not (defect == "gap" and number == 7):
                picture(tmp_path / f"frames/{NAME}/frame_{number}.jpg", number)
    if defect == "damaged":
        (tmp_path / f"frames/{NAME}/frame_3.jpg").write_bytes(b"\xff\xd8 no picture")
    if defect != "no sound":
        sound(tmp_path / f"audio/{NAME}.wav", 0.5 if defect == "short sound" else 2.0, 0.0 if defect == "silent" else 1)
    files = index_media(tmp_path).find(NAME)
    with pytest.raises(MediaError) as refused:
        read_files(files, SETTINGS)
    assert refused.value.reason == reason and refused.value.source is not None
    assert NAME in str(refused.value)


def test_sound_alone_is_no_clip(tmp_path):
    sound(tmp_path / f"{NAME}.wav")
    index = index_media(tmp_path)
    assert len(index) == 0 and index.sound_only == (ClipName(NAME, None),)


def test_a_lost_leading_dash_is_found_again_but_never_preferred(tmp_path):
    (tmp_path / "AvTGh7DiLI_000052.mp4").touch()
    index = index_media(tmp_path)
    assert index.find("-AvTGh7DiLI", 52) == tmp_path / "AvTGh7DiLI_000052.mp4"
    assert index.find("-AvTGh7DiLI", 53) is None and len(index) == 0
    (tmp_path / "-AvTGh7DiLI_52000_62000.mp4").touch()
    assert index_media(tmp_path).find("-AvTGh7DiLI", 52) == tmp_path / "-AvTGh7DiLI_52000_62000.mp4"


def test_pictures_that_stand_for_several_stored_times_have_not_stood_still(tmp_path):
    shares = {}
    for name, numbers in (("moving", [0, 3]), ("still", [3, 3])):
        for place, number in enumerate(numbers):
            picture(tmp_path / name / f"frames/{NAME}/frame_{place}.jpg", number)
        sound(tmp_path / name / f"audio/{NAME}.wav")
        files = index_media(tmp_path / name, rate=1).find(NAME, None)
        stored = read_files(files, SETTINGS)
        (tmp_path / f"{name}.safetensors").write_bytes(clip_file.encode(NAME, stored, SETTINGS))
        shares[name] = clip_file.noted(tmp_path / f"{name}.safetensors").still_share
    assert shares == {"moving": 0, "still": 1}

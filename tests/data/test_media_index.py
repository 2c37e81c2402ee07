"""Names in the wild, their ambiguities, and the folder walk."""

import pytest

from avbench.data.index import ClipName, index_media, parse_name
from avbench.errors import DataError

NAMES = {
    "-0pJqpNjft4_000267": ("-0pJqpNjft4", 267000),
    "-1pRmoJIGQc_10000_20000": ("-1pRmoJIGQc", 10000),
    "BYDZP4ENPEc_0_7000": ("BYDZP4ENPEc", 0),
    "VV_-L-GMh8g_230": ("VV_-L-GMh8g", 230000),
    "00W1lcxW-WU_40.000": ("00W1lcxW-WU", 40000),
    "uLaU_15HYdo_000002_000012": ("uLaU_15HYdo", 2000),
    "--4gqARaEJE": ("--4gqARaEJE", None),
    "---g-f_I2yQ_000001": ("---g-f_I2yQ", 1000),
    "--9O4XZOge4_30": ("--9O4XZOge4", 30000),
    "glLQrEijrKg_000300": ("glLQrEijrKg", 300000),
    "l6q7shFb8zs_000041": ("l6q7shFb8zs", 41000),
    "--0PQM4-hqg_30000_40000": ("--0PQM4-hqg", 30000),
    "6zlMP_kQ_-w_30000_40000": ("6zlMP_kQ_-w", 30000),
    "abcdefghijk_8104_8114": ("abcdefghijk", 8104000),
    "abcdefghijk_12.5": ("abcdefghijk", 12500),
    "abcdefghijk_0_1000": ("abcdefghijk", 0),
}


@pytest.mark.parametrize("stem", NAMES)
def test_real_names(stem):
    assert parse_name(stem) == NAMES[stem]


@pytest.mark.parametrize(
    "stem",
    [
        "AvTGh7DiLI_000052",  # lost its leading dash
        "AvTGh7DiLI_30000_40000",
        "abcdefghijk_10_900",  # neither seconds nor milliseconds
        "abcdefghijk_20_10",
        "abcdefghijk_0_20000",
        "abcdefghijk_",
        "abcdefghijk_1_2_3",
        "abcdefghij",
        "abcdefghijkl",
        "._-0pJqpNjft4_000267",
        "abcdefghijk_-5",
        "abcdefghijk_12\n",
        "",
    ],
)
def test_other_names_are_not_guessed_at(stem):
    assert parse_name(stem) is None


def touch(root, *names) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_tree_is_walked_once_and_deterministically(tmp_path):
    touch(
        tmp_path,
        "video/b/-0pJqpNjft4_000267.MP4",
        "video/a/-0pJqpNjft4_267000_277000.webm",
        "other/uLaU_15HYdo_000002_000012.mkv",
        "AvTGh7DiLI_000052.mp4",
        "notes.txt",
        "--4gqARaEJE.flac",
    )
    index = index_media(tmp_path)
    assert len(index) == 2
    chosen, other = tmp_path / "video/a/-0pJqpNjft4_267000_277000.webm", tmp_path / "video/b/-0pJqpNjft4_000267.MP4"
    assert index.find("-0pJqpNjft4", 267) == chosen
    assert index.duplicates == {ClipName("-0pJqpNjft4", 267000): (chosen, other)}
    assert index.unparsed == (tmp_path / "AvTGh7DiLI_000052.mp4",)
    assert index.find("uLaU_15HYdo", 2.0) == tmp_path / "other/uLaU_15HYdo_000002_000012.mkv"
    assert index.find("uLaU_15HYdo", 3.0) is None
    assert index.find("unknown____", 0) is None


def test_a_start_only_one_side_knows(tmp_path):
    touch(tmp_path, "aaaaaaaaaaa.mp4", "bbbbbbbbbbb_5.mp4", "ccccccccccc_5.mp4", "ccccccccccc_9.mp4", "ddddddddddd.mp4")
    touch(tmp_path, "ddddddddddd_5.mp4")
    index = index_media(tmp_path)
    assert index.find("aaaaaaaaaaa", 30) == tmp_path / "aaaaaaaaaaa.mp4"
    assert index.find("bbbbbbbbbbb") == tmp_path / "bbbbbbbbbbb_5.mp4"
    assert index.find("ccccccccccc") is None  # two clips of one video
    assert index.find("ddddddddddd") == tmp_path / "ddddddddddd.mp4"
    assert index.find("ddddddddddd", 30) is None  # the unnamed start may be another


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path / "data", "x/abcdefghijk_1.mp4")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "back").symlink_to(root)
    index = index_media(root)
    assert index.find("abcdefghijk", 1) == root / "linked/x/abcdefghijk_1.mp4"
    assert not index.duplicates


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        index_media(tmp_path / "nowhere")

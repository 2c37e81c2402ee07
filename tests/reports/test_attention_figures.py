"""Drawings of attention and localisation: maps lie where they belong, and the page says what is known and no more."""

import base64
import csv
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from fabricated_run import TITLES, fabricate, picture_of
from numpy.typing import NDArray
from PIL import Image
from test_run_report import Page, assert_self_contained

from avbench.config import RunConfig
from avbench.evaluation.attention_files import FOLDER, ExampleClips, SavedMaps, save_attention
from avbench.evaluation.maps import Kind, Maps
from avbench.reports import formats
from avbench.reports.attention_figures import MOMENTS, PAIRS, STORIES, AttentionView, attention_view
from avbench.reports.attention_pictures import FRAME_SIDE, frames_strip, spectrogram_strip
from avbench.reports.localisation_figures import DomainView, caveat, localisation_views
from avbench.results import Caution, RunDirectory
from avbench.results.localisation import Domain, Gain, Localisation, MapScore

HOSTILE = '<script>alert(1)</script>"onload=x'


def decoded(uri: str) -> NDArray[np.float64]:
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"), dtype=np.float64)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_map_covers_the_patch_it_belongs_to() -> None:
    video = np.full((3, 3, 32, 32), 90, dtype=np.uint8)
    heat = np.zeros((3, 4, 4))
    heat[1, 0, 3] = 1  # top right of the second frame
    picture = decoded(frames_strip(video, heat))
    assert picture.shape == (FRAME_SIDE, 3 * FRAME_SIDE, 3)
    warmth = picture[..., 0] - picture[..., 2]
    row, column = np.unravel_index(warmth.argmax(), warmth.shape)
    assert row < FRAME_SIDE / 4 and 1.75 * FRAME_SIDE < column < 2 * FRAME_SIDE
    assert np.abs(warmth[:, :FRAME_SIDE]).max() < 20 and np.abs(warmth[:, 2 * FRAME_SIDE + 8 :]).max() < 20


def test_low_frequencies_are_at_the_bottom() -> None:
    heat = np.zeros((8, 4))
    heat[0, 0] = 1  # at the beginning, lowest band
    audio = np.zeros((1, 64, 16), dtype=np.float16)
    audio[0, 32:, :8] = 1  # in the second half, lower bands
    plain, covered = decoded(spectrogram_strip(audio)), decoded(spectrogram_strip(audio, heat))
    height, width = plain.shape[:2]
    assert plain[height // 2 + 8 :, width // 2 + 8 :].min() > 200 > 60 > plain[: height // 2 - 8].max()
    row, column = np.unravel_index((covered[..., 0] - covered[..., 2]).argmax(), (height, width))
    assert row > 0.75 * height and column < width / 8


def test_what_sounds_is_outlined_and_when_it_acts_is_underlined() -> None:
    video, audio = np.zeros((2, 3, 32, 32), dtype=np.uint8), np.zeros((1, 64, 16), dtype=np.float16)
    sources = np.zeros((2, 32, 32), dtype=bool)
    sources[1, 8:24, 8:24] = True
    picture = decoded(frames_strip(video, np.zeros((2, 4, 4)), sources)).mean(axis=2)
    assert picture[:, :FRAME_SIDE].max() < 60
    second, quarter = picture[:, FRAME_SIDE:], FRAME_SIDE // 4
    assert second[quarter, quarter : 3 * quarter].min() > 150 and second[2 * quarter, 2 * quarter] < 60
    active = np.arange(64) < 16
    bar = decoded(spectrogram_strip(audio, np.zeros((8, 4)), active))[-2]
    assert bar[: FRAME_SIDE - 4, 2].min() > 180 and bar[FRAME_SIDE + 4 :].max() < 60


# --- a run ------------------------------------------------------------------------------------------------------------


def maps(count: int, seed: int) -> Maps:
    generator = np.random.default_rng(seed)
    audio, video = generator.random((count, 8, 4)), generator.random((count, 4, 4, 4))
    return Maps(audio.astype(np.float32), video.astype(np.float32))


def examples(tasks: list[int], partner: list[int], known: bool = True) -> ExampleClips:
    wires = [picture_of(f"clip-{row}") for row in range(len(tasks))]
    return ExampleClips(
        clip_ids=tuple(f"clip-{row}{HOSTILE}" for row in range(len(tasks))),
        labels=tuple(f"class {row}{HOSTILE}" for row in range(len(tasks))),
        task_of=np.array(tasks),
        partner=np.array(partner),
        audio=np.stack([wire["audio"].numpy() for wire in wires]),
        video=np.stack([wire["video"].numpy() for wire in wires]),
        sources=np.zeros((len(tasks), 4, 64, 64), dtype=bool) if known else None,
        active=np.zeros((len(tasks), 128), dtype=bool) if known else None,
    )


def fill(run: RunDirectory, clips: ExampleClips, moments: list[int], kinds: tuple[Kind, ...] = ("cosine",)) -> None:
    count = len(clips.clip_ids)
    for number in moments:
        own, past = ({kind: maps(count, 2 * number + side) for kind in kinds} for side in (0, 1))
        save_attention(run.path / FOLDER, number, clips, SavedMaps(own, past))


def view(run: RunDirectory, notes: list[Caution] | None = None) -> AttentionView | None:
    return attention_view(run, run.read_results(), [] if notes is None else notes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    made = fabricate(tmp_path_factory.mktemp("run") / "run", titles=[f"{title}{HOSTILE}" for title in TITLES])
    fill(made, examples([0, 1, 3, 4, 6, 7], [-1, 0, 1, 2, 3, 4]), list(range(9)), ("cosine", "matching"))
    return made


@pytest.fixture(scope="module")
def found(run: RunDirectory) -> AttentionView:
    made = view(run)
    assert made is not None
    return made


def test_a_clip_is_followed_along_the_stream(found: AttentionView) -> None:
    assert found.kind == "matching" and found.truth
    assert len(found.stories) == STORIES and MOMENTS == 9
    for row, story in enumerate(found.stories):
        assert [shot.title.split("<")[0] for shot in story.shots] == [
            "before training",
            *(f"after {t}" for t in TITLES),
        ]
        task = [0, 1, 3][row]
        assert [number for number, shot in enumerate(story.shots) if shot.learned] == [task + 1]
        reference = maps(6, 2 * (task + 1))
        for number, shot in enumerate(story.shots):
            if shot.learned:
                assert shot.agreement is None
                continue
            now = maps(6, 2 * number)
            expected = [
                np.corrcoef(one[row].flatten(), other[row].flatten())[0, 1]
                for one, other in ((now.video, reference.video), (now.audio, reference.audio))
            ]
            assert shot.agreement == pytest.approx(expected)
        assert len({shot.frames for shot in (*story.shots, story.plain)}) == 10


def test_a_clip_is_asked_by_one_of_the_past(found: AttentionView) -> None:
    assert len(found.pairs) == PAIRS
    *_, before_last, last = found.pairs
    assert (before_last.task.split("<")[0], before_last.partner_task.split("<")[0]) == (TITLES[6], TITLES[4])
    assert [own.title.split("<")[0] for own, _ in before_last.moments] == [f"after {TITLES[6]}", f"after {TITLES[7]}"]
    assert len(last.moments) == 1  # just learned is also the end
    for own, past in before_last.moments:
        assert own.frames != past.frames and past.agreement is not None and abs(past.agreement[0]) < 1


def test_an_unfinished_run_shows_what_there_is(tmp_path: Path) -> None:
    part = fabricate(tmp_path / "part", finished=2)
    fill(part, examples([0, 4], [-1, 0], known=False), [0, 1, 2, 3, 8])  # 3 and 8 are left from a longer past
    found = view(part)
    assert found is not None and found.kind == "cosine" and not found.truth
    assert [len(story.shots) for story in found.stories] == [3, 3] and not found.pairs
    assert [shot.learned for shot in found.stories[0].shots] == [False, True, False]
    assert all(shot.agreement is None for shot in found.stories[1].shots)  # not learned yet: nothing to keep


def test_all_tasks_at_once(tmp_path: Path) -> None:
    joint = fabricate(tmp_path / "joint", finished=1, joint_stream=True)
    fill(joint, examples([0, 7], [-1, 0]), [0, 1])
    found = view(joint)
    assert found is not None
    for story in found.stories:
        assert [(shot.title, shot.learned) for shot in story.shots] == [
            ("before training", False),
            ("after all tasks", True),
        ]


def test_many_moments_are_thinned(tmp_path: Path) -> None:
    titles = [f"Task {number}" for number in range(20)]
    long = fabricate(tmp_path / "long", tasks=20, titles=titles, steps_per_task=2)
    fill(long, examples([7, 19], [-1, 0]), list(range(21)))
    found = view(long)
    assert found is not None
    first = found.stories[0].shots
    assert len(first) == MOMENTS and first[0].title == "before training" and first[-1].title == "after Task 19"
    assert [shot.title for shot in first if shot.learned] == ["after Task 7"]


def test_without_maps_and_with_damaged_ones(tmp_path: Path) -> None:
    bare = fabricate(tmp_path / "bare")
    notes: list[Caution] = []
    assert view(bare, notes) is None and not notes
    fill(bare, examples([0, 7], [-1, 0]), [0, 8])
    (bare.path / FOLDER / "after-08.npz").write_bytes(b"damaged")
    assert view(bare, notes) is None and [note.code for note in notes] == ["attention"]


# --- localisation -----------------------------------------------------------------------------------------------------


def scores(pixel: float, points: float, margin: float) -> MapScore:
    own: Any = {"pointing": 40.0, "iou": 20.0, "auc": 21.0, "pixel_auc": pixel}
    gain: Any = {name: Gain(points=points, margin=margin) for name in own}
    return MapScore(own=own, exchanged={name: value - points for name, value in own.items()}, gain=gain)


def domain(**changes: Any) -> Domain:
    flat: Any = {"pointing": 10.0, "iou": 10.0, "auc": 10.0, "pixel_auc": 50.0}
    controls: Any = {"chance": flat, "centre": flat, "saliency": {**flat, "pixel_auc": 80.0}}
    return Domain(clips=96, controls=controls, **changes)


def test_findings_say_whether_it_listened() -> None:
    better, worse, none = scores(90, 5, 2), scores(70, -5, 2), scores(70, 5, 7)
    found = Localisation(picture=domain(before={"cosine": none}, after={"matching": better, "cosine": worse}))
    (shown,) = localisation_views(found)
    assert len(shown.findings) == len(shown.figures) == 2
    assert "Pixel AUC 90.0, above the best map that has not listened (conspicuous, 80.0)" in shown.findings[0]
    assert "raises it (+5.0 ± 2.0 points)" in shown.findings[0] and "Matching module at the end" in shown.findings[0]
    assert "below" in shown.findings[1] and "lowers it (−5.0 ± 2.0 points)" in shown.findings[1]
    (early,) = localisation_views(found.before_training())
    assert "Cosine before training" in early.findings[0] and "no measurable difference" in early.findings[0]
    assert len(shown.rows) == 3 + 3 * 3 and len(early.rows) == 3 + 3
    rows = list(csv.reader(io.StringIO(base64.b64decode(shown.download.uri.partition(",")[2]).decode())))
    assert rows[0][:3] == ["map", "pointing", "pointing margin"]
    assert [row[1] for row in rows if row[0] == "Random map"] == ["10"]
    assert [row[1:3] for row in rows if row[0] == "gained by listening"] == [["5", "7"], ["5", "2"], ["-5", "2"]]


def test_nothing_known_nothing_shown() -> None:
    assert localisation_views(None) == [] == localisation_views(Localisation())
    (bare,) = localisation_views(Localisation(time=domain()))
    assert bare.figures == [] and bare.findings == [] and len(bare.rows) == 3 and "Column AUC" in bare.measures


def test_a_world_that_gives_the_source_away_is_named() -> None:
    def told(salience: float, activity: float) -> str:
        world = {"salience": salience, "distractor_activity": activity}
        return caveat(RunConfig(strategy="er", bench="continual-synth", data={"world": world}))

    quick = told(1.0, 0.0)
    assert "salience 1 and distractor_activity 0." in quick and "brightest" in quick and "motion" in quick
    assert "brightest" not in told(0.0, 0.5) and "motion" not in told(0.3, 1.0)
    assert told(0.0, 1.0) == "" == caveat(RunConfig(strategy="er", bench="continual-vs"))
    shown = Page(page(None, localisation_views(Localisation(time=domain())), quick))
    assert quick in shown.text and "Does it see what it hears?" in shown.text


# --- the page ---------------------------------------------------------------------------------------------------------


def page(attention: AttentionView | None, localisation: list[DomainView], told: str = "") -> str:
    environment: jinja2.Environment = formats.environment()
    template = environment.from_string(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; \">"
        "<style>{% include 'attention.css' %}</style></head>"
        "<body><main>{% include 'attention.html' %}</main></body></html>"
    )
    return template.render(attention=attention, localisation=localisation, localisation_caveat=told)


def test_the_page_is_self_contained_and_escapes_everything(found: AttentionView) -> None:
    scored = domain(after={"cosine": scores(70, 5, 2)})
    html = page(found, localisation_views(Localisation(picture=scored, time=scored)))
    shown = assert_self_contained(html)
    assert HOSTILE in shown.text and "<script" not in html
    images = [dict(attributes) for attributes in image_attributes(shown)]
    shots = STORIES * 10 + PAIRS * 6 - 2
    assert len(images) == 2 * shots and all(image.get("alt") for image in images)
    assert shown.tags["table"] == 2 and shown.tags["svg"] == 2


def image_attributes(shown: Page) -> list[list[tuple[str, str]]]:
    """The attributes of each picture; a new one begins with its class."""
    found: list[list[tuple[str, str]]] = []
    for tag, name, value in shown.attributes:
        if tag == "img":
            if name == "class":
                found.append([])
            found[-1].append((name, value))
    return found


def test_the_page_of_a_run_that_has_neither() -> None:
    assert "section" not in Page(page(None, [])).tags
    assert Page(page(None, localisation_views(Localisation(time=domain())))).tags["img"] == 0

"""What the report says of gaps, transfer, memory, sounds and cost is what the run has recorded, and nothing else."""

import base64
import csv
import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from fabricated_run import QUERIES, TITLES, evaluation, fabricate, hash_of
from test_run_report import Page, assert_self_contained

from avbench.data.clip import Sound
from avbench.errors import MediaError
from avbench.evaluation import similarity
from avbench.evaluation.example_sounds import encode
from avbench.evaluation.examples import save_examples
from avbench.evaluation.modality_gap import decline, gap_per_task
from avbench.evaluation.transfer import backward_transfer, forward_transfer, reservoir_rate
from avbench.reports.cost import cost_view
from avbench.reports.run_report import render
from avbench.results import Efficiency, PeakMemory, RunDirectory
from avbench.results.schema import ModalityGap, Rehearsal

TASKS = 3
STEPS = 6


def embeddings(trained: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(trained)
    shared = torch.randn(TASKS * QUERIES, 12, generator=generator)
    return {"audio": shared + 2.0 / (1 + trained), "video": shared - 2.0 / (1 + trained)}


def sound_of(clip_id: str) -> Sound | None:
    if clip_id.endswith("0"):
        raise MediaError("missing", "gone")
    time = np.arange(8000, dtype=np.float32) / 8000
    return Sound(np.sin(6.28 * (200 + hash_of(clip_id) % 400) * time).astype(np.float32), 8000)


def with_everything(
    path: Path, finished: int = TASKS, sounds: bool = True, titles: list[str] | None = None
) -> RunDirectory:
    """A fabricated run that has kept all that the sections need."""
    task_of = np.repeat(np.arange(TASKS), QUERIES)
    gaps = [gap_per_task(*embeddings(t).values(), task_of, TASKS) for t in range(finished + 1)]  # type: ignore[arg-type]
    gap = ModalityGap(before=gaps[0], after=gaps[1:], accumulated=[float(np.mean(row)) for row in gaps[1:]])
    rehearsal = Rehearsal(
        occupancy=[[90 // (t + 1) if task <= t else 0 for task in range(TASKS)] for t in range(finished)],
        distinct=[80 - t for t in range(finished)],
        visits=[600 * (t + 1) for t in range(finished)],
        accepted=[100 + 20 * t for t in range(finished)],
    )
    spent = Efficiency(memory_clips=90, memory_capacity=90, seconds={"forward": 3.0, "data": 1.0}, steps=18)
    directory = fabricate(
        path, TASKS, finished, STEPS, titles, recall_at=(5,), modality_gap=gap, rehearsal=rehearsal, efficiency=spent
    )
    result, matrix, names = evaluation(TASKS, finished)
    for trained in range(finished + 1):
        file = directory.similarity / f"after-{trained:02d}.npz"
        similarity.save(file, result, names, None, embeddings(trained))
    if sounds:
        from fabricated_run import picture_of

        save_examples(directory.examples, result, matrix, names, picture_of, TITLES, sound_of=sound_of)
    return directory


def table(page: Page, name: str) -> list[dict[str, str]]:
    files = dict(zip(page.values("download"), [h for h in page.values("href") if "base64" in h], strict=True))
    return list(csv.DictReader(io.StringIO(base64.b64decode(files[name].partition(",")[2]).decode())))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return with_everything(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def page(directory: RunDirectory) -> Page:
    return assert_self_contained(render(directory))


def test_the_gap_and_its_declines(directory: RunDirectory, page: Page) -> None:
    gap = directory.read_results().modality_gap
    assert {"gap", "memory"} <= set(page.values("id"))
    rows = table(page, "modality-gap.csv")
    assert [float(rows[0][title]) for title in TITLES[:TASKS]] == pytest.approx(gap.before, rel=1e-5)
    assert [float(row["accumulated"]) for row in rows[1:]] == pytest.approx(gap.accumulated, rel=1e-5)
    for variant in ("largest", "mean"):
        value = decline(gap.after, variant)
        assert value is not None and f"mean {value:.3f}" in page.text
        terms = [float(row[f"{variant} drop"]) for row in table(page, "modality-gap-decline.csv")]
        assert sum(terms) / len(terms) == pytest.approx(value, rel=1e-4)


def test_projections_show_every_clip_once_per_modality(page: Page) -> None:
    rows = table(page, "embeddings-projected.csv")
    assert len(rows) == 2 * TASKS * QUERIES
    moments = ("before training", "after training")
    columns = {f"{method} {moment} {axis}" for method in ("pca", "t-sne") for moment in moments for axis in "xy"}
    assert columns <= set(rows[0])
    planes = [v for tag, name, v in page.attributes if name == "aria-label" and tag == "svg" and "embeddings of" in v]
    assert len(planes) == 4


def test_transfer(directory: RunDirectory, page: Page) -> None:
    for recall in (found.recall["R@5"] for found in directory.read_results().directions.values()):
        for value in (backward_transfer(recall.after), forward_transfer(recall.before, recall.after)):
            assert f"{value:.2f}".replace("-", "−") in page.text
    rows = table(page, "learning-R5.csv")
    assert rows[TASKS - 1]["backward transfer"] == "" and rows[0]["forward transfer"] == ""
    kept = [float(row["at the end"]) - float(row["just after learning"]) for row in rows[: TASKS - 1]]
    assert [float(row["backward transfer"]) for row in rows[: TASKS - 1]] == pytest.approx(kept, abs=1e-3)


def test_the_memory_as_the_runner_counted_it(directory: RunDirectory, page: Page) -> None:
    held = directory.read_results().rehearsal
    rows = table(page, "rehearsal-memory.csv")
    assert [[int(row[title]) for title in TITLES[:TASKS]] for row in rows] == held.occupancy
    assert f"{held.accepted[-1]} of them stored" in page.text
    assert f"held {held.distinct[-1]} different clips" in page.text


def test_acceptance_comes_from_the_journal(tmp_path: Path) -> None:
    directory = with_everything(tmp_path / "run", sounds=False)
    for number in range(4):
        event = {"event": "step", "step": 100 + number, "total_steps": 200, "experience": 2, "loss": 1.0, "terms": {}}
        directory.journal.append(event | {"memory_visits": 90 + 60 * number, "memory_accepted": 90 + 30 * number})
    rows = table(Page(render(directory)), "memory-acceptance.csv")
    assert [float(row["accepted %"]) for row in rows] == [100, 50, 50, 50]
    assert float(rows[1]["expected of a reservoir %"]) == pytest.approx(100 * reservoir_rate(90, 120), rel=1e-4)


def test_sounds_play_only_when_asked_to_and_only_those_that_could_be_read(directory: RunDirectory, page: Page) -> None:
    clips = [clip for one in json.loads((directory.examples / "examples.json").read_text())["examples"]
             for clip in (one["query"], *(neighbour["clip"] for neighbour in one["neighbours"]))]  # fmt: skip
    heard = [clip for clip in clips if clip["sound"]]
    assert {clip["clip_id"].endswith("0") for clip in heard} == {False}
    assert page.tags["audio"] == len(heard) > 0
    uri = next(value for tag, name, value in page.attributes if tag == "audio" and name == "src")
    with av.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 16000
    assert seconds == pytest.approx(1.0, abs=0.15)


def test_a_sound_is_small_cut_and_always_the_same() -> None:
    noise = Sound(np.random.default_rng(0).uniform(-2, 2, 44100 * 12).astype(np.float32), 44100)
    content = encode(noise)
    assert content == encode(noise)
    assert 10 * 3000 <= len(content) < 10 * 3000 + 2000
    for broken in (np.zeros(0, np.float32), np.full(10, np.nan, np.float32)):
        with pytest.raises(ValueError, match="samples"):
            encode(Sound(broken, 16000))


def test_what_is_no_mp3_is_not_embedded(tmp_path: Path) -> None:
    directory = with_everything(tmp_path / "run")
    for number, file in enumerate(sorted(directory.examples.glob("*.mp3"))):
        file.write_bytes((b"<script>alert(1)</script>", b"\xff\xfb" * 200_000, b"")[number % 3])
    page = assert_self_contained(render(directory))
    assert page.tags["audio"] == 0
    assert "No sounds here" in page.text


def test_older_and_damaged_runs_say_what_is_missing(tmp_path: Path) -> None:
    directory = with_everything(tmp_path / "run", finished=2, sounds=False)
    results = directory.read_results()
    directory.write_results(results.model_copy(update={"rehearsal": Rehearsal()}))
    text = Page(render(directory)).text
    assert "older than the count of whose clips" in text and "No sounds here" in text
    assert "After 2 of 3 tasks" in text and "Decline" not in text
    result, _, names = evaluation(TASKS, 2)
    similarity.save(directory.similarity / "after-02.npz", result, names)
    assert "has kept no embeddings" in Page(render(directory)).text
    (directory.similarity / "after-00.npz").write_bytes(b"PK damaged")
    assert "can’t be drawn" in Page(render(directory)).text
    directory.write_results(results.model_copy(update={"modality_gap": ModalityGap()}))
    assert "gap" not in Page(render(directory)).values("id")


def test_titles_do_not_become_markup(tmp_path: Path) -> None:
    evil = ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "$\\frac{</style>{{ 7*7 }}"]
    page = assert_self_contained(render(with_everything(tmp_path / "run", titles=evil)))
    assert "x" not in page.values("src")
    assert page.text.count("alert(1)") > 8 and "{{ 7*7 }}" in page.text


def test_the_table_of_costs(directory: RunDirectory, page: Page) -> None:
    results = directory.read_results()
    view = cost_view(results)
    assert sum(share.percent for share in view.shares) == pytest.approx(100)
    assert [share.name for share in view.shares] == ["forward", "data"]
    assert "90 of 90 clips" in page.text and "4.0 s" in page.text
    assert not any("GPU" in line.name for line in view.lines)
    peak = PeakMemory(process=1, cuda_allocated=2**30, cuda_reserved=2**31)
    spent = results.efficiency.model_copy(update={"peak_memory_bytes": peak})
    lines = {line.name: line.value for line in cost_view(results.model_copy(update={"efficiency": spent})).lines}
    assert (lines["Peak GPU memory, allocated"], lines["Peak GPU memory, reserved"]) == ("1.00 GiB", "2.00 GiB")


def test_the_same_directory_gives_the_same_page(directory: RunDirectory) -> None:
    assert render(directory) == render(directory)

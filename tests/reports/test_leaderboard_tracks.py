"""Who is ranked against whom, on what, and what happens to runs that can't be."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from many_runs import CLIPS, TASKS, edit_results, embeddings, make_run, tasks_of

from avbench.errors import UsageError
from avbench.evaluation.retrieval import DIRECTIONS, evaluate
from avbench.evaluation.run_hits import read_hits
from avbench.evaluation.statistics import estimate
from avbench.reports.leaderboard.ranking import ONE_SEED, Placed
from avbench.reports.leaderboard.rows import machine
from avbench.reports.leaderboard.tracks import Board, Track, build_board
from avbench.reports.leaderboard.writing import as_text
from avbench.results import RunDirectory


def only(board: Board) -> Track:
    assert len(board.tracks) == 1
    return board.tracks[0]


def row(track: Track, strategy: str) -> Placed:
    found = [one for one in track.rows if one.row.strategy == strategy]
    assert len(found) == 1
    return found[0]


def averages(directory: RunDirectory) -> float:
    summary = directory.read_results().summary
    return mean(summary[way]["Avg"].accuracy or 0 for way in DIRECTIONS)


def test_seeds_form_a_row_with_the_mean_and_the_interval_of_the_statistics(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(seed), seed=seed) for seed in range(3)]
    one = row(only(build_board([tmp_path])), "er")
    assert one.row.seeds == (0, 1, 2)
    assert one.accuracy and one.forgetting and one.accuracy.high
    assert one.accuracy.value == pytest.approx(mean(map(averages, runs)))
    found = estimate(read_hits(runs))
    assert one.accuracy.value == pytest.approx(found.value)
    assert (one.accuracy.low, one.accuracy.high) == pytest.approx((found.low, found.high))
    printed = [run.read_results().summary[way]["Avg"].forgetting_paper or 0 for run in runs for way in DIRECTIONS]
    assert one.forgetting.value == pytest.approx(mean(printed))
    assert one.tier is None  # nobody to rank it against
    cost = [run.read_results().efficiency.units_per_clip for run in runs]
    assert one.row.cost.units_per_clip == pytest.approx(mean(c for c in cost if c is not None))
    assert cost[0] == pytest.approx(3000 / (100 * 10))


def test_better_methods_have_lower_tiers_and_equal_ones_share_theirs(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path / f"a{seed}", "good", seed, noise=0.3)
        make_run(tmp_path / f"b{seed}", "same", seed, noise=0.3)
        make_run(tmp_path / f"c{seed}", "bad", seed, noise=2.0)
    track = only(build_board([tmp_path]))
    assert [(one.row.strategy, one.tier) for one in track.rows] == [("good", 1), ("same", 1), ("bad", 3)]
    assert row(track, "good").forgetting_tier == row(track, "same").forgetting_tier


def test_a_row_of_one_seed_has_an_interval_over_queries_no_tier_and_says_so(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path / f"a{seed}", "good", seed, noise=0.3)
        make_run(tmp_path / f"c{seed}", "bad", seed, noise=2.0)
    make_run(tmp_path / "single", "single", 0, noise=0.01)
    make_run(tmp_path / "worst", "worst", 0, noise=9.0)
    track = only(build_board([tmp_path]))
    assert [(one.row.strategy, one.tier, one.unranked) for one in track.rows] == [
        ("good", 1, ""),
        ("bad", 2, ""),
        ("single", None, ONE_SEED),
        ("worst", None, ONE_SEED),
    ]
    assert all(one.accuracy and one.accuracy.half is not None for one in track.rows)
    assert row(track, "single").forgetting_tier is None
    text = as_text(build_board([tmp_path]), "markdown")
    assert f"- single, worst: {ONE_SEED}." in text and "| | single \\[one seed, not ranked\\] |" in text.replace(
        "|  |", "| |"
    )


def test_different_exams_are_different_tracks_and_it_is_said_why(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er")
    make_run(tmp_path / "b", "stella", settings={"training": {"epochs": 99}})
    make_run(tmp_path / "c", "mir", settings={"order": "shuffled"})
    make_run(tmp_path / "d", "lump", settings={"limit": 5})
    make_run(tmp_path / "e", "gmed", settings={"bench": "continual-vs"})
    board = build_board([tmp_path])
    assert sorted([one.row.strategy for one in track.rows] for track in board.tracks) == [
        ["er"], ["gmed"], ["lump"], ["mir"], ["stella"]
    ]  # fmt: skip
    apart = {track.rows[0].row.strategy: track.apart for track in board.tracks}
    assert apart["stella"] == {"order": "default", "limit": "none", "training.epochs": "99"}
    assert apart["gmed"] == {}  # the only one on its benchmark
    assert all(one.tier is None for track in board.tracks for one in track.rows)


def test_runs_without_a_key_are_ranked_with_nobody(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_run(tmp_path / name, name, comparability_key="")
    assert len(build_board([tmp_path]).tracks) == 2


def test_memories_are_tracks_and_methods_without_one_join_each(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", memory="12 clips", options={"memory": 12})
    make_run(tmp_path / "b", "er", memory="24 clips", options={"memory": 24})
    make_run(tmp_path / "c", "finetune", memory=None)
    board = build_board([tmp_path])
    assert {track.memory: sorted(one.row.strategy for one in track.rows) for track in board.tracks} == {
        "12 clips": ["er", "finetune"],
        "24 clips": ["er", "finetune"],
    }
    assert len(board.runs) == 3


def test_early_results_tell_their_memory_in_the_configuration(tmp_path: Path) -> None:
    for memory in (12, 24):
        directory = make_run(tmp_path / str(memory), options={"memory": memory})
        edit_results(directory, track={})
    assert {track.memory for track in build_board([tmp_path]).tracks} == {"12 clips", "24 clips"}


def test_options_make_rows_and_are_named_only_where_they_tell_rows_apart(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", options={"alpha": 0.5, "memory": 12})
    make_run(tmp_path / "b", "er", options={"alpha": 1.0, "memory": 12})
    make_run(tmp_path / "c", "mir", options={"memory": 12})
    track = only(build_board([tmp_path]))
    assert {track.name(one) for one in track.rows} == {"er (alpha 0.5)", "er (alpha 1)", "mir"}


def test_of_one_seed_the_newest_run_counts_and_it_is_said(tmp_path: Path) -> None:
    make_run(tmp_path / "old", noise=0.3)
    new = make_run(tmp_path / "new", noise=1.0)
    later = new.read_results().provenance.model_copy(update={"finished": "2026-11-21T10:00:00Z"})
    edit_results(new, provenance=later.model_dump())
    track = only(build_board([tmp_path]))
    one = row(track, "er")
    assert [run.name for run in one.row.runs] == ["new"]
    assert one.accuracy and one.accuracy.value == pytest.approx(averages(new))
    assert any("more than once" in note and "not old" in note for note in track.notes)


def test_a_folder_named_twice_counts_once(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    assert len(build_board([tmp_path, tmp_path / "a"]).runs) == 1


def test_upper_bounds_and_teachers_are_shown_and_not_ranked(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path / f"a{seed}", "er", seed, noise=0.8)
        make_run(tmp_path / f"b{seed}", "cls-er", seed, noise=0.6, networks={"stable": 0.4})
        make_run(tmp_path / f"d{seed}", "agem", seed, noise=0.8, boundary_aware=True)
    make_run(tmp_path / "c", "multitask", noise=0.5, joint_stream=True)
    track = only(build_board([tmp_path]))
    assert track.rows[-1].row.strategy == "multitask"
    bound = track.rows[-1]
    assert bound.tier is None and "upper bound" in bound.unranked
    assert bound.accuracy and bound.accuracy.half and bound.forgetting is None
    assert row(track, "agem").tier is not None
    (teacher,) = row(track, "cls-er").networks
    assert (teacher.name, row(track, "er").networks) == ("stable", ())
    assert teacher.accuracy and teacher.accuracy.half
    assert teacher.accuracy.value == pytest.approx(teacher.scores.mean("accuracy"))


def test_damaged_ranks_leave_the_mean_without_interval_and_tier(tmp_path: Path) -> None:
    for seed in range(2):
        make_run(tmp_path / f"er{seed}", "er", seed)
        make_run(tmp_path / f"mir{seed}", "mir", seed)
        make_run(tmp_path / f"lump{seed}", "lump", seed)
        make_run(tmp_path / f"gmed{seed}", "gmed", seed)
    (tmp_path / "er1" / "similarity" / "after-02.npz").write_bytes(b"PK not an archive")
    (tmp_path / "mir0" / "similarity" / "after-03.npz").unlink()
    track = only(build_board([tmp_path]))
    for strategy in ("er", "mir"):
        one = row(track, strategy)
        assert one.accuracy and one.accuracy.half is None and one.tier is None
        assert "similarities" in one.unranked and str(tmp_path) not in one.unranked
    assert row(track, "lump").tier == row(track, "gmed").tier == 1


def test_ranks_that_contradict_the_results_are_not_trusted(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", noise=0.3)
    other = make_run(tmp_path / "b", "mir", noise=2.0)
    for file in other.similarity.iterdir():
        (tmp_path / "a" / "similarity" / file.name).write_bytes(file.read_bytes())
    one = row(only(build_board([tmp_path])), "er")
    assert "disagree" in one.unranked and one.tier is None
    assert one.accuracy and one.accuracy.half is None


def test_rows_that_were_asked_in_another_order_are_not_paired(tmp_path: Path) -> None:
    for seed in range(2):
        for name in ("a", "b", "c"):
            make_run(tmp_path / f"{name}{seed}", name, seed)
        turned = make_run(tmp_path / f"d{seed}", "d", seed, clips=CLIPS[::-1])
        edit_results(turned, comparability_key=RunDirectory.open(tmp_path / "a0").read_results().comparability_key)
    track = only(build_board([tmp_path]))
    assert "other clips" in row(track, "d").unranked
    assert row(track, "a").tier == 1


def test_unfinished_runs_are_named_and_count_in_no_mean(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "a", "er", seed=0)
    make_run(tmp_path / "b", "er", seed=1, finished=1)
    make_run(tmp_path / "c", "mir", finished=2)
    make_run(tmp_path / "d", "lump", finished=0)
    track = only(build_board([tmp_path]))
    er = row(track, "er")
    assert er.accuracy and er.accuracy.value == pytest.approx(averages(whole))
    for strategy in ("mir", "lump"):
        assert row(track, strategy).accuracy is None and row(track, strategy).unranked == "not finished"
    assert any("b is not finished (1 of 3 tasks)" in note for note in track.notes)


def test_what_cant_be_read_is_named_and_the_rest_is_ranked(tmp_path: Path) -> None:
    good = tmp_path / "runs"
    for name in ("er", "mir"):
        make_run(good / name, name)
    make_run(good / "half").results.unlink()
    newer = make_run(good / "newer")
    edit_results(newer, schema_version=99)
    torn = make_run(good / "torn")
    torn.results.write_text(torn.results.read_text()[:200])
    (make_run(good / "config").path / "config.yaml").write_text("strategy: [")
    (tmp_path / "notes.txt").write_text("x")
    board = build_board([good, tmp_path / "notes.txt", tmp_path / "nowhere", tmp_path / ("x" * 400)])
    assert [one.row.strategy for one in only(board).rows] == ["er", "mir"]
    reasons = {one.name[:20]: one.reason for one in board.skipped}
    assert set(reasons) == {"half", "newer", "torn", "config", "notes.txt", "nowhere", "x" * 20}
    assert "newer avbench" in reasons["newer"] and "update avbench" in reasons["newer"]
    assert "no results yet" in reasons["half"]
    assert "damaged" in reasons["torn"] and "damaged" in reasons["config"]
    assert "is a file" in reasons["notes.txt"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())


def test_without_a_readable_run_there_is_no_board(tmp_path: Path) -> None:
    make_run(tmp_path / "half").results.unlink()
    with pytest.raises(UsageError, match="half: half holds no results yet"):
        build_board([tmp_path])
    with pytest.raises(UsageError, match="no runs were named"):
        build_board([])


def test_common_clips(tmp_path: Path) -> None:
    most, few = CLIPS[1:], [clip for clip in CLIPS if not clip.endswith("-05")]
    for seed in range(2):
        make_run(tmp_path / f"a{seed}", "er", seed, noise=0.5, clips=most)
        make_run(tmp_path / f"b{seed}", "mir", seed, noise=0.9, clips=few)
    make_run(tmp_path / "c", "lump", clips=few, settings={"training": {"epochs": 99}})
    make_run(tmp_path / "d", "gmed", clips=most, with_embeddings=False)
    assert sorted(len(track.rows) for track in build_board([tmp_path]).tracks) == [1, 1, 2]
    tracks = build_board([tmp_path], common_clips=True).tracks
    joined = next(track for track in tracks if len(track.rows) == 3)
    assert next(track for track in tracks if len(track.rows) == 1).rows[0].row.strategy == "lump"
    common = [clip for clip in most if clip in few]
    for strategy, noise in (("er", 0.5), ("mir", 0.9)):
        oracles = []
        for seed in range(2):
            # What is kept are embeddings in half precision.
            audio, video = (z / z.norm(dim=1, keepdim=True) for z in embeddings(noise, seed, TASKS, common))
            found = evaluate(audio.half().float(), video.half().float(), tasks_of(common))
            oracles.append(np.mean([found.recall(way, k) for way in DIRECTIONS for k in (1, 5, 10)]))
        one = row(joined, strategy)
        assert one.rescored and one.accuracy and one.accuracy.value == pytest.approx(np.mean(oracles), abs=0.01)
        assert one.tier is not None
    assert row(joined, "gmed").accuracy is None and "embeddings" in row(joined, "gmed").unranked
    assert joined.key == "" and any(f"{len(common)} all runs have" in note for note in joined.notes)


def test_common_clips_join_nothing_of_which_the_exam_is_not_known(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", clips=CLIPS[1:])
    make_run(tmp_path / "b", "mir", comparability_key="0123456789abcdef")
    make_run(tmp_path / "c", "lump", exam={})  # made before that was recorded
    assert len(build_board([tmp_path], common_clips=True).tracks) == 3


def test_circumstances_that_differ_are_said(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er")
    other = make_run(tmp_path / "b", "mir", seed=1)
    source = other.read_results().provenance
    edit_results(
        other, provenance=source.model_copy(update={"processor": "another", "versions": {"torch": "9"}}).model_dump()
    )
    notes = " ".join(only(build_board([tmp_path])).notes)
    assert machine(other.read_results()) in notes
    assert "versions of torch: 9, unknown" in notes
    assert "other seeds than the first row" in notes


def test_results_without_numbers_are_shown_without_numbers(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "a")
    edit_results(directory, summary={}, directions={})
    make_run(tmp_path / "b", "mir")
    one = row(only(build_board([tmp_path])), "er")
    assert one.accuracy is None and one.unranked == "its results hold no accuracy"

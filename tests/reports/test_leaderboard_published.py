"""Published rows: transcribed as printed, shown for their benchmark and order, never where they would mislead."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest
from many_runs import make_run

from avbench import registry
from avbench.reports.headline import TITLES
from avbench.reports.leaderboard.columns import columns_of
from avbench.reports.leaderboard.published import published_for
from avbench.reports.leaderboard.tracks import build_board
from avbench.results import Results

BENCHMARKS = [(bench, order) for bench in ("continual-vs", "continual-as") for order in ("default", "shuffled")]


def of(bench: str, order: str, **changes: object) -> Results:
    values: dict[str, object] = {"status": "complete", "strategy": "er", "bench": bench, "profile": "paper", "seed": 0}
    return Results.model_validate(values | {"order": order, "synthetic": False} | changes)


@pytest.mark.parametrize(("bench", "order"), BENCHMARKS)
def test_every_printed_average_is_the_mean_of_its_columns(bench: str, order: str) -> None:
    (table,), missing = published_for(of(bench, order), "pool")
    assert not missing and len(table.rows) == 11
    for row in table.rows:
        for way in TITLES:
            for number in (row.accuracy, row.forgetting):
                columns = [number(way, column) for column in ("R@1", "R@5", "R@10")]
                if None in columns:
                    assert row.bound and number(way) is None
                else:
                    assert number(way) == pytest.approx(mean(c for c in columns if c is not None), abs=0.0115)


def test_numbers_as_printed() -> None:
    (table,), _ = published_for(of("continual-vs", "default"), "pool")
    stella = next(row for row in table.rows if row.name == "STELLA")
    assert (stella.accuracy("audio2video", "R@1"), stella.forgetting("audio2video", "R@1")) == (5.34, 2.04)
    assert (stella.accuracy("video2audio", "Avg"), stella.forgetting("video2audio", "Avg")) == (14.07, 4.65)
    assert stella.accuracy() == pytest.approx((14.16 + 14.07) / 2)
    (table,), _ = published_for(of("continual-as", "shuffled"), "pool")
    assert next(row.accuracy("video2audio", "R@10") for row in table.rows if row.name == "STELLA+") == 23.91


@pytest.mark.parametrize(("bench", "order"), BENCHMARKS)
def test_our_names_of_published_methods_exist(bench: str, order: str) -> None:
    (table,), _ = published_for(of(bench, order), "pool")
    assert {row.strategy for row in table.rows} <= {None, *registry.plugins("strategies")}


def test_where_published_rows_would_mislead_they_are_left_out_and_it_is_said_why() -> None:
    assert "rendered" in published_for(of("continual-vs", "default", synthetic=True), "pool")[1]
    assert published_for(of("continual-vs", "default"), "pool")[1] == ""
    assert "whole schedule" in published_for(of("continual-vs", "default", limit=60), "pool")[1]
    assert "whole schedule" in published_for(of("continual-vs", "default", track={"budget": "9 steps"}), "pool")[1]
    assert "one task" in published_for(of("continual-vs", "default"), "task")[1]
    assert "print none" in published_for(of("my-benchmark", "default"), "pool")[1]
    assert "paper" in published_for(of("continual-vs", "default", profile="quick"), "pool")[0][0].conditions


def test_a_printed_f_stands_beside_the_official_reading_of_ours_and_nowhere_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", "er", settings={"bench": "continual-vs", "profile": "paper"}).read_results()
    (track,) = build_board([tmp_path]).tracks
    (row,) = (row for row in track.published[0].rows if row.name == "ER")
    (ours,) = track.rows
    columns = {column.key: column for column in columns_of(track)}
    printed = {
        key: found.value for key, one in columns.items() if "forgetting" in key and (found := one.published(row))
    }
    summary = run.summary
    official = {key: found.value for key in printed if (found := columns[key].ours(ours))}
    assert printed == {"forgetting_official": pytest.approx((7.68 + 8.06) / 2)} | {
        f"{way}.{column}.forgetting_official": value
        for way, values in zip(TITLES, ((3.66, 9.17, 10.2, 7.68), (3.94, 8.86, 11.37, 8.06)), strict=True)
        for column, value in zip(track.columns, values, strict=True)
    }
    assert official == {
        "forgetting_official": pytest.approx(mean(summary[w]["Avg"].forgetting_official or 0 for w in TITLES))
    } | {
        f"{way}.{column}.forgetting_official": summary[way][column].forgetting_official
        for way in TITLES
        for column in track.columns
    }
    assert all("official" in column.title for key, column in columns.items() if key in printed)


def test_a_board_shows_them_for_their_track_only(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "er", settings={"bench": "continual-vs", "profile": "paper"})
    make_run(tmp_path / "b", "er")
    board = build_board([tmp_path])
    shown = {track.bench: [table.source for table in track.published] for track in board.tracks}
    assert shown == {"continual-vs": ["STELLA (Lee et al., ICML 2024), Table 1"], "continual-synth": []}
    synthetic = next(track for track in board.tracks if track.synthetic)
    assert synthetic.missing.startswith("No published rows: these clips are rendered")

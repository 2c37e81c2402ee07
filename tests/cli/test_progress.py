import io
import re

import pytest
from rich.console import Console

from avbench.cli.matrix import RecallMatrix, task_scores
from avbench.cli.progress import LiveProgress, PlainProgress, progress

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def console(terminal, width=80):
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, markup=False, highlight=False, emoji=False)


def play(view, events):
    with view as shown:
        for event in events:
            shown(event)
    return view.out.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_shown_and_text_from_data_is_taken_literally(recorded, terminal):
    view = progress(console(terminal))
    assert isinstance(view, LiveProgress if terminal else PlainProgress)
    text = play(view, recorded())
    assert view.finished
    for literal in ("[red]x[/]", "stella[/]", "[bold]one[/]", "[link=http://x]y[/link]", "SYNTHETIC DATA", "1:02:03"):
        assert literal in text
    assert "\x07" not in text and "People\x1b" not in text


def test_plain_output_has_no_control_characters_and_no_padding(recorded):
    text = play(PlainProgress(console(False)), recorded())
    assert not CONTROL.search(text)


def test_recordings_are_not_called_synthetic(recorded):
    assert "SYNTHETIC" not in play(PlainProgress(console(False)), recorded(synthetic=False))


def test_plain_lines_come_every_ten_seconds_and_at_each_epoch(recorded):
    def lines(seconds_per_event):
        ticks = iter(range(10**6))
        view = PlainProgress(console(False), clock=lambda: seconds_per_event * next(ticks))
        return sum(line.startswith("step ") for line in play(view, recorded()).splitlines())

    assert lines(0) == 8 * 2  # tasks x epochs
    assert lines(10) == 8 * 6  # every step


def test_the_live_view_fits_the_terminal(recorded):
    for width in (60, 80, 120):
        out = console(True, width)
        view = LiveProgress(out)
        with view:
            for event in recorded():
                view(event)
                frame = Console(file=io.StringIO(), width=width)
                frame.print(view.moving())
                assert all(len(line) <= width for line in frame.file.getvalue().splitlines())


def test_a_loss_that_is_not_finite_is_said(recorded):
    assert "loss not finite" in play(
        PlainProgress(console(False), clock=iter(range(0, 10**6, 10)).__next__), recorded()
    )


def matrix_rows(text):
    return [line for line in text.splitlines() if re.match(r"(before training|\d [A-Z\[])", line)]


def test_a_resumed_run_shows_the_whole_matrix_each_line_once(recorded):
    whole = matrix_rows(play(PlainProgress(console(False)), recorded()))
    before = recorded()
    history = before[
        : next(i for i, e in enumerate(before) if e["event"] == "experience_started" and e["experience"] == 3)
    ]
    history.append(next(e for e in before if e["event"] == "evaluated" and e["after"] == 3))  # lost with its checkpoint
    text = play(PlainProgress(console(False), history), recorded(resumed=True, start=3))
    assert "Resumed at step 18" in text
    assert len(matrix_rows(text)) == len(whole) == 9
    assert matrix_rows(text)[:4] == whole[:4]


def test_a_single_base_experience_without_summary_is_shown(recorded):
    events = recorded()
    start = next(e for e in events if e["event"] == "run_started") | {"experiences": ["base clips"], "clips": [10]}
    held_out = {"audio2video": {"R@1": 12.5}, "video2audio": {"R@1": 10.0}}
    steps = [e for e in events if e["event"] == "step" and e["experience"] == 0]
    text = play(
        PlainProgress(console(False)),
        [start, *steps, {"event": "finished", "seconds": 5, "summary": {}, "recall": held_out}],
    )
    assert "audio to video on held-out clips: R@1 12.5%" in text


def test_unknown_events_pass(recorded):
    assert play(PlainProgress(console(False)), [{"event": "something_new"}, *recorded()])


def test_scores_are_means_over_directions_and_k():
    recall = {
        "audio2video": {"R@1": [10.0, 0.0], "R@5": [20.0, 4.0]},
        "video2audio": {"R@1": [30.0, 2.0], "R@5": [40.0, 6.0]},
    }
    assert task_scores(recall) == [25.0, 3.0]


def test_many_tasks_are_summarised_in_one_line_that_fits():
    titles = [f"Task {n}" for n in range(40)]
    matrix = RecallMatrix(titles, width=80)

    def recall(value, after):
        return {"audio2video": {"R@1": [value if task <= after else 1.0 for task in range(40)]}}

    assert "mean 1.0" in matrix.add(-1, recall(0.0, -1)).plain
    assert matrix.add(0, recall(50.0, 0)).plain == "1 Task 0: just learned 50.0"
    assert (
        matrix.add(1, recall(30.0, 1)).plain == "2 Task 1: just learned 30.0, earlier tasks 30.0 (at their best 50.0)"
    )

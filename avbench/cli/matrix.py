"""The accuracy matrix as it grows: one line per evaluation, one column per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from avbench.cli import console

LABEL, COLUMN = 22, 6  # characters
DROP = 5.0  # percentage points below a task's best from which it is shown as forgotten


class RecallMatrix:
    """Recall per task after each experience, the mean of all K and both directions.

    Args:
        titles: of the tasks, in training order.
        width: of the terminal; when the tasks don't fit, a line summarises them.
        experiences: of the stream, in order, by default the tasks; a single one holds all tasks.
    """

    def __init__(self, titles: Sequence[str], width: int, experiences: Sequence[str] | None = None) -> None:
        self.titles = [console.clean(title) for title in titles]
        self.experiences = self.titles if experiences is None else [console.clean(title) for title in experiences]
        self._wide = LABEL + COLUMN * (len(titles) + 1) <= width
        self._best = [0.0] * len(titles)

    def header(self, recall: Mapping[str, Mapping[str, Any]]) -> list[Text]:
        """What the lines show."""
        names = ", ".join(console.clean(name) for name in next(iter(recall.values()), {}))
        caption = Text(f"Retrieval in %, mean of {names} in both directions; seen: mean over the tasks so far", "dim")
        if not self._wide:
            return [caption]
        numbers = "".join(f"{number:>{COLUMN}}" for number in range(1, len(self.titles) + 1))
        return [caption, Text(f"{'after task':<{LABEL}}{numbers}{'seen':>{COLUMN}}", "bold")]

    def add(self, after: int, recall: Mapping[str, Mapping[str, Sequence[float]]]) -> Text:
        """The line of the evaluation after experience `after`, or before training (-1).

        Args:
            recall: {direction: {"R@K": one value per task}}, percent.
        """
        scores = task_scores(recall)
        line = self._row(after, scores) if self._wide else self._digest(after, scores)
        if after >= 0:
            self._best = [max(best, score) for best, score in zip(self._best, scores, strict=True)]
        return line

    def _row(self, after: int, scores: Sequence[float]) -> Text:
        line = Text(f"{self._label(after):<{LABEL}}")
        for task, score in enumerate(scores):
            line.append(f"{score:{COLUMN}.1f}", self._style(task, after, score))
        seen = scores[: self._seen(after)]
        line.append(f"{sum(seen) / len(seen):{COLUMN}.1f}" if seen else " " * COLUMN, "bold")
        return line

    def _digest(self, after: int, scores: Sequence[float]) -> Text:
        if after < 0:
            return Text(f"before training: mean {sum(scores) / len(scores):.1f}")
        if self._seen(after) > after + 1:
            return Text(f"{self._label(after)}: mean {sum(scores) / len(scores):.1f}")
        line = Text(f"{self._label(after)}: just learned {scores[after]:.1f}")
        if after:
            now, best = sum(scores[:after]) / after, sum(self._best[:after]) / after
            line.append(f", earlier tasks {now:.1f} (at their best {best:.1f})")
        return line

    def _label(self, after: int) -> str:
        if after < 0:
            return "before training"
        label = f"{after + 1} {self.experiences[after]}"
        return label if len(label) < LABEL else label[: LABEL - 4] + "..."

    def _seen(self, after: int) -> int:
        """How many tasks have been trained on after an experience."""
        return after + 1 if len(self.experiences) == len(self.titles) else len(self.titles) * (after + 1 > 0)

    def _style(self, task: int, after: int, score: float) -> str:
        if task >= self._seen(after):
            return "dim"
        if task == self._seen(after) - 1:
            return "bold green"
        return "red" if score < self._best[task] - DROP else ""


def task_scores(recall: Mapping[str, Mapping[str, Sequence[float]]]) -> list[float]:
    """One number per task: the mean over directions and K."""
    rows = [values for per_k in recall.values() for values in per_k.values()]
    return [sum(values) / len(rows) for values in zip(*rows, strict=True)]

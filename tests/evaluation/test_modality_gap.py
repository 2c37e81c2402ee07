"""The modality gap is a distance between centres; its decline compares checkpoints of earlier tasks only."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from avbench.evaluation.modality_gap import accumulated_gap, decline, gap_per_task, modality_gap


def embeddings(seed: int, clips: int = 12, width: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(clips, width, generator=generator), torch.randn(clips, width, generator=generator)


def test_it_is_the_distance_of_the_two_centres_in_plain_loops() -> None:
    audio, video = embeddings(0)
    centres = []
    for rows in (audio.tolist(), video.tolist()):
        units = [[value / math.sqrt(sum(v * v for v in row)) for value in row] for row in rows]
        centres.append([sum(column) / len(units) for column in zip(*units, strict=True)])
    expected = math.dist(*centres)
    assert modality_gap(audio, video) == pytest.approx(expected, rel=1e-6)


def test_equal_modalities_have_no_gap_and_opposite_ones_the_largest() -> None:
    audio, _ = embeddings(1)
    one = torch.ones(4, 3)
    assert modality_gap(audio, audio) == 0.0
    assert modality_gap(one, -one) == pytest.approx(2.0)


def test_the_length_of_an_embedding_does_not_matter() -> None:
    audio, video = embeddings(2)
    lengths = torch.linspace(0.1, 9.0, len(audio))[:, None]
    assert modality_gap(audio * lengths, video) == pytest.approx(modality_gap(audio, video), rel=1e-6)


def test_tasks_are_measured_apart_and_accumulated_over_those_trained() -> None:
    audio, video = embeddings(3)
    task_of = np.array([0, 1, 2] * 4)
    per_task = gap_per_task(audio, video, task_of, 3)
    for task in range(3):
        rows = [row for row in range(12) if task_of[row] == task]
        assert per_task[task] == modality_gap(audio[rows], video[rows])
    rows = [row for row in range(12) if task_of[row] < 2]
    assert accumulated_gap(audio, video, task_of, 1) == per_task[0]
    assert accumulated_gap(audio, video, task_of, 2) == modality_gap(audio[rows], video[rows])
    assert accumulated_gap(audio, video, task_of, 3) == modality_gap(audio, video)


def test_decline_in_both_variants() -> None:
    matrix = [[0.5, 0.9, 0.9], [0.6, 0.4, 0.9], [0.3, 0.2, 0.7]]
    assert decline(matrix) == pytest.approx(((0.6 - 0.3) + (0.9 - 0.2)) / 2)
    assert decline(matrix, "mean") == pytest.approx(((0.55 - 0.3) + (0.4 - 0.2)) / 2)
    assert decline([[0.5]]) is None
    with pytest.raises(ValueError, match="2 experiences"):
        decline([[0.5, 0.4, 0.3]] * 2)


def test_no_clips_have_no_gap() -> None:
    with pytest.raises(ValueError, match="same clips"):
        modality_gap(torch.zeros(0, 3), torch.zeros(0, 3))

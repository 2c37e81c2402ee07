"""Retrieval examples: which are chosen, what is kept of them, and that a tampered file can't reach outside."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from avbench.errors import RunDirectoryError
from avbench.evaluation.examples import FILE, choose, load_examples, save_examples
from avbench.evaluation.retrieval import RetrievalResult, evaluate, similarity_matrix


def retrieved(tasks: int, per_task: int, gallery: Any = "pool") -> tuple[RetrievalResult, Any, list[str]]:
    generator = torch.Generator().manual_seed(3)
    audio = torch.randn(tasks * per_task, 6, generator=generator)
    video = audio + torch.randn(audio.shape, generator=generator)
    result = evaluate(audio, video, np.repeat(np.arange(tasks), per_task), gallery)
    names = [f"../<b>clip {i}</b>" for i in range(len(audio))]
    return result, similarity_matrix(audio, video).numpy(), names


def fetch(clip_id: str) -> dict[str, Any]:
    seed = int("".join(filter(str.isdigit, clip_id)))
    generator = torch.Generator().manual_seed(seed)
    return {
        "audio": torch.randn(1, 96, 32, generator=generator).half(),
        "video": torch.randint(0, 256, (4, 3, 48, 48), generator=generator, dtype=torch.uint8),
        "clip_id": clip_id,
    }


@pytest.mark.parametrize("tasks", [1, 2, 3, 8, 20])
def test_choice_is_deterministic_distinct_spread_and_half_good_half_bad(tasks: int) -> None:
    result, *_ = retrieved(tasks, 9)
    chosen = choose(result, 6)
    assert chosen == choose(result, 6)
    assert len({row for row, *_ in chosen}) == 6
    assert [kind for *_, kind in chosen] == ["best", "worst"] * 3
    assert {direction for _, direction, _ in chosen} == {"audio2video", "video2audio"}
    assert len({result.task_of[row] for row, *_ in chosen}) == min(tasks, 6)
    if tasks >= 6:
        for row, direction, kind in chosen:
            same_task = result.ranks[direction][result.task_of == result.task_of[row]]
            assert result.ranks[direction][row] == (same_task.min() if kind == "best" else same_task.max())


def test_fewer_queries_than_examples() -> None:
    result, *_ = retrieved(2, 1)
    assert len(choose(result, 6)) == 2
    assert choose(result, 0) == []


@pytest.mark.parametrize("gallery", ["pool", "task"])
def test_saved_examples_show_what_was_ranked(tmp_path: Path, gallery: str) -> None:
    result, matrix, names = retrieved(3, 5, gallery)
    titles = ["Sports", "Music", "<i>People</i>"]
    written = save_examples(
        tmp_path / "examples", result, matrix, names, fetch, titles, 6, lambda name: f"class {name}"
    )
    assert load_examples(tmp_path / "examples") == written
    assert len(written.examples) == 6
    for example in written.examples:
        row = names.index(example.query.clip_id)
        scores = matrix[row] if example.direction == "audio2video" else matrix[:, row]
        candidates = [i for i in range(15) if gallery == "pool" or result.task_of[i] == result.task_of[row]]
        nearest = sorted(candidates, key=lambda i: -scores[i])[:3]
        assert [neighbour.clip.clip_id for neighbour in example.neighbours] == [names[i] for i in nearest]
        assert [neighbour.is_partner for neighbour in example.neighbours] == [i == row for i in nearest]
        assert example.gallery == len(candidates)
        assert example.rank == 1 + sum(scores[i] > scores[row] for i in candidates)
        assert example.query.task == titles[result.task_of[row]]
        assert example.query.label == f"class {names[row]}"


def test_pictures(tmp_path: Path) -> None:
    result, matrix, names = retrieved(2, 4)
    written = save_examples(tmp_path, result, matrix, names, fetch, ["A", "B"], 2)
    clip = written.examples[0].query
    strip = Image.open(tmp_path / clip.frames)
    assert (strip.size, strip.mode, strip.format) == ((4 * 48, 48), "RGB", "JPEG")
    first = fetch(clip.clip_id)["video"][0].permute(1, 2, 0).float().mean(dim=(0, 1))
    np.testing.assert_allclose(np.asarray(strip)[:, :48].mean(axis=(0, 1)), first, atol=6)
    spectrogram = np.asarray(Image.open(tmp_path / clip.spectrogram))
    assert spectrogram.shape == (32, 96)
    log_mel = fetch(clip.clip_id)["audio"][0].float().numpy()
    assert np.corrcoef(spectrogram[::-1].ravel(), log_mel.T.ravel())[0, 1] > 0.99  # lowest band in the last row
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_a_silent_clip_is_drawn(tmp_path: Path) -> None:
    result, matrix, names = retrieved(1, 3)
    silent = lambda name: fetch(name) | {"audio": torch.full((1, 96, 32), -1.0).half()}  # noqa: E731
    written = save_examples(tmp_path, result, matrix, names, silent, ["A"], 1)
    assert not np.asarray(Image.open(tmp_path / written.examples[0].query.spectrogram)).any()


def test_no_examples_and_tampered_examples(tmp_path: Path) -> None:
    assert load_examples(tmp_path).examples == ()
    result, matrix, names = retrieved(2, 4)
    save_examples(tmp_path, result, matrix, names, fetch, ["A", "B"], 2)
    content = json.loads((tmp_path / FILE).read_text())
    content["examples"][0]["query"]["frames"] = "../../../../etc/passwd"
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(RunDirectoryError, match="examples"):
        load_examples(tmp_path)
    (tmp_path / FILE).write_text('{"version": 1, "exam')
    with pytest.raises(RunDirectoryError):
        load_examples(tmp_path)

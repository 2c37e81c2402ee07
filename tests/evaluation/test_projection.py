"""Projections keep what they promise, and the same embeddings give the same plane."""

import numpy as np
import pytest

from avbench.evaluation.projection import Method, project, spread

RANDOM = np.random.default_rng(0)


def two_modalities(clips: int = 40, gap: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    shared = RANDOM.normal(size=(clips, 6)) * [1, 0.5, 0.1, 0.1, 0.1, 0.1]
    apart = np.array([0, 0, gap, 0, 0, 0])
    return shared + apart, shared - apart


def test_principal_components_keep_the_distances_of_points_in_a_plane() -> None:
    basis = np.linalg.qr(RANDOM.normal(size=(7, 2)))[0]
    flat = RANDOM.normal(size=(30, 2)) * [3.0, 1.0]
    points = flat @ basis.T + 5.0
    found = project(points[:15], points[15:], "pca")
    plane = np.concatenate([found.audio, found.video])
    assert found.kept == pytest.approx(1.0)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert np.linalg.norm(plane[:, None] - plane[None], axis=-1) == pytest.approx(distances)


def test_the_gap_in_the_plane_is_no_longer_than_the_gap() -> None:
    audio, video = two_modalities(gap=2.0)
    found = project(audio, video, "pca")
    drawn = np.linalg.norm(found.audio.mean(axis=0) - found.video.mean(axis=0))
    assert (found.audio.mean(axis=0) <= found.video.mean(axis=0)).all()
    assert 0.9 * 4.0 < drawn <= np.linalg.norm(audio.mean(axis=0) - video.mean(axis=0)) + 1e-9


def test_neighbours_stay_neighbours() -> None:
    centres = np.eye(6)[:3] * 20
    audio = np.repeat(centres, 12, axis=0) + RANDOM.normal(size=(36, 6))
    video = np.repeat(centres, 12, axis=0) + RANDOM.normal(size=(36, 6))
    found = project(audio, video, "t-sne")
    plane, cluster = np.concatenate([found.audio, found.video]), np.tile(np.repeat(np.arange(3), 12), 2)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=-1) + 1e9 * np.eye(len(plane))
    assert (cluster[distance.argmin(axis=1)] == cluster).all()


@pytest.mark.parametrize("method", ["pca", "t-sne"])
def test_the_same_embeddings_give_the_same_plane(method: Method) -> None:
    audio, video = two_modalities(clips=20)
    np.random.seed(1)  # noqa: NPY002 (what must not matter)
    first = project(audio.astype(np.float16), video.astype(np.float16), method)
    np.random.seed(2)  # noqa: NPY002
    second = project(audio.astype(np.float16), video.astype(np.float16), method)
    assert (first.audio == second.audio).all() and (first.video == second.video).all()


def test_collapsed_embeddings_and_too_few_clips() -> None:
    same = np.ones((5, 4))
    for method in ("pca", "t-sne"):
        assert np.isfinite(project(same, same, method).audio).all()  # type: ignore[arg-type]
    two = RANDOM.normal(size=(2, 3))
    assert project(two, two + 1, "t-sne").video.shape == (2, 2)
    with pytest.raises(ValueError, match="at least two"):
        project(two[:1], two[:1], "pca")


def test_clips_are_taken_evenly_from_all_tasks() -> None:
    task_of = np.repeat([0, 1, 2], [100, 10, 50])
    rows = spread(task_of, 60)
    assert list(np.bincount(task_of[rows])) == [20, 10, 20]
    assert (np.diff(rows) > 0).all()
    assert list(spread(task_of, 160)) == list(range(160))

"""Outlines of bodies and tools as signed distances: negative inside, in units of the radius, y pointing down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def _disc(u: Field, v: Field) -> Field:
    return np.hypot(u, v) - np.float32(0.88)


def _square(u: Field, v: Field) -> Field:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.73)


def _triangle(u: Field, v: Field) -> Field:
    return np.maximum(0.866 * np.abs(u) - 0.5 * v, v) - np.float32(0.5)


def _pointed(points: int, inner: float) -> Callable[[Field, Field], Field]:
    """A star whose tips lie at radius 1 and whose notches at `inner`."""
    half = np.pi / points
    edge = np.array([inner * np.cos(half) - 1, inner * np.sin(half)])
    normal_x, normal_y = np.array([edge[1], -edge[0]], dtype=np.float32) / np.float32(np.hypot(*edge))

    def distance(u: Field, v: Field) -> Field:
        radius = np.hypot(u, v)
        angle = np.arctan2(u, -v)  # one tip points up
        angle = np.abs(angle - 2 * half * np.round(angle / (2 * half)))
        result: Field = (radius * np.cos(angle) - 1) * normal_x + radius * np.sin(angle) * normal_y
        return result

    return distance


def _petals(count: int, mean: float, depth: float) -> Callable[[Field, Field], Field]:
    def distance(u: Field, v: Field) -> Field:
        result: Field = np.hypot(u, v) - np.float32(mean) - np.float32(depth) * np.cos(count * np.arctan2(u, -v))
        return result

    return distance


def _ring(u: Field, v: Field) -> Field:
    return np.abs(np.hypot(u, v) - np.float32(0.64)) - np.float32(0.26)


def _cross(u: Field, v: Field) -> Field:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(np.maximum(u, v) - np.float32(0.92), np.minimum(u, v) - np.float32(0.3))


def _crescent(u: Field, v: Field) -> Field:
    result: Field = np.maximum(np.hypot(u, v) - np.float32(0.95), np.float32(0.72) - np.hypot(u - np.float32(0.5), v))
    return result


def _pill(u: Field, v: Field) -> Field:
    result: Field = np.hypot(np.maximum(np.abs(u) - np.float32(0.52), 0), v) - np.float32(0.44)
    return result


def _hourglass(u: Field, v: Field) -> Field:
    sides = (np.abs(u) - np.float32(0.12) - np.float32(0.6) * np.abs(v)) * np.float32(0.86)
    return np.maximum(np.abs(v) - np.float32(0.82), sides)


def _bar(u: Field, v: Field) -> Field:
    return np.maximum(np.abs(u) - np.float32(1.0), np.abs(v) - np.float32(0.3))


SHAPES: dict[str, Callable[[Field, Field], Field]] = {
    "disc": _disc, "square": _square, "triangle": _triangle, "star": _pointed(5, 0.42), "ring": _ring,
    "cross": _cross, "crescent": _crescent, "flower": _petals(6, 0.7, 0.22), "pill": _pill, "hourglass": _hourglass,
    "ball": _disc, "box": _square, "wedge": _triangle, "spark": _pointed(4, 0.32), "hoop": _ring,
    "plus": _cross, "hook": _crescent, "gear": _petals(9, 0.8, 0.15), "bar": _bar, "diamond": _pointed(4, 0.7),
}  # fmt: skip

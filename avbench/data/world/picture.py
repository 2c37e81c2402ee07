"""From a scene to frames: objects as antialiased shapes over a smooth background, with noise."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from avbench.data.world.classes import HUES
from avbench.data.world.motion import Pose, pose
from avbench.data.world.scene import Actor, Floats, Scene
from avbench.data.world.shapes import SHAPES

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

TOOL_RADIUS = 0.58  # of the body's
_EDGE = 0.1  # width of the dark outline, in radii of the body


def draw_frames(
    scene: Scene, times: Floats, size: int, salience: float, noise: float
) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Frames (n, size, size, 3), RGB, at `times`, and the visible part (n, size, size) of each actor.

    A frame depends on its own time only, noise included, so frames drawn in one call or in several are the same.
    """
    canvas = np.repeat(_background(scene, size)[None], len(times), axis=0)
    masks: list[Mask] = []
    for actor in scene.actors:
        covered = _draw_actor(canvas, actor, pose(actor, times, salience))
        for mask in masks:
            mask &= ~covered
        masks.append(covered)
    return _develop(canvas, scene, times, noise), masks


def _background(scene: Scene, size: int) -> Image:
    """(3, size, size), 0..1: the coarse picture with smooth steps between its cells."""
    rows = _blow_up(len(scene.background), size)
    picture: Image = np.einsum("yr,rcp,xc->pyx", rows, scene.background, rows, optimize=True)
    return picture


@lru_cache(maxsize=8)
def _blow_up(cells: int, size: int) -> Image:
    position = (np.arange(size) + 0.5) / size * (cells - 1)
    lower = np.minimum(position.astype(int), cells - 2)
    share = position - lower
    share = share * share * (3 - 2 * share)
    weights = np.zeros((size, cells), np.float32)
    weights[np.arange(size), lower] = 1 - share
    weights[np.arange(size), lower + 1] = share
    return weights


def _draw_actor(canvas: Image, actor: Actor, pose: Pose) -> Mask:
    """Paints an actor over `canvas` (n, 3, size, size) and returns where it covers more than half of a pixel."""
    body, tool = actor.identity.body, actor.identity.tool
    mask = np.zeros(canvas[:, 0].shape, np.bool_)
    lightness = actor.factors.lightness
    part = _Part(body.shape, _colour(body.colour, lightness), body.pattern == "banded", 1.0)
    _draw_part(canvas, mask, part, pose.x, pose.y, pose.radius, pose.angle, pose.light)
    part = _Part(tool.shape, _colour(tool.colour, lightness), False, 2.0)
    x = pose.x + pose.radius * pose.reach * np.cos(pose.tool_angle)
    y = pose.y + pose.radius * pose.reach * np.sin(pose.tool_angle)
    _draw_part(canvas, mask, part, x, y, TOOL_RADIUS * pose.radius, pose.tool_angle, pose.light)
    return mask


@dataclass(frozen=True)
class _Part:
    shape: str
    colour: Image  # (3, 1, 1), 0..1
    banded: bool
    edge: float  # width of the dark outline, in `_EDGE`


def _draw_part(
    canvas: Image, mask: Mask, part: _Part, x: Floats, y: Floats, radius: Floats, angle: Floats, light: Floats
) -> None:
    """Paints one shape into every frame; place, radius, angle and light have shape (n,)."""
    size = canvas.shape[-1]
    side = int(np.ceil(2.1 * radius.max() * size)) + 2
    left, top = (np.floor(centre * size - side / 2).astype(int) + 1 for centre in (x, y))
    pixels = np.arange(side) + 0.5
    across, down = (
        ((((first[:, None] + pixels) / size) - centre[:, None]) / radius[:, None]).astype(np.float32)
        for first, centre in ((left, x), (top, y))
    )
    u, v = _turn(across, down, angle)
    distance = SHAPES[part.shape](u, v)
    weight = np.clip(np.float32(0.5) - distance * (radius * size).astype(np.float32)[:, None, None], 0, 1)
    dark = distance > np.float32(-_EDGE * part.edge)
    if part.banded:
        dark |= np.abs(np.mod(v * np.float32(1.25), 1) - np.float32(0.5)) < np.float32(0.22)
    shade = weight * np.where(dark, np.float32(0.5), np.float32(1)) * light.astype(np.float32)[:, None, None]
    for frame, (column, row) in enumerate(zip(left, top, strict=True)):
        rows, columns = slice(max(row, 0), min(row + side, size)), slice(max(column, 0), min(column + side, size))
        inner = (frame, slice(rows.start - row, rows.stop - row), slice(columns.start - column, columns.stop - column))
        if rows.start < rows.stop and columns.start < columns.stop:
            here = canvas[frame, :, rows, columns]
            here *= 1 - weight[inner]
            here += shade[inner] * part.colour
            mask[frame, rows, columns] |= weight[inner] > 0.5


def _turn(across: Image, down: Image, angle: Floats) -> tuple[Image, Image]:
    """Coordinates (n, side, side) in a frame turned by `angle`."""
    cosine, sine = (wave.astype(np.float32)[:, None, None] for wave in (np.cos(angle), np.sin(angle)))
    x, y = across[:, None, :], down[:, :, None]
    return cosine * x + sine * y, cosine * y - sine * x


def _colour(name: str, lightness: float) -> Image:
    """(3, 1, 1), 0..1."""
    rgb = colorsys.hls_to_rgb(HUES[name] / 360, 0.36 + 0.32 * lightness, 0.85)
    return np.array(rgb, np.float32)[:, None, None]


@lru_cache(maxsize=1)
def _gaussian_bytes() -> Image:
    """Quantiles of the normal distribution, one for each value of a byte: noise for the price of random bytes."""
    quantiles: Image = ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)
    return quantiles


def _develop(canvas: Image, scene: Scene, times: Floats, noise: float) -> NDArray[np.uint8]:
    frames = np.empty((len(times), *canvas.shape[2:], 3), np.uint8)
    for number, time in enumerate(times):
        picture = np.ascontiguousarray(canvas[number].transpose(1, 2, 0))
        picture *= 255
        if noise > 0:
            generator = np.random.default_rng([scene.seed, 4, round(time * 1e6)])
            grains = np.frombuffer(generator.bytes(picture.size), np.uint8).reshape(picture.shape)
            picture += (_gaussian_bytes() * np.float32(255 * noise))[grains]
        np.clip(np.rint(picture, out=picture), 0, 255, out=picture)
        frames[number] = picture
    return frames

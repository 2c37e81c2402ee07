"""From a scene to frames: objects as antialiased shapes over a smooth background, with noise."""

from __future__ import annotations

import colorsys
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

TOOL_RADIUS = 0.5  # of the body's
_LONGEST_REACH = 1.85  # of a tool's centre, in radii of the body; see the motions
_EDGE = 0.14  # width of the dark outline, in radii


def draw_frames(
    scene: Scene, times: Floats, size: int, salience: float, noise: float
) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Frames (n, size, size, 3), RGB, at `times`, and the visible part (n, size, size) of each actor.

    A frame depends on its own time only, noise included, so frames drawn in one call or in several are the same.
    """
    canvas = np.repeat(_background(scene, size)[None], len(times), axis=0)
    masks: list[Mask] = []
    for actor in scene.actors:
        covered = _draw_actor(canvas, actor, pose(actor, times, salience), size)
        for mask in masks:
            mask &= ~covered
        masks.append(covered)
    return _develop(canvas, scene, times, noise), masks


def _background(scene: Scene, size: int) -> Image:
    """(3, size, size), 0..1: the coarse picture with smooth steps between its cells."""
    rows = _blow_up(len(scene.background), size)
    return np.einsum("yr,rcp,xc->pyx", rows, scene.background, rows, optimize=True)


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


def _draw_actor(canvas: Image, actor: Actor, pose: Pose, size: int) -> Mask:
    """Paints an actor over `canvas` (n, 3, size, size) and returns where it covers more than half of a pixel."""
    side = int(np.ceil(2 * (_LONGEST_REACH + TOOL_RADIUS) * pose.radius.max() * size)) + 3
    left = np.floor(pose.x * size - side / 2).astype(int)
    top = np.floor(pose.y * size - side / 2).astype(int)
    pixels = np.arange(side) + 0.5
    across = ((left[:, None] + pixels) / size - pose.x[:, None]) / pose.radius[:, None]
    down = ((top[:, None] + pixels) / size - pose.y[:, None]) / pose.radius[:, None]
    body_weight, tool_weight, background_weight = _weights(actor, pose, across, down, size)
    body_colour = _colour(actor.identity.body.colour, actor.factors.lightness)
    tool_colour = _colour(actor.identity.tool.colour, actor.factors.lightness)
    mask = np.zeros((len(canvas), size, size), np.bool_)
    for frame, (x, y) in enumerate(zip(left, top, strict=True)):
        rows, columns = slice(max(y, 0), min(y + side, size)), slice(max(x, 0), min(x + side, size))
        inner = (frame, slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        here = canvas[frame, :, rows, columns]
        here *= background_weight[inner]
        here += body_weight[inner] * body_colour + tool_weight[inner] * tool_colour
        mask[frame, rows, columns] = background_weight[inner] < 0.5
    return mask


def _weights(actor: Actor, pose: Pose, across: Floats, down: Floats, size: int) -> tuple[Image, Image, Image]:
    """Weights (n, side, side) of the body's colour, the tool's colour and what lies behind, shading included."""
    per_pixel = (pose.radius * size).astype(np.float32)[:, None, None]
    light = pose.light.astype(np.float32)[:, None, None]
    u, v = _turn(across, down, pose.angle)
    body_distance = SHAPES[actor.identity.body.shape](u, v)
    body = np.clip(0.5 - body_distance * per_pixel, 0, 1)
    shade = light * np.where(body_distance > -_EDGE, np.float32(0.5), np.float32(1))
    if actor.identity.body.pattern == "banded":
        shade = shade * np.where(np.abs(np.mod(v * np.float32(1.25), 1) - np.float32(0.5)) < 0.22, np.float32(0.5), 1)
    tool_across = (across - (pose.reach * np.cos(pose.tool_angle))[:, None]) / TOOL_RADIUS
    tool_down = (down - (pose.reach * np.sin(pose.tool_angle))[:, None]) / TOOL_RADIUS
    tool_distance = SHAPES[actor.identity.tool.shape](*_turn(tool_across, tool_down, pose.tool_angle))
    tool = np.clip(0.5 - tool_distance * (per_pixel * np.float32(TOOL_RADIUS)), 0, 1)
    tool_shade = light * np.where(tool_distance > -2 * _EDGE, np.float32(0.5), np.float32(1))
    return body * (1 - tool) * shade, tool * tool_shade, (1 - body) * (1 - tool)


def _turn(across: Floats, down: Floats, angle: Floats) -> tuple[Image, Image]:
    """Coordinates (n, side, side) in a frame turned by `angle`."""
    cosine, sine = (wave.astype(np.float32)[:, None, None] for wave in (np.cos(angle), np.sin(angle)))
    x, y = across.astype(np.float32)[:, None, :], down.astype(np.float32)[:, :, None]
    return cosine * x + sine * y, cosine * y - sine * x


def _colour(name: str, lightness: float) -> Image:
    """(3, 1, 1), 0..1."""
    rgb = colorsys.hls_to_rgb(HUES[name] / 360, 0.36 + 0.32 * lightness, 0.85)
    return np.array(rgb, np.float32)[:, None, None]


@lru_cache(maxsize=1)
def _gaussian_bytes() -> Image:
    """Quantiles of the normal distribution, one for each value of a byte: noise for the price of random bytes."""
    return ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)


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

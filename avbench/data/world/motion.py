"""How an actor moves: its pose at any set of times, driven by the same events, gates and swings as its sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avbench.data.world.families import Motion
from avbench.data.world.scene import Actor, Floats

QUIET_LIGHT, LOUD_LIGHT, EVEN_LIGHT = 0.45, 1.2, 0.8  # times the colour of an object

_DRIVE_REACH, _DRIVE_PERIOD = 0.42, 5.0  # widths of the picture; seconds there and back
_LISTENER = 0.3  # distance from the road, in widths of the picture
_SPEED_OF_SOUND = 5.0  # widths of the picture a second: small, so that the Doppler shift is heard


@dataclass
class Pose:
    """Where an actor is at each of `n` times; all arrays have shape (n,), lengths as in `scene`."""

    x: Floats
    y: Floats
    radius: Floats
    angle: Floats
    tool_angle: Floats
    reach: Floats  # from the body's centre to the tool's, in radii
    light: Floats  # times the colour


def pose(actor: Actor, times: Floats, salience: float) -> Pose:
    """The pose of an actor at `times` (seconds).

    With `salience` 0 everything is evenly lit; with 1 an object that performs is lit while active, most at its events,
    and all others stay dim.
    """
    activity = actor.activity(times)
    reach_x, reach_y, phase_x, phase_y = actor.drift
    turn = 2 * np.pi * times / actor.drift_period
    lit = QUIET_LIGHT + (LOUD_LIGHT - QUIET_LIGHT) * 0.5 * (actor.gate(times) + activity)
    result = Pose(
        x=actor.x + reach_x * np.sin(turn + phase_x),
        y=actor.y + reach_y * np.sin(turn + phase_y),
        radius=np.full(len(times), actor.radius),
        angle=np.full(len(times), actor.angle),
        tool_angle=np.full(len(times), actor.tool_angle),
        reach=np.full(len(times), 0.8),
        light=EVEN_LIGHT + salience * (lit - EVEN_LIGHT),
    )
    if len(actor.gates):
        _MOTIONS[actor.identity.motion](result, actor, times, activity)
    return result


def doppler_and_gain(actor: Actor, times: Floats) -> tuple[Floats, Floats]:
    """Factors on pitch and loudness at `times` for a listener in front of the picture's middle; 1 unless it drives."""
    if actor.identity.motion != "drive":
        return np.ones(len(times)), np.ones(len(times))
    step = 1e-3
    distance, later = (np.hypot(_road(actor, at) - 0.5, _LISTENER) for at in (times, times + step))
    return 1 / (1 + (later - distance) / step / _SPEED_OF_SOUND), (_LISTENER / distance) ** 1.5


def _road(actor: Actor, times: Floats) -> Floats:
    return 0.5 + _DRIVE_REACH * np.sin(2 * np.pi * actor.gate_time(times) / _DRIVE_PERIOD + actor.phase)


def _between_events(actor: Actor, times: Floats) -> tuple[Floats, Floats, Floats]:
    """Events so far, share of the way from the last one to the next (0 outside), and seconds between the two."""
    events = actor.events
    count = np.searchsorted(events, times, side="right")
    share, gap = np.zeros(len(times)), np.zeros(len(times))
    inside = (count > 0) & (count < len(events))
    last, following = events[count[inside] - 1], events[count[inside]]
    resting = following - last > 2.5 / actor.factors.rate  # the next one belongs to another gate
    gap[inside] = np.where(resting, 0.0, following - last)
    share[inside] = np.where(resting, 0.0, (times[inside] - last) / (following - last))
    return count.astype(float), share, gap


def _bounce(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    _, share, gap = _between_events(actor, times)
    height = actor.factors.amplitude * 1.6 * actor.radius * np.minimum(1.0, gap / 0.35)
    pose.y -= height * 4 * share * (1 - share)


def _strike(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    _, share, gap = _between_events(actor, times)
    pose.reach += actor.factors.amplitude * 0.9 * np.minimum(1.0, gap / 0.2) * 4 * share * (1 - share)


def _swing(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    count, share, _ = _between_events(actor, times)
    pose.angle += 0.9 * actor.factors.amplitude * np.cos(np.pi * (count + share)) * (actor.gate(times) > 0)
    pose.tool_angle += pose.angle - actor.angle


def _jolt(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    kick = 0.55 * actor.factors.amplitude * actor.radius * activity
    pose.x -= kick * np.cos(actor.tool_angle)
    pose.y -= kick * np.sin(actor.tool_angle)


def _open(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    pose.reach += 0.7 * actor.factors.amplitude * activity
    pose.tool_angle += 0.8 * actor.factors.amplitude * activity


def _pulse(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    pose.radius *= 1 + 0.4 * actor.factors.amplitude * (activity - 0.3)


def _vibrate(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    shake = 0.16 * actor.factors.amplitude * actor.radius * actor.gate(times)
    pose.x += shake * np.sin(5.3 * actor.swing(times))
    pose.y += shake * np.cos(4.1 * actor.swing(times))


def _sway(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    lean = actor.factors.amplitude * actor.gate(times) * np.sin(actor.swing(times))
    pose.angle += 0.7 * lean
    pose.tool_angle += 0.7 * lean
    pose.x += 0.35 * actor.radius * lean


def _spin(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    turned = 2 * np.pi * actor.factors.rate * (0.3 + 0.7 * actor.factors.amplitude) * actor.gate_time(times)
    pose.angle += turned
    pose.tool_angle += turned


def _drive(pose: Pose, actor: Actor, times: Floats, activity: Floats) -> None:
    pose.x = _road(actor, times)


_MOTIONS: dict[Motion, Callable[[Pose, Actor, Floats, Floats], None]] = {
    "bounce": _bounce, "strike": _strike, "swing": _swing, "jolt": _jolt, "open": _open,
    "pulse": _pulse, "vibrate": _vibrate, "sway": _sway, "spin": _spin, "drive": _drive,
}  # fmt: skip

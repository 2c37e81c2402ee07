"""The 26 families of sounds: what each is made of, and which motions can make it.

A family is either struck (`rate` events a second, each the same short sound) or steady (one tone or noise whose
loudness or pitch swings `rate` times a second). Frequencies are those of the middle register.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Motion = Literal["bounce", "strike", "swing", "jolt", "open", "pulse", "vibrate", "sway", "spin", "drive"]

Partials = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Family:
    """One way of sounding.

    A partial is a pair (ratio, level): its frequency is `pitch * ratio`. In a struck sound it dies away with the time
    constant `decay / ratio ** damping` once `hold` seconds are over. Formants raise the partials near frequencies of
    their own. Noise lies in a band around `pitch * noise_centre`, `noise_width` octaves wide.
    """

    name: str
    motions: tuple[Motion, ...]
    pitch: float  # Hz
    rate: float  # Hz
    steady: bool = False
    partials: Partials = ()
    decay: float = 0.1  # seconds
    damping: float = 0.0
    hold: float = 0.0  # seconds at full level before the decay
    attack: float = 0.002  # seconds
    glide: float = 0.0  # share of the pitch added at the onset; it dies away
    glide_time: float = 0.05  # seconds
    formants: tuple[float, ...] = ()  # Hz
    noise: float = 0.0  # level beside the partials
    noise_centre: float = 1.0
    noise_width: float = 1.0  # octaves
    noise_decay: float = 0.05  # seconds
    tremolo: float = 0.0  # depth of the swing in loudness, 0..1
    tremolo_rate: float = 0.0  # Hz, of a struck sound; a steady one swings at `rate`
    vibrato: float = 0.0  # octaves, of a steady sound
    irregular: bool = False  # events at random times and of random strength


def _harmonic(count: int, slope: float, step: int = 1) -> Partials:
    return tuple((float(number), float(number) ** -slope) for number in range(1, count * step + 1, step))


FAMILIES: tuple[Family, ...] = (
    Family("knocking", ("strike", "jolt"), 220, 3.0, partials=((1, 1), (2.57, 0.5), (4.2, 0.25)), decay=0.05,
           damping=0.5, noise=0.3, noise_centre=5, noise_width=2, noise_decay=0.01),
    Family("bouncing", ("bounce",), 110, 2.2, partials=((1, 1), (1.6, 0.5), (2.3, 0.3)), decay=0.12, damping=0.7,
           glide=0.7, glide_time=0.03, noise=0.15, noise_centre=12, noise_width=1.5, noise_decay=0.02),
    Family("ringing", ("swing", "strike"), 520, 1.6, partials=((0.5, 0.5), (1, 1), (1.2, 0.7), (1.5, 0.4), (2, 0.8),
           (2.67, 0.4), (4.1, 0.25)), decay=0.6, damping=0.7),
    Family("plucking", ("strike", "jolt"), 260, 2.6, partials=_harmonic(9, 1.0), decay=0.4, damping=0.9),
    Family("drumming", ("strike", "bounce"), 150, 3.4, partials=((1, 1), (1.59, 0.8), (2.14, 0.5), (2.3, 0.4),
           (2.65, 0.4)), decay=0.15, damping=0.8, glide=0.25, noise=0.5, noise_centre=18, noise_width=2.5,
           noise_decay=0.07),
    Family("clapping", ("strike", "pulse"), 1300, 3.2, noise=1, noise_width=1.4, noise_decay=0.035),
    Family("clinking", ("strike", "bounce"), 2300, 3.0, partials=((1, 1), (1.47, 0.7), (2.09, 0.6), (2.56, 0.4)),
           decay=0.12, damping=0.5),
    Family("ticking", ("swing", "jolt"), 2800, 4.5, partials=((1, 1), (1.8, 0.4)), decay=0.008, noise=0.5,
           noise_centre=1.5, noise_width=1.5, noise_decay=0.006),
    Family("banging", ("pulse", "jolt"), 70, 1.3, partials=((1, 1), (1.5, 0.6)), decay=0.2, glide=1.0, noise=1.0,
           noise_centre=7, noise_width=3.5, noise_decay=0.22),
    Family("dripping", ("bounce", "open"), 900, 2.8, partials=((1, 1), ), decay=0.06, glide=-1.0, glide_time=0.04),
    Family("barking", ("open", "jolt"), 330, 1.9, partials=_harmonic(10, 0.4), decay=0.04, hold=0.12, attack=0.015,
           glide=-0.4, glide_time=0.04, formants=(700, 1500), noise=0.35, noise_centre=4, noise_width=2,
           noise_decay=0.15),
    Family("chirping", ("open", "bounce"), 2600, 3.6, partials=((1, 1), (2, 0.2)), decay=0.03, hold=0.07, attack=0.01,
           glide=-0.6, glide_time=0.06),
    Family("croaking", ("open", "pulse"), 180, 1.5, partials=_harmonic(12, 0.5), decay=0.05, hold=0.25, attack=0.02,
           formants=(600, 1100), tremolo=1.0, tremolo_rate=32),
    Family("laughing", ("open", "jolt"), 240, 4.2, partials=_harmonic(10, 0.7), decay=0.04, hold=0.06, attack=0.02,
           glide=0.3, formants=(800, 1250, 2600), noise=0.3, noise_centre=6, noise_width=1.5, noise_decay=0.08),
    Family("beeping", ("pulse", "open"), 1000, 2.4, partials=_harmonic(3, 1.2, step=2), decay=0.005, hold=0.13,
           attack=0.005),
    Family("swishing", ("swing",), 2200, 2.0, noise=1, noise_width=1.2, noise_decay=0.12, attack=0.06),
    Family("honking", ("open", "pulse"), 370, 1.4, partials=((1, 1), (1.26, 1), (2, 0.6), (2.52, 0.6), (3, 0.4),
           (3.78, 0.4), (4, 0.3)), decay=0.02, hold=0.3, attack=0.02),
    Family("revving", ("drive", "vibrate"), 85, 2.0, steady=True, partials=_harmonic(14, 0.6), formants=(250, 900),
           vibrato=0.25, tremolo=0.4, noise=0.25, noise_centre=6, noise_width=2.5),
    Family("wailing", ("drive", "spin"), 700, 0.9, steady=True, partials=_harmonic(4, 1.3), vibrato=0.45),
    Family("singing", ("open", "sway"), 290, 1.2, steady=True, partials=_harmonic(12, 0.8), formants=(650, 1080, 2650),
           vibrato=0.06, tremolo=0.7),
    Family("fluting", ("sway", "open"), 780, 1.4, steady=True, partials=((1, 1), (2, 0.25), (3, 0.1)), vibrato=0.12,
           tremolo=0.4, noise=0.25, noise_centre=2, noise_width=1.5),
    Family("droning", ("pulse", "vibrate"), 130, 1.0, steady=True, partials=((1, 1), (1.5, 0.6), (2, 0.8), (3, 0.5),
           (4, 0.5), (6, 0.35), (8, 0.3)), tremolo=0.6),
    Family("hissing", ("vibrate", "drive"), 4200, 1.6, steady=True, noise=1, noise_width=1.5, tremolo=0.7),
    Family("howling", ("sway", "open"), 480, 0.8, steady=True, partials=((1, 0.5), ), vibrato=0.7, tremolo=0.5,
           noise=1, noise_centre=1, noise_width=0.7),
    Family("buzzing", ("drive", "vibrate"), 170, 2.6, steady=True, partials=_harmonic(16, 0.5), vibrato=0.12,
           tremolo=0.5, formants=(2300,)),
    Family("crackling", ("vibrate", "pulse"), 2000, 14.0, noise=1, noise_width=2.2, noise_decay=0.006, irregular=True),
)  # fmt: skip

BY_NAME = {family.name: family for family in FAMILIES}

PREFERRED: dict[str, tuple[str, ...]] = {  # the first five classes of a task sound like this; the others are mixed
    "sports": ("bouncing", "clapping", "swishing", "knocking", "banging"),
    "music": ("plucking", "ringing", "drumming", "fluting", "droning"),
    "vehicle": ("revving", "honking", "wailing", "hissing", "buzzing"),
    "people": ("singing", "laughing", "clapping", "howling", "knocking"),
    "animals": ("barking", "chirping", "croaking", "buzzing", "howling"),
    "home_nature": ("dripping", "hissing", "ticking", "crackling", "clinking"),
    "others_part1": ("banging", "beeping", "wailing", "knocking", "crackling"),
    "others_part2": ("ringing", "revving", "clinking", "dripping", "plucking"),
}

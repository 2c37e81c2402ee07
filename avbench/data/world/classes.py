"""Who is who: the body, the tool and the sound of each of the 160 task classes and of the base classes.

A class is a triple. Its *body* (shape, colour, pattern) is what may recur in other tasks with another sound; its
*tool*, a smaller part, tells classes with the same body apart; its *sound* is a family in a register.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from avbench.data.world.config import BASE_CLASSES, TASK_CLASSES, VERSION
from avbench.data.world.families import BY_NAME, FAMILIES, PREFERRED, Family, Motion
from avbench.data.world.keys import TASKS
from avbench.seeding import derive_seed

HUES = {  # degrees
    "red": 0.0, "orange": 27.0, "yellow": 54.0, "lime": 85.0, "green": 130.0,
    "teal": 172.0, "azure": 205.0, "blue": 235.0, "violet": 275.0, "pink": 320.0,
}  # fmt: skip
BODY_SHAPES = ("disc", "square", "triangle", "star", "ring", "cross", "crescent", "flower", "pill", "hourglass")
TOOL_SHAPES = ("ball", "box", "wedge", "spark", "hoop", "plus", "hook", "gear", "bar", "diamond")
TOOL_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "violet", "pink")
PATTERNS = ("plain", "banded")
REGISTERS = {"low": 0.62, "": 1.0, "high": 1.6}  # times the pitch of the family

_BLOCK = 4  # classes of a task that share a set of recurring bodies, so that the first 4, 8, ... are complete


@dataclass(frozen=True)
class Body:
    """The larger part of an object; `str` gives, for example, `banded red star`."""

    shape: str
    colour: str
    pattern: str

    def __str__(self) -> str:
        return " ".join(([] if self.pattern == "plain" else [self.pattern]) + [self.colour, self.shape])


@dataclass(frozen=True)
class Tool:
    """The smaller part of an object; `str` gives, for example, `blue hoop`."""

    shape: str
    colour: str

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Identity:
    """One class. `name` reads, for example, `banded red star with blue hoop, low ringing`."""

    body: Body
    tool: Tool
    family: Family
    register: str
    tempo: float  # times the rate of the family
    motion: Motion
    body_recurs: bool = False  # in other tasks of the same world, with another sound

    @property
    def name(self) -> str:
        """Body, tool and sound in words."""
        return f"{self.body} with {self.tool}, {self.register} {self.family.name}".replace("  ", " ")

    @property
    def triple(self) -> tuple[Body, Tool, str]:
        """What distinguishes a class: body, tool and sound."""
        return self.body, self.tool, f"{self.register} {self.family.name}"


BODIES = tuple(Body(*look) for look in itertools.product(BODY_SHAPES, HUES, PATTERNS))
TOOLS = tuple(Tool(*look) for look in itertools.product(TOOL_SHAPES, TOOL_COLOURS))


@dataclass(frozen=True)
class _Row:
    """A class before the share of recurring bodies is known."""

    own: Body
    recurring: Body
    rank: int  # in which the class takes the recurring body, as the share grows; 0..31 in its block of four
    tool: Tool
    family: Family
    register: str
    tempo: float
    motion: Motion

    def identity(self, body: Body, recurs: bool) -> Identity:
        return Identity(body, self.tool, self.family, self.register, self.tempo, self.motion, recurs)


@lru_cache(maxsize=8)
def task_classes(seed: int, recurring_looks: float) -> tuple[tuple[Identity, ...], ...]:
    """The 20 classes of each of the eight tasks; only bodies depend on `recurring_looks`.

    At share 0 each of the 160 has a body of its own. A larger share gives, body by body, the same body to one class of
    every task: `round(32 * share)` of each 32 classes (four in each of the eight tasks) then wear a recurring body.
    """
    recurring = round(_BLOCK * len(TASKS) * recurring_looks)
    return tuple(
        tuple(
            row.identity(row.recurring, True) if row.rank < recurring else row.identity(row.own, False) for row in task
        )
        for task in _plan(seed)
    )


@lru_cache(maxsize=8)
def base_classes(seed: int) -> tuple[Identity, ...]:
    """The classes that base weights are made from: pairs of body and tool that no task shows at any share."""
    taken = {(body, row.tool) for task in _plan(seed) for row in task for body in (row.own, row.recurring)}
    generator = np.random.default_rng(derive_seed(seed, "world", VERSION, "base classes"))
    rounds = [generator.permutation(len(FAMILIES)) for _ in range(0, BASE_CLASSES, len(FAMILIES))]
    classes: list[Identity] = []
    for family in (FAMILIES[number] for number in np.concatenate(rounds)[:BASE_CLASSES]):
        look = _draw_look(generator)
        while look in taken:
            look = _draw_look(generator)
        taken.add(look)
        body, tool = look
        register, tempo, motion = _manner(generator, family)
        classes.append(Identity(body, tool, family, register, tempo, motion))
    return tuple(classes)


@lru_cache(maxsize=8)
def _plan(seed: int) -> tuple[tuple[_Row, ...], ...]:
    generator = np.random.default_rng(derive_seed(seed, "world", VERSION, "classes"))
    bodies = [BODIES[place] for place in generator.permutation(len(BODIES))]
    tools = [TOOLS[place] for place in generator.permutation(len(TOOLS))]
    families, places = _sounds(generator)
    rows: list[list[_Row]] = [[] for _ in TASKS]
    for block, task, slot in itertools.product(range(TASK_CLASSES // _BLOCK), range(len(TASKS)), range(_BLOCK)):
        number = (block * len(TASKS) + task) * _BLOCK + slot
        place = places[block][task][slot]
        recurring, own = bodies[block * _BLOCK + place], bodies[TASK_CLASSES + number]
        family = families[task][block * _BLOCK + slot]
        rank = place * len(TASKS) + task
        rows[task].append(_Row(own, recurring, rank, tools[number % len(tools)], family, *_manner(generator, family)))
    return tuple(map(tuple, rows))


_Places = list[tuple[int, ...]]  # of each task: which of a block's recurring bodies each of its classes would wear


def _sounds(generator: np.random.Generator) -> tuple[list[list[Family]], list[_Places]]:
    """Families of all tasks, and places that let no recurring body meet a family twice."""
    while True:  # nearly always once: a family that five tasks hold in the same block leaves no arrangement
        families = [_families(generator, identifier) for identifier, _ in TASKS]
        blocks = [[task[first : first + _BLOCK] for task in families] for first in range(0, TASK_CLASSES, _BLOCK)]
        places = [found for found in (_arrange(block, generator) for block in blocks) if found is not None]
        if len(places) == len(blocks):
            return families, places


def _families(generator: np.random.Generator, task: str) -> list[Family]:
    """20 different families for a task, the preferred five in front."""
    preferred = [BY_NAME[name] for name in PREFERRED[task]]
    others = [family for family in FAMILIES if family not in preferred]
    return [group[place] for group in (preferred, others) for place in generator.permutation(len(group))][:TASK_CLASSES]


def _arrange(block: list[list[Family]], generator: np.random.Generator) -> _Places | None:
    """An order of the recurring bodies for each task of a block, or None after a few vain attempts."""
    for _ in range(20):
        chosen: _Places = []
        met: set[tuple[int, Family]] = set()
        for families in block:
            orders = (tuple(map(int, generator.permutation(_BLOCK))) for _ in range(50))
            order = next((each for each in orders if met.isdisjoint(zip(each, families, strict=True))), None)
            if order is None:
                break
            chosen.append(order)
            met.update(zip(order, families, strict=True))
        if len(chosen) == len(block):
            return chosen
    return None


def _draw_look(generator: np.random.Generator) -> tuple[Body, Tool]:
    return BODIES[generator.integers(len(BODIES))], TOOLS[generator.integers(len(TOOLS))]


def _manner(generator: np.random.Generator, family: Family) -> tuple[str, float, Motion]:
    register = tuple(REGISTERS)[generator.integers(len(REGISTERS))]
    return register, float(2 ** generator.uniform(-0.3, 0.3)), family.motions[generator.integers(len(family.motions))]

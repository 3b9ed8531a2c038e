"""Scenes drawn by chance: one to a few discs in a square arena, a start, a goal, one disc between them.

Scenes are made beforehand, once per process and the same for everybody: an environment asks for a fresh
episode at every step, so that must cost no more than picking one.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from safebench.env.picture import Discs
from safebench.navigation.geodesic import Ways, shortest_ways

ROUNDS = 400
"""Tries for a scene; of a few thousand scenes all are found long before."""
TRIES = 30
"""Tries for each further disc; one that finds no place is left out."""


@dataclass(frozen=True)
class Arena:
    """What scenes are like. Lengths in metres.

    half_width: of the square arena. radius: range of the discs', as the body's centre must avoid them.
    gap: least distance between two discs, and between a disc and a wall; half of it from start and goal to
        a disc, and the whole of it from start and goal to a wall.
    apart: least distance from start to goal. margin: what the shortest way keeps from the discs.
    discs: at most. Every scene has at least one, between start and goal.

    Raises:
        ValueError: if lengths do not fit: the margin must be less than half the gap, and a disc must fit in.
    """

    half_width: float
    radius: tuple[float, float]
    gap: float
    apart: float
    margin: float
    discs: int = 5

    def __post_init__(self):
        if not 0 < self.radius[0] <= self.radius[1]:
            raise ValueError(f"radius must be two positive numbers, the lesser first, not {self.radius}")
        if not 0 < self.margin < self.gap / 2:
            raise ValueError(f"margin must be between 0 and half the gap {self.gap}, not {self.margin}")
        if not self.radius[1] + self.gap < self.half_width:
            raise ValueError(
                f"a disc of radius {self.radius[1]} with a gap of {self.gap} does not fit into an arena of "
                f"half-width {self.half_width}"
            )
        if not 0 < self.apart < 2 * (self.half_width - self.gap):
            raise ValueError(f"start and goal cannot be {self.apart} apart in an arena of {self.half_width}")
        if self.discs < 1:
            raise ValueError(f"discs must be at least 1, not {self.discs}")


class Scene(NamedTuple):
    """One scene, or many with a leading axis. start [m]; discs: as the body's centre must avoid them."""

    start: Float[Array, "... 2"]
    discs: Discs
    ways: Ways

    @property
    def goal(self) -> Float[Array, "... 2"]:
        """Where to go [m]."""
        return self.ways.goal


@functools.cache
def scenes(arena: Arena, count: int = 4096, seed: int = 0) -> Scene:
    """Scenes with a leading axis, as numpy arrays; a second or so.

    Raises:
        ValueError: if the arena is so full that scenes are hardly found.
    """
    rng = np.random.default_rng(seed)
    start, goal, centre, radius = _first_disc(arena, count, rng)
    wanted = rng.integers(1, arena.discs + 1, count)
    for disc in range(1, arena.discs):
        missing = wanted > disc
        for _ in range(TRIES):
            size = rng.uniform(*arena.radius, count)
            place = _within(arena.half_width - arena.gap - size, rng)
            fits = missing & _fits(arena, place, size, start, goal, centre, radius)
            centre[fits, disc], radius[fits, disc] = place[fits], size[fits]
            missing &= ~fits
    return Scene(start, Discs(centre, radius), shortest_ways(goal, centre, radius, arena.margin))


def pick(many: Scene, key: PRNGKeyArray) -> Scene:
    """One of many scenes, each as likely."""
    index: Int[Array, ""] = jax.random.randint(key, (), 0, len(many.start))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float))[index], many)


def _within(half_width: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform points in squares."""
    return rng.uniform(-1, 1, (len(half_width), 2)) * half_width[:, None]


def _first_disc(arena: Arena, count: int, rng: np.random.Generator):
    """Start, goal and the disc between them; the other discs are not there yet."""
    start, goal = np.zeros((count, 2)), np.zeros((count, 2))
    centre, radius = np.zeros((count, arena.discs, 2)), np.full((count, arena.discs), -1.0)
    missing = np.ones(count, bool)
    room = np.full(count, arena.half_width - arena.gap)
    for _ in range(ROUNDS):
        a, b = _within(room, rng), _within(room, rng)
        line = b - a
        length = np.linalg.norm(line, axis=-1)
        size = rng.uniform(*arena.radius, count)
        aside = np.stack([-line[:, 1], line[:, 0]], axis=-1) / np.maximum(length, 1e-9)[:, None]
        offset = rng.uniform(-0.7, 0.7, count) * size  # of the way's straight line from the disc's centre
        place = a + rng.uniform(0.2, 0.8, count)[:, None] * line + offset[:, None] * aside
        fits = missing & (length >= arena.apart)
        fits &= (np.abs(place) <= (arena.half_width - arena.gap - size)[:, None]).all(axis=-1)
        fits &= _fits(arena, place, size, a, b, centre, radius)
        start[fits], goal[fits], centre[fits, 0], radius[fits, 0] = a[fits], b[fits], place[fits], size[fits]
        missing &= ~fits
        if not missing.any():
            return start, goal, centre, radius
    raise ValueError(f"{missing.sum()} of {count} scenes were not found in {ROUNDS} rounds: {arena}")


def _fits(arena: Arena, place, size, start, goal, centre, radius) -> np.ndarray:
    """Whether a disc keeps its distance from the start, the goal and the discs that are there."""
    fits = np.linalg.norm(centre - place[:, None], axis=-1) >= radius + size[:, None] + arena.gap
    fits = (fits | (radius < 0)).all(axis=-1)
    for end in (start, goal):
        fits &= np.linalg.norm(end - place, axis=-1) >= size + arena.gap / 2
    return fits

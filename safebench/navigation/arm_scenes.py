"""Scenes for an arm, drawn by chance: discs in its plane, where it starts, and a goal that it can come to.

Goals lie where chains of overlapping certified boxes of joint space lead from the start. A node of a lattice
is free if a box around it is certified: that of a corridor whose only reference is the node, with `spare` at
all sides. A corridor from a node to its neighbour is then free too: chains of nodes are chains of corridors.

As with `scenes`, scenes are made beforehand, once per process and the same for everybody: what is known of
joint space is a table, of which an episode's context holds only the number of its scene.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar
from scipy import ndimage

from safebench.env.picture import Discs, JointMap
from safebench.navigation.cell_ways import Lattice, length_at, shortest_lengths, way_at
from safebench.navigation.joint_space import JointGrid, TwoLinks, certified, integral_image

TRIES = 30
"""For each disc, of which one that finds no place is left out, and for each scene."""
STARTS = 8
"""Of each scene."""
STARTS_TRIED = 64
"""For those."""
SIGHTS = 64
"""Points at which a straight line is looked at."""


@dataclass(frozen=True)
class ArmArena:
    """What scenes are like.

    reach [rad]: how far the safe set reaches around its reference. spare [rad]: what must be certified beside
        it on every side. references [rad]: their limits, the certificate's. radius [m]: range of the discs'.
    away [m]: range of their centres' distances from the shoulder. gap [m]: least between two discs' rims.
    apart [rad]: least distance from start to goal, of the joint that has farther to go.
    discs: at most. Every scene has one, and a straight line from start to goal that is not free.

    Raises:
        ValueError: if lengths are not positive, or a disc may lie on the shoulder.
    """

    arm: TwoLinks
    grid: JointGrid
    reach: float
    spare: float
    references: tuple[float, float]
    radius: tuple[float, float]
    away: tuple[float, float]
    gap: float
    apart: float
    discs: int = 3

    def __post_init__(self):
        if not 0 < self.radius[0] <= self.radius[1]:
            raise ValueError(f"radius must be two positive numbers, the lesser first, not {self.radius}")
        if not self.radius[1] + self.arm.radius < self.away[0] <= self.away[1]:
            raise ValueError(
                f"away must be two numbers beyond {self.radius[1] + self.arm.radius:g} m, the lesser first, "
                f"so that no disc lies on the shoulder, not {self.away}"
            )
        if not min(self.reach, self.spare, self.apart) > 0:
            raise ValueError(
                f"reach, spare and apart must be positive: {self.reach}, {self.spare}, {self.apart}"
            )
        if self.discs < 1:
            raise ValueError(f"discs must be at least 1, not {self.discs}")

    @property
    def lattice(self) -> Lattice:
        """A node in the middle of every two by two cells."""
        size = 2 * self.grid.size
        return Lattice(size / 2 - np.array(self.grid.half_width), size, self.grid.cells // 2)


class ArmScene(NamedTuple):
    """One scene. number: in the tables. start, goal [rad]: joint angles. discs [m]: obstacles."""

    number: Int[Array, ""]
    start: Float[Array, " 2"]
    goal: Float[Array, " 2"]
    discs: Discs


class ArmScenes(NamedTuple):
    """Many scenes, as numpy arrays. image: of cells that are not certified. length: of ways to the goals."""

    arena: ArmArena
    starts: Float[np.ndarray, "scenes starts 2"]
    goal: Float[np.ndarray, "scenes 2"]
    discs: Discs
    image: Int[np.ndarray, "scenes corners corners"]
    length: Float[np.ndarray, "scenes nodes nodes"]


def pick_arm_scene(many: ArmScenes, key: PRNGKeyArray) -> ArmScene:
    """One of many scenes and one of its starts, each as likely."""
    which, where = jax.random.split(key)
    number = jax.random.randint(which, (), 0, len(many.goal), jnp.int32)
    start = jax.random.randint(where, (), 0, STARTS)

    def of_scene(array):
        return jnp.asarray(array, jnp.result_type(float))[number]

    return ArmScene(
        number, of_scene(many.starts)[start], of_scene(many.goal), Discs(*map(of_scene, many.discs))
    )


def joint_way(many: ArmScenes, scene: ArmScene, q: Float[Array, " 2"]) -> tuple[Scalar, Float[Array, " 2"]]:
    """The length [rad] of the shortest way from joint angles to the goal, and the direction it begins in."""
    return way_at(many.arena.lattice, many.length, scene.number, q)


def joint_way_length(many: ArmScenes, scene: ArmScene, q: Float[Array, " 2"]) -> Scalar:
    """The length [rad] of the shortest way from joint angles to the goal."""
    return length_at(many.arena.lattice, many.length, scene.number, q)


def joint_map(many: ArmScenes, scene: ArmScene) -> JointMap:
    """What a picture shows of a scene's joint space."""
    corners = jnp.asarray(many.image)[scene.number].astype(jnp.int32)
    half = jnp.asarray(many.arena.grid.half_width)
    return JointMap(jnp.diff(jnp.diff(corners, axis=0), axis=1) > 0, -half, half, scene.goal[None])


# Beforehand ------------------------------------------------------------------------------------------------


@functools.cache
def arm_scenes(arena: ArmArena, count: int = 512, seed: int = 0) -> ArmScenes:
    """Scenes with a leading axis; a few seconds.

    Raises:
        ValueError: if the arena is so full, or so empty, that scenes are hardly found.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[np.ndarray, ...]] = []
    for _ in range(TRIES * count):
        found += _scene(arena, rng)
        if len(found) == count:
            break
    if len(found) < count:
        raise ValueError(f"{len(found)} of {count} scenes were found: {arena}")
    starts, goal, centre, radius, image, free = (np.stack(part) for part in zip(*found, strict=True))
    length = shortest_lengths(arena.lattice, free, goal)
    lattice = arena.lattice
    discs: Any = (centre, radius)  # numpy here, jax where a scene is picked
    return ArmScenes(arena, starts, lattice.low + goal * lattice.size, Discs(*discs), image, length)


def _scene(arena: ArmArena, rng: np.random.Generator) -> list[tuple[np.ndarray, ...]]:
    """Starts, goal, discs, image, free nodes of a scene; nothing if no start has an obstacle in its way."""
    centre, radius = _discs(arena, rng)
    image = integral_image(certified(arena.arm, arena.grid, centre, radius))
    free = free_nodes(arena, image)
    nodes = np.argwhere(free)
    if not len(nodes):
        return []
    goal = nodes[rng.integers(len(nodes))]
    parts, _ = ndimage.label(free)
    joined = np.argwhere(free & (parts == parts[tuple(goal)]))
    tried = joined[rng.integers(len(joined), size=STARTS_TRIED)]
    lattice = arena.lattice
    far = (np.abs(tried - goal) * lattice.size).max(axis=1) >= arena.apart
    line = np.round(goal + np.linspace(0, 1, SIGHTS)[:, None, None] * (tried - goal)).astype(int)
    good = tried[far & ~free[line[..., 0], line[..., 1]].all(axis=0)]
    if not len(good):
        return []
    chosen = good[np.arange(STARTS) % len(good)]
    # Not only nodes: `spare` has room for that.
    jitter = rng.uniform(-1, 1, chosen.shape) * np.minimum(lattice.size / 2, 0.9 * arena.spare)
    return [(lattice.low + chosen * lattice.size + jitter, goal, centre, radius, image, free)]


def free_nodes(arena: ArmArena, image: Int[np.ndarray, "corners corners"]) -> Bool[np.ndarray, "nodes nodes"]:
    """The nodes around which a corridor fits."""
    lattice, grid = arena.lattice, arena.grid
    around = arena.reach + arena.spare
    ends, within = [], []
    for axis in range(2):
        node = lattice.low[axis] + lattice.size[axis] * np.arange(lattice.nodes)
        low = np.floor((node - around + grid.half_width[axis]) / grid.size[axis])
        high = np.ceil((node + around + grid.half_width[axis]) / grid.size[axis])
        ends.append([np.clip(end, 0, grid.cells).astype(int) for end in (low, high)])
        inside = (low >= 0) & (high <= grid.cells)
        within.append(inside & (np.abs(node) + arena.spare <= arena.references[axis]))
    (left, right), (below, above) = ends
    wide = image.astype(np.int32)
    corners = [
        wide[np.ix_(*sides)] for sides in ((right, above), (left, above), (right, below), (left, below))
    ]
    count = corners[0] - corners[1] - corners[2] + corners[3]
    return (count == 0) & within[0][:, None] & within[1][None, :]


def _discs(arena: ArmArena, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    centre, radius = np.zeros((arena.discs, 2)), np.full(arena.discs, -1.0)
    for disc in range(rng.integers(1, arena.discs + 1)):
        for _ in range(TRIES):
            size, angle = rng.uniform(*arena.radius), rng.uniform(-np.pi, np.pi)
            away = np.sqrt(rng.uniform(arena.away[0] ** 2, arena.away[1] ** 2))  # uniform in the plane
            place = away * np.array([np.cos(angle), np.sin(angle)])
            between = np.linalg.norm(centre - place, axis=1) - radius - size
            if (between[:disc] >= arena.gap).all():
                centre[disc], radius[disc] = place, size
                break
    return centre, radius

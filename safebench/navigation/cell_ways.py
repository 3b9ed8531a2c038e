"""The shortest way to a goal through the free nodes of a lattice, by sweeps over all of them at once.

The length u of the way solves |grad u| = 1 in the free part (the eikonal equation; upwind differences of
first order after Rouy and Tourin 1992). Each sweep takes every node at its neighbours' word; lengths only
fall, and after as many sweeps as the longest way has nodes nothing changes any more. What is left out then
gets a length too, growing ROUGH times as fast away from the rest: a point that strayed there is led back. At
run time u is interpolated between nodes, so that it has a derivative wherever a point is.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Scalar

from safebench.env.derivatives import safe_norm

ROUGH = 3.0
"""How much longer a way is outside of the free part."""
AT_ONCE = 64
"""Scenes that are swept together: as many as a processor's cache holds."""
SWEEPS = 4096
"""At most; a few hundred are needed."""
SETTLED = 1e-5
"""Radians (or metres): no length has changed by more in the last sweep."""
FAR = 1e6
"""What stands for an endless way while sweeping: sums with +inf are not numbers."""


class Lattice(NamedTuple):
    """Nodes low + size * (0, 1, ...) along two axes, `nodes` of them along either."""

    low: Float[np.ndarray, " 2"]
    size: Float[np.ndarray, " 2"]
    nodes: int


def shortest_lengths(
    lattice: Lattice, free: Bool[np.ndarray, "scenes nodes nodes"], goal: Int[np.ndarray, "scenes 2"]
) -> Float[np.ndarray, "scenes nodes nodes"]:
    """The lengths of shortest ways to goals; from nodes without a free way, of one that is not.

    free: nodes that a way may pass. goal: indices of nodes, which should be free.
    """
    start = np.full(free.shape, FAR, np.float32)
    start[np.arange(len(goal)), goal[:, 0], goal[:, 1]] = 0.0
    size = tuple(float(side) for side in lattice.size)
    length = np.empty_like(start)
    for first in range(0, len(goal), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        within = np.asarray(_swept(start[part], np.where(free[part], 1.0, 0.0), size))
        length[part] = _swept(within, np.where(within < FAR, 0.0, ROUGH), size)
    return length


@partial(jax.jit, static_argnames="size")
def _swept(length: Array, slowness: Array, size: tuple[float, float]) -> Float[Array, "scenes nodes nodes"]:
    """slowness: length of way per length; 0 where lengths are to stay as they are."""
    slowness = jnp.asarray(slowness, jnp.float32)
    beyond = jnp.float32(FAR)

    def least(length: Array, axis: int) -> Array:
        """The lesser of both neighbours along an axis."""
        pad = [(0, 0), (0, 0), (0, 0)]
        pad[axis] = (1, 1)
        wide = jnp.pad(length, pad, constant_values=beyond)
        count = length.shape[axis]
        before = jax.lax.slice_in_dim(wide, 0, count, axis=axis)
        return jnp.minimum(before, jax.lax.slice_in_dim(wide, 2, count + 2, axis=axis))

    one, two = (jnp.float32(side) for side in size)
    both = one**2 + two**2

    def sweep(state):
        length, _, count = state
        a, b = least(length, 1), least(length, 2)
        alone = jnp.minimum(a + slowness * one, b + slowness * two)
        # ((u - a) / one)^2 + ((u - b) / two)^2 = slowness^2, if that comes from both sides.
        root = both * slowness**2 - (a - b) ** 2
        middle = (two**2 * a + one**2 * b + one * two * jnp.sqrt(jnp.maximum(root, 0.0))) / both
        upwind = (root > 0) & (middle >= jnp.maximum(a, b))
        found = jnp.where(upwind, jnp.minimum(middle, alone), alone)
        found = jnp.where(slowness > 0, jnp.minimum(jnp.minimum(found, length), beyond), length)
        return found, jnp.max(length - found), count + 1

    def unsettled(state):
        return (state[1] > SETTLED) & (state[2] < SWEEPS)

    return jax.lax.while_loop(unsettled, sweep, (length, beyond, 0))[0]


# At run time, one point -----------------------------------------------------------------------------------


def length_at(
    lattice: Lattice,
    table: Float[np.ndarray, "scenes nodes nodes"],
    scene: Int[Array, ""],
    point: Float[Array, " 2"],
) -> Scalar:
    """The length of the shortest way from a point, interpolated between four nodes.

    Outside of the lattice it grows ROUGH times as fast as the distance to it.
    """
    low, size = jnp.asarray(lattice.low, point.dtype), jnp.asarray(lattice.size, point.dtype)
    within = jnp.clip(point, low, low + (lattice.nodes - 1) * size)
    place = (within - low) / size
    cell = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, lattice.nodes - 2)
    cell = jnp.nan_to_num(cell).astype(jnp.int32)
    share = place - cell.astype(point.dtype)
    known = jnp.asarray(table)
    lower, upper = (
        [known[scene, cell[0] + i, cell[1] + j].astype(point.dtype) for j in (0, 1)] for i in (0, 1)
    )
    sides = [low + share[1] * (high - low) for low, high in (lower, upper)]
    return sides[0] + share[0] * (sides[1] - sides[0]) + ROUGH * safe_norm(point - within)


def way_at(
    lattice: Lattice,
    table: Float[np.ndarray, "scenes nodes nodes"],
    scene: Int[Array, ""],
    point: Float[Array, " 2"],
    softness: float = 0.1,
) -> tuple[Scalar, Float[Array, " 2"]]:
    """The length of the shortest way from a point, and the direction in which it begins.

    The direction is that of differences over a node to either side. It is of length 1 but near the goal and
    where two ways are equally short, where it vanishes.
    """
    steps = jnp.asarray(np.diag(lattice.size), point.dtype)

    def at(point: Array) -> Scalar:
        return length_at(lattice, table, scene, point)

    ahead, behind = jax.vmap(at)(point + steps), jax.vmap(at)(point - steps)
    downhill = (behind - ahead) / (2 * jnp.asarray(lattice.size, point.dtype))
    return at(point), downhill / jnp.sqrt(jnp.sum(downhill**2) + softness**2)

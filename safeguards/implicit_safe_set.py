"""Implicit safe set algorithm: the safe action nearest along a fixed fan of directions, found by asking only.

Zhao, He, Wei, Liu, Liu, "Implicit safe set algorithm for provably safe reinforcement learning" (arXiv
2405.02754). From an unsafe action it reaches out along each direction in doubling steps until an action is
safe, halves the last step until the boundary is found, and takes the nearest of the actions found (AdamBA).
If no direction meets a safe action, it goes along the segment to one that is known to be safe. It never
reads a row of the action set for this, only whether an action is safe.

What is asked. The paper's action is safe if phi(x+) <= max(phi(x) - eta, 0) for a safety index phi. Here
phi = max_i (H x - h)_i of the certified set S = {phi <= 0}, for the worst disturbance. Episodes start in S,
where phi(x) <= 0 makes this phi(x+) <= 0, whatever eta: the action lies in the certified action set.

What is proven. The paper needs that every state has a safe action; it designs phi for that, under
assumptions on the dynamics. The certificate proves it for S, for the dynamics at hand and every disturbance.
So the paper's rule for designing phi, its assumptions and its convergence to S from outside are not needed.
Its second phase samples actions for a safe one; the certified one is known, and takes its place. Each
answer is compared with every row before it is applied (`guard`), so how well the search went decides the
distance alone.

Differences. Directions are fixed where the paper draws them: an answer is a function of state and action.
The derivative is that of this function: the direction stays, and the row that is met moves the boundary along
it. Where another direction becomes the nearest, the answer jumps.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from safebench.safeguard import (
    ActionSet,
    Gradient,
    Guarded,
    Safeguard,
    clip_to_box,
    contains,
    guard,
    near_least,
    require_choice,
    require_count,
    require_positive,
    require_share,
    require_weight,
    slacks,
    tighten,
)

CERTIFIED = True
"""Every action it returns was found in the certified action set, or is the certified one."""

COMPARED = 12
"""Halvings before directions are compared: their distances are then known to one part in 2^12 of a step."""
HALVINGS = 54
"""Halvings along the direction taken: to the rounding of float64."""
MOST_DIRECTIONS = 4096


@dataclass(frozen=True)
class Config:
    """directions: how many are tried; of one input there are two, whatever is asked for.
    step: length of the first step outwards, in (0, 1]; each next one is twice as long. A step may pass over
        what is thinner than itself.
    gradient: "exact", or "passthrough" (the action's derivative is taken to be the identity).
    regularisation: weight kappa of the learner's extra loss kappa |a_s - a|^2.
    """

    directions: int = 16
    step: float = 0.02
    gradient: Gradient = "exact"
    regularisation: float = 0.0

    def __post_init__(self):
        require_count("directions", self.directions, most=MOST_DIRECTIONS)
        require_positive("step", self.step)
        require_share("step", self.step)
        require_choice("gradient", self.gradient, Gradient)
        require_weight("regularisation", self.regularisation)


def make(config: Config = Config()) -> Safeguard:
    """The algorithm with fixed directions; safe actions stay as they are."""

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        return guard(a, actions, lambda a, actions: search(a, actions, config).action, config.gradient)

    return apply


class Found(NamedTuple):
    """An answer. met: whether a direction met a safe action; else it is on the segment to the centre."""

    action: Float[Array, " m"]
    met: Bool[Array, ""]


def search(a: Float[Array, " m"], actions: ActionSet, config: Config = Config()) -> Found:
    """Both phases, from the proposed action pulled into the box; the centre must satisfy every row."""
    target, start = tighten(actions), clip_to_box(a)
    fan = jnp.asarray(directions(a.shape[0], config.directions), a.dtype)
    low, high = jax.lax.stop_gradient(_reach_out(start, fan, target, config.step))
    nearest = jnp.argmin(high)
    met = jnp.isfinite(high[nearest])

    # A sum, not a lookup: under `vmap` a lookup is slow.
    one = (jnp.arange(len(fan)) == nearest)[:, None]
    way = jnp.where(met, jnp.sum(jnp.where(one, fan, 0.0), axis=0), target.centre - start)
    ends = jnp.where(met, low[nearest], 0.0), jnp.where(met, high[nearest], 1.0)
    t = _boundary(start, way, target, *ends)
    # From its safe end, the segment is met without rounding beyond it.
    found = jnp.where(met, start + t * way, target.centre + (1 - t) * (start - target.centre))
    return Found(jnp.where(contains(actions, a), a, found), met)


def directions(m: int, count: int) -> Float[np.ndarray, "count m"]:
    """Unit vectors that fill all directions evenly, always the same ones.

    Of one input, both. Of two, equal angles. Of more, the quantiles of a normal distribution at the points of
    an additive recurrence (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018),
    scaled to length one: a normal distribution has no preferred direction.
    """
    if m == 1:
        return np.array([[1.0], [-1.0]])
    if m == 2:
        angles = 2 * math.pi * np.arange(count) / count
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ratio = 2.0
    for _ in range(64):  # the root of ratio^(m + 1) = ratio + 1
        ratio = (1 + ratio) ** (1 / (m + 1))
    points = (0.5 + np.outer(np.arange(1, count + 1), ratio ** -np.arange(1.0, m + 1))) % 1
    vectors = np.vectorize(NormalDist().inv_cdf)(np.clip(points, 1e-9, 1 - 1e-9))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _reach_out(start, fan, target: ActionSet, step: float) -> tuple[Array, Array]:
    """Along each direction, the last unsafe and the first safe length found; both infinite if none is."""
    room, rates = slacks(target, start), jnp.sum(target.normals * fan[:, None, :], axis=2)
    doublings = math.ceil(math.log2(2 * math.sqrt(len(start)) / step + 1))  # across the box
    nowhere = jnp.full(len(fan), jnp.inf, start.dtype)

    def reach(k, ends):
        low, high = ends
        before, length = (step * (2.0 ** jnp.maximum(k - back, 0) - 1) for back in (1, 0))
        first = jnp.isinf(high) & _safe(room, rates, length)
        return jnp.where(first, before, low), jnp.where(first, length, high)

    ends = jax.lax.fori_loop(0, doublings + 1, reach, (nowhere, nowhere))  # the first is of length 0
    return _halve(room, rates, ends, COMPARED)


def _halve(room, rates, ends: tuple[Array, Array], times: int) -> tuple[Array, Array]:
    """Lengths around the boundary, the second of them safe, closer by 2^-times."""

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        inside = _safe(room, rates, middle)
        return jnp.where(inside, low, middle), jnp.where(inside, middle, high)

    return jax.lax.fori_loop(0, times, halve, ends)


def _safe(room: Float[Array, " rows"], rates: Float[Array, "*fan rows"], length: Array) -> Array:
    """Whether the action at a length along each direction is safe: all that the search asks."""
    return jnp.all(room - length[..., None] * rates >= 0, axis=-1)


def _boundary(start, way, target: ActionSet, low, high) -> Float[Array, ""]:
    """The safe length next to the boundary, with the derivative of the row that is met there.

    On the row n a = b, t = (b - n start) / (n way). Rows are read for the derivative alone.
    """
    room, rates = slacks(target, start), jnp.sum(target.normals * way, axis=1)
    fixed_room, fixed_rates = jax.lax.stop_gradient((room, rates))
    t = _halve(fixed_room, fixed_rates, (low, high), HALVINGS)[1]
    closing = fixed_rates < 0
    lengths = jnp.where(closing, fixed_room / jnp.where(closing, fixed_rates, 1.0), -jnp.inf)
    row = closing & near_least(-lengths)
    rate = jnp.sum(jnp.where(row, rates, 0.0))
    formula = jnp.sum(jnp.where(row, room, 0.0)) / jnp.where(rate < 0, rate, 1.0)
    outside = (high > 0) & (rate < 0)
    return t + jnp.where(outside, formula - jax.lax.stop_gradient(formula), 0.0)

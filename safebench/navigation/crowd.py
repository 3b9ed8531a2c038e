"""The corridors of many bodies: pairwise apart at every moment, exchanged one after the other.

Every body has a corridor of its own. Each step all of them shrink to little more than the references that
their bodies need, which keeps them apart; then one after the other, beginning with another one each time,
grows among those of the others as they are just then, farther the way its body is going. So no two free
boxes ever come closer than the bodies' size, and no two bodies touch, however many there are.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env.corridor import Corridor
from safebench.env.derivatives import safe_norm, smallest
from safebench.env.safe_set import SafeSet
from safebench.navigation.free_box import Blocks, Span, push

ASIDE = 0.25
"""Metres that every side of a free box is pushed out."""
AHEAD = 0.15
"""Metres more, for every m/s that the body goes that way."""
SEED = 0.05
"""Metres to either side of the middle reference that a corridor shrinks to."""
REST = 0.05
"""m/s: what `towards` counts for in the heading, so that only a body nearly at rest follows it."""
ROUNDING = 32.0
"""Machine epsilons of the largest coordinate that distances and free boxes may lose."""


def least_separation(lower: Float[Array, "bodies 2"], upper: Float[Array, "bodies 2"]) -> Scalar:
    """The least distance between two of many boxes, in metres; 0 where two overlap, +inf for a single one."""
    apart = jnp.maximum(lower[:, None] - upper[None], lower[None] - upper[:, None])
    distance = jax.vmap(jax.vmap(safe_norm))(jnp.maximum(apart, 0.0))
    return smallest(jnp.where(jnp.eye(len(lower), dtype=bool), jnp.inf, distance).ravel())


def crowd_clearance(safe_set: SafeSet, corridor: Corridor, apart: float) -> Scalar:
    """How much farther apart than `apart` the free boxes of any two bodies are, in metres; rounded down.

    corridor: two references a body, (x, y), body after body.
    """
    lower, upper = (side.reshape(-1, 2) for side in safe_sets.free_box(safe_set, corridor))
    return least_separation(lower, upper) - apart - _rounding(safe_set, lower.dtype)


def next_corridors(
    safe_set: SafeSet,
    x: Float[Array, " n"],
    velocity: Float[Array, "bodies 2"],
    towards: Float[Array, "bodies 2"],
    corridor: Corridor,
    apart: float,
    turn: Int[Array, ""],
) -> Corridor:
    """The corridors that the bodies at x take next.

    velocity [m/s]: of every body. towards: directions of length 1 to head for at rest. apart [m]: what any
    two free boxes keep between them. turn: which body grows first; count it up.

    A body outside of its corridor's set (an unguarded one) has its corridor shrink to where it is.
    """
    bodies, dtype = len(velocity), x.dtype
    limit = jnp.asarray(safe_set.translation_limits, dtype)
    below, above = (jnp.asarray(side, dtype) for side in (safe_set.free_low, safe_set.free_high))
    kept = safe_sets.contains(safe_set, x, corridor)
    least, most = safe_sets.references(safe_set, x, corridor)
    here = jnp.clip(jnp.asarray(safe_set.translations.T, dtype) @ x, -limit, limit)
    middle, half = 0.5 * (least + most), jnp.clip(0.5 * (most - least), 0.0, SEED)
    least = jnp.where(kept, jnp.maximum(least, middle - half), here)
    most = jnp.where(kept, jnp.minimum(most, middle + half), here)

    def pairs(sides: Array) -> Array:
        return sides.reshape(bodies, 2)

    boxes = Span(pairs(least + below), pairs(most + above))
    limits = Span(pairs(below - limit), pairs(above + limit))
    heading = velocity + REST * towards
    radius = jnp.full(bodies, apart + 2 * _rounding(safe_set, dtype), dtype)

    def grow(index: Int[Array, ""], boxes: Span) -> Span:
        body = (index + turn) % bodies
        others = Blocks(boxes.lower, boxes.upper, jnp.where(jnp.arange(bodies) == body, -1.0, radius))
        wish, own = heading[body], jax.tree.map(lambda side: side[body], boxes)
        within = jax.tree.map(lambda side: side[body], limits)
        main = jnp.argmax(jnp.abs(wish))
        for axis, ahead in ((main, True), (1 - main, True), (1 - main, False), (main, False)):
            upward = (wish[axis] > 0) == ahead
            reach = ASIDE + (AHEAD * jnp.abs(wish[axis]) if ahead else 0.0)
            own = push(own, axis + 2 * upward, others, within, reach)
        return jax.tree.map(lambda side, new: side.at[body].set(new), boxes, own)

    boxes = jax.lax.fori_loop(0, bodies, grow, boxes)
    # What adding and subtracting the reach rounds must not take a corridor beyond its limits.
    low = jnp.minimum(boxes.lower.ravel() - below, least)
    high = jnp.maximum(boxes.upper.ravel() - above, most)
    return Corridor(jnp.maximum(low, -limit), jnp.minimum(high, limit))


def _rounding(safe_set: SafeSet, dtype) -> float:
    largest = float(max(safe_set.translation_limits)) + float(max(safe_set.free_high - safe_set.free_low))
    return ROUNDING * float(jnp.finfo(dtype).eps) * largest

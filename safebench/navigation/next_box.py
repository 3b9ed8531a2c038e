"""Which free box a body takes next, whatever is in its way.

The rule: shrink the corridor to the references that the state admits, grow its free box anew in eight orders,
and take the box in which the body gets farthest the way it is heading, the old one if it is nearly as good.
The body's velocity is what it wants, so the learner steers the box; at rest it heads for `towards`, straight
to the goal or along the shortest way there. About one body in a hundred stays in a corner between two discs
for good: nearly at rest no box that leads out of it is worth more than the old one.
Two rules that look natural fail: the largest box, which seldom lies where the body is going, and obstacles
so close to each other that a box between them is smaller than the body needs to turn.

Lengths are metres of a body in the plane, radians of an arm.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env.corridor import Corridor
from safebench.env.derivatives import safe_norm
from safebench.env.safe_set import SafeSet
from safebench.navigation.free_box import Span, ray

AHEAD = 2.0
"""How far ahead a box is worth having."""
WIDTH = 0.1
"""What a unit of width (up to one) is worth, in units ahead."""
LOYALTY = 0.05
"""What the old box is worth more, in units ahead: it is not left for a trifle."""
REACH = 3.0
"""How far a side is pushed out at most: farther is out of sight."""
REST = 0.05
"""Per second: what `towards` counts for in the heading, so that only a body nearly at rest follows it."""


def next_box(
    safe_set: SafeSet,
    x: Float[Array, " n"],
    velocity: Float[Array, " 2"],
    towards: Float[Array, " 2"],
    corridor: Corridor,
    grow: Callable[[Span, Span], Span],
    clearance: Callable[[Corridor], Scalar],
) -> Corridor:
    """The corridor that a body at x takes next.

    safe_set: a moving one with two translations, the position. velocity: of the position, per second.
    towards: the direction to head for at rest, of length 1.
    grow: (free box, limits) -> free boxes that hold it, with a leading axis. clearance: of a corridor, 0 or
        more where it is free.

    It covers x where the old one does, is free where the old one is, and stays within the certificate's
    limits. A body outside of its corridor's set (an unguarded one) gets a box around where it is.
    """
    limit = jnp.asarray(safe_set.translation_limits, x.dtype)
    low, high = (jnp.asarray(side, x.dtype) for side in (safe_set.free_low, safe_set.free_high))
    position = jnp.asarray(safe_set.translations.T, x.dtype) @ x
    kept = safe_sets.contains(safe_set, x, corridor)
    least, most = safe_sets.references(safe_set, x, corridor)
    here = jnp.clip(position, -limit, limit)
    # One reference is enough, and the middle one needs the least room: growing all of them would ask for gaps
    # twice as wide.
    middle = jnp.where(kept, 0.5 * (least + most), here)
    least, most = middle, middle

    bounds = Span(-limit + low, limit + high)
    boxes = grow(Span(least + low, most + high), bounds)
    # What adding and subtracting `low` and `high` rounds must not take a corridor beyond its limits.
    lower, upper = jnp.minimum(boxes.lower - low, least), jnp.maximum(boxes.upper - high, most)
    new = Corridor(jnp.maximum(lower, -limit), jnp.minimum(upper, limit))
    every = jax.tree.map(lambda fresh, old: jnp.concatenate([fresh, old[None]]), new, corridor)

    heading = velocity + REST * towards
    length = safe_norm(heading)
    heading = heading / jnp.where(length > 0, length, 1.0)

    def worth(each: Corridor) -> Scalar:
        width = jnp.min(each.high - each.low)
        score = jnp.minimum(ray(Span(*each), middle, heading), AHEAD) + WIDTH * jnp.minimum(width, 1.0)
        return jnp.where((clearance(each) >= 0) | ~kept, score, -jnp.inf)

    score = jax.vmap(worth)(every)
    loyal = jnp.arange(len(score)) == len(score) - 1
    # A body that has left its corridor has no use for it.
    score = jnp.where(loyal, jnp.where(kept, score + LOYALTY, -jnp.inf), score)
    best = jnp.argmax(score)
    taken = jax.tree.map(lambda sides: sides[best], every)
    # Every new box holds a reference that x admits; what rounds may still put x outside of its set.
    covers = safe_sets.contains(safe_set, x, taken) | ~kept
    return jax.tree.map(lambda fresh, old: jnp.where(covers, fresh, old), taken, corridor)

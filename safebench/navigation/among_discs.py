"""The corridor of one body among discs: which free box it takes next.

The rule: shrink the corridor to the references that the state admits, grow its free box anew in eight orders,
and take the box in which the body gets farthest the way it is heading, the old one if it is nearly as good.
The body's velocity is what it wants, so the learner steers the box; at rest it heads for `towards`, straight
to the goal or along the shortest way there. About one body in a hundred stays in a corner between two discs
for good: nearly at rest no box that leads out of it is worth more than the old one.
Two rules that look natural fail: the largest box, which seldom lies where the body is going, and obstacles
so close to each other that a box between them is smaller than the body needs to turn.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from safebench.env import safe_set as safe_sets
from safebench.env.corridor import Corridor, Corridors, Start
from safebench.env.derivatives import safe_norm
from safebench.env.picture import Discs
from safebench.env.safe_set import SafeSet
from safebench.navigation.discs import box_clearance
from safebench.navigation.free_box import Span, grown, of_discs, ray
from safebench.navigation.geodesic import way
from safebench.navigation.scenes import Scene, pick
from safebench.sets.certificate import Certificate

AHEAD = 2.0
"""Metres: how far ahead a box is worth having."""
WIDTH = 0.1
"""What a metre of width (up to one) is worth, in metres ahead."""
LOYALTY = 0.05
"""What the old box is worth more, in metres ahead: it is not left for a trifle."""
REACH = 3.0
"""Metres that a side is pushed out at most: farther is out of sight."""
REST = 0.05
"""m/s: what `towards` counts for in the heading, so that only a body nearly at rest follows it."""


def among_discs(
    certificate: Certificate, many: Scene, velocity: tuple[int, int], guided: bool = False
) -> Corridors:
    """What moves the safe set of one body among the discs of scenes; the context of its task is a `Scene`.

    certificate: with the two coordinates of the position as translations. velocity: their rates' indices.
    guided: at rest the rule heads along the shortest way, which a learner may observe, instead of straight to
        the goal.

    Episodes begin at rest at a scene's start, in the smallest corridor there is: the start itself.

    Raises:
        ValueError: if the certificate has not two translations, or the free box of a start touches a disc.
    """
    if len(certificate.translation_limits) != 2:
        raise ValueError(
            f"a body among discs has 2 translations, its position: the certificate of {certificate.task!r} "
            f"has {len(certificate.translation_limits)}"
        )
    safe_set = safe_sets.from_certificate(certificate, moving=True)
    _check_starts(safe_set, many)

    def begin(key: PRNGKeyArray) -> Start:
        scene = pick(many, key)
        rest = jnp.asarray(certificate.origin, scene.start.dtype)
        moved = jnp.asarray(certificate.translations, scene.start.dtype) @ scene.start
        return Start(rest + moved, scene, Corridor(scene.start, scene.start))

    def move(x: Float[Array, " n"], scene: Scene, corridor: Corridor) -> Corridor:
        position = jnp.asarray(certificate.translations.T, x.dtype) @ x
        towards = way(scene.ways, position)[1] if guided else scene.goal - position
        length = safe_norm(towards)
        towards = towards / jnp.where(length > 0, length, 1.0)
        return next_corridor(safe_set, scene.discs, x, x[jnp.array(velocity)], towards, corridor)

    return Corridors(
        begin=begin,
        move=move,
        clearance=lambda scene, corridor: corridor_clearance(safe_set, scene.discs, corridor),
    )


def _check_starts(safe_set: SafeSet, many: Scene) -> None:
    clear = jax.vmap(
        lambda scene: corridor_clearance(safe_set, scene.discs, Corridor(scene.start, scene.start))
    )
    least = float(jnp.min(jax.jit(clear)(jax.tree.map(jnp.asarray, many))))
    reach = (abs(many.start) > safe_set.translation_limits).any()
    if least < 0 or reach:
        raise ValueError(
            f"the free box of a start overlaps a disc by {-least:.3g} m: widen the scenes' gap"
            if least < 0
            else "a start lies beyond the certificate's translation limits: widen the scenes' gap"
        )


def corridor_clearance(safe_set: SafeSet, discs: Discs, corridor: Corridor) -> Scalar:
    """How far the free box of a corridor stays clear of all discs, in metres; rounded down."""
    return box_clearance(discs, *safe_sets.free_box(safe_set, corridor))


def next_corridor(
    safe_set: SafeSet,
    discs: Discs,
    x: Float[Array, " n"],
    velocity: Float[Array, " 2"],
    towards: Float[Array, " 2"],
    corridor: Corridor,
) -> Corridor:
    """The corridor that a body at x takes next.

    safe_set: a moving one with two translations, the position. velocity [m/s]: of the position.
    towards: the direction to head for at rest, of length 1.

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
    boxes = grown(Span(least + low, most + high), of_discs(discs, bounds), bounds, REACH)
    # What adding and subtracting `low` and `high` rounds must not take a corridor beyond its limits.
    lower, upper = jnp.minimum(boxes.lower - low, least), jnp.maximum(boxes.upper - high, most)
    new = Corridor(jnp.maximum(lower, -limit), jnp.minimum(upper, limit))
    every = jax.tree.map(lambda fresh, old: jnp.concatenate([fresh, old[None]]), new, corridor)

    heading = velocity + REST * towards
    length = safe_norm(heading)
    heading = heading / jnp.where(length > 0, length, 1.0)

    def worth(each: Corridor) -> Scalar:
        usable = safe_sets.contains(safe_set, x, each) & (corridor_clearance(safe_set, discs, each) >= 0)
        width = jnp.min(each.high - each.low)
        score = jnp.minimum(ray(Span(*each), middle, heading), AHEAD) + WIDTH * jnp.minimum(width, 1.0)
        return jnp.where(usable | ~kept, score, -jnp.inf)

    score = jax.vmap(worth)(every)
    loyal = jnp.arange(len(score)) == len(score) - 1
    # A body that has left its corridor has no use for it.
    score = jnp.where(loyal, jnp.where(kept, score + LOYALTY, -jnp.inf), score)
    best = jnp.argmax(score)
    return jax.tree.map(lambda sides: sides[best], every)

"""Free boxes around a body: grown from where it is until something is in the way.

What is in the way is a rounded rectangle: all points within `radius` of a rectangle. A disc is one whose
rectangle is a point, a body with a box of its own is one whose radius is what both bodies need. One side of
the box is pushed out at a time: what the side would sweep first bounds it, so a box that was free stays free.
Which sides go first decides the box; there is no largest one that suits all, so a rule rates several.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from safebench.env.derivatives import smallest
from safebench.env.picture import Discs
from safebench.navigation.discs import rounding


class Blocks(NamedTuple):
    """Rounded rectangles. lower, upper, radius [m]; a radius below zero: not there."""

    lower: Float[Array, "blocks 2"]
    upper: Float[Array, "blocks 2"]
    radius: Float[Array, " blocks"]


class Span(NamedTuple):
    """An axis-aligned box in the plane, lower <= upper, in metres."""

    lower: Float[Array, " 2"]
    upper: Float[Array, " 2"]


def of_discs(discs: Discs, limits: Span) -> Blocks:
    """Discs as what is in the way of boxes within `limits`, with twice the rounding of `box_clearance`.

    A box that is grown up to there is still free to the test, whatever is rounded.
    """
    margin = 2 * rounding(discs, limits.lower, limits.upper)
    return Blocks(discs.centre, discs.centre, jnp.where(discs.radius < 0, -1.0, discs.radius + margin))


def _orders() -> np.ndarray:
    """Round the box from each of its four sides, either way: alternating axes, eight orders.

    Sides are 0: lower x, 1: lower y, 2: upper x, 3: upper y.
    """
    around = np.arange(4)
    return np.array([(first + turn * around) % 4 for first in range(4) for turn in (1, -1)])


ORDERS = _orders()


def push(span: Span, side: Int[Array, ""], blocks: Blocks, limits: Span, reach: float | Scalar) -> Span:
    """Push one side of a box out: to the first block, the limits, or by `reach`, whichever comes first.

    side: 0: lower x, 1: lower y, 2: upper x, 3: upper y.
    """
    upward = side >= 2
    axis = side % 2
    sign = jnp.where(upward, 1.0, -1.0).astype(span.lower.dtype)

    def across(pair):  # the coordinate on the other axis
        return jnp.where(axis == 0, pair[..., 1], pair[..., 0])

    def along(pair):
        return jnp.where(axis == 0, pair[..., 0], pair[..., 1])

    gap = jnp.maximum(across(blocks.lower) - across(span.upper), across(span.lower) - across(blocks.upper))
    gap = jnp.maximum(gap, 0.0)
    meets = gap < blocks.radius
    depth = jnp.sqrt(jnp.where(meets, blocks.radius**2 - gap**2, 1.0))
    # With the sign, "up" is the way to push for both sides.
    near = jnp.where(upward, along(blocks.lower), -along(blocks.upper))
    middle = sign * 0.5 * (along(blocks.lower) + along(blocks.upper))
    ahead = middle > sign * 0.5 * (along(span.lower) + along(span.upper))
    now = jnp.where(upward, along(span.upper), -along(span.lower))
    wall = jnp.where(upward, along(limits.upper), -along(limits.lower))
    first = smallest(jnp.where(meets & ahead, near - depth, jnp.inf))
    pushed = sign * jnp.maximum(now, jnp.minimum(jnp.minimum(first, wall), now + reach))
    here = jnp.arange(2) == axis
    return Span(jnp.where(here & ~upward, pushed, span.lower), jnp.where(here & upward, pushed, span.upper))


def grow(
    span: Span, order: Int[Array, " 4"], blocks: Blocks, limits: Span, reach: float | Scalar = 3.0
) -> Span:
    """The box after all its sides are pushed out, in an order.

    span: free to begin with; a box that is not stays as unfree as it is. limits: what it must not leave.
    reach: how far each side moves at most, in metres.
    """
    for turn in range(4):
        span = push(span, order[turn], blocks, limits, reach)
    return span


def grown(span: Span, blocks: Blocks, limits: Span, reach: float | Scalar = 3.0) -> Span:
    """`grow` in all eight orders: boxes with a leading axis."""
    return jax.vmap(lambda order: grow(span, order, blocks, limits, reach))(jnp.asarray(ORDERS))


def ray(span: Span, point: Float[Array, " 2"], direction: Float[Array, " 2"]) -> Scalar:
    """How far a ray from a point in the box runs inside of it, in metres; direction: of length 1, or 0."""
    room = jnp.where(direction > 0, span.upper - point, point - span.lower)
    speed = jnp.abs(direction)
    moving = speed > 1e-6
    return smallest(jnp.where(moving, jnp.maximum(room, 0.0) / jnp.where(moving, speed, 1.0), jnp.inf))

"""Rays from a safe centre: how far a proposed action is from the boundaries of two sets.

The gauge (Minkowski functional) of a set around c is gamma(v) = max_i A_i v / (b_i - A_i c): the
point c + v is inside the set exactly where gamma(v) <= 1, and c + v / gamma(v) is on its boundary.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from safebench.env.action_set import ActionSet, slacks, tighten
from safebench.env.derivatives import near_least
from safebench.env.projection import interval


class Ray(NamedTuple):
    """The ray from the centre through a proposed action.

    start: the centre c.
    end: the proposed action, pulled back along the ray to the box if it lies outside.
    direction: end - start.
    safe: gauge of `direction` in the action set, gamma_S = |v| / lambda_S.
    box: gauge of `direction` in the box, gamma_A = |v| / lambda_A, at most 1.
    moving: whether the direction is long enough to have gauges whose quotients are numbers.
    """

    start: Float[Array, " m"]
    end: Float[Array, " m"]
    direction: Float[Array, " m"]
    safe: Float[Array, ""]
    box: Float[Array, ""]
    moving: Bool[Array, ""]


def cast(a: Float[Array, " m"], actions: ActionSet, centre: Float[Array, " m"]) -> Ray:
    """The ray through `a` from `centre`, a point that satisfies every row.

    gamma_S >= gamma_A, with equality to the last bit where the ray meets the box before any other
    row; both are 0 exactly where a = centre.
    """
    m = a.shape[0]
    direction = a - centre
    target = tighten(actions, centre)
    if m == 1:
        low, high = interval(target)
        safe, box = _gauge_in(low, high, centre, direction), _gauge_in(-1.0, 1.0, centre, direction)
    else:
        rates, room = _rates(target.normals, direction), slacks(target, centre)
        safe, box = _gauge(rates, room), _gauge(rates[-2 * m :], room[-2 * m :])
    outside = box > 1
    pull = jnp.where(outside, 1.0 / jnp.where(outside, box, 1.0), 1.0)
    end = jnp.where(outside, centre + pull * direction, a)
    moving = box > _nothing(box.dtype)
    return Ray(centre, end, pull * direction, pull * safe, jnp.where(outside, 1.0, box), moving)


def _nothing(dtype) -> float:
    """Gauges and slacks below this are treated as zero: the fourth power of eps is still a number."""
    return float(jnp.finfo(dtype).eps) ** 2


def _rates(normals: Float[Array, "rows m"], direction: Float[Array, " m"]) -> Float[Array, " rows"]:
    return jnp.sum(normals * direction, axis=1)


def _ratio(rates: Array, room: Array) -> Array:
    """rates / room; a row without room is infinitely near (a large finite number) if the ray meets it."""
    none = _nothing(rates.dtype)
    open_rows = room > none
    ratios = rates / jnp.where(open_rows, room, 1.0)
    return jnp.where(open_rows, ratios, jnp.where(rates > 0, 1 / none, 0.0))


def _gauge(rates: Float[Array, " rows"], room: Float[Array, " rows"]) -> Float[Array, ""]:
    """The largest ratio, at least 0, with the derivative of the rows that attain it (their mean)."""
    ratios = jax.lax.stop_gradient(_ratio(rates, room))
    largest = jnp.max(ratios)
    binding = near_least(-ratios)
    # Masked sums, not lookups: under `vmap` a lookup's derivative is a scatter, slow on the CPU.
    rate, space = jnp.sum(jnp.where(binding, rates, 0.0)), jnp.sum(jnp.where(binding, room, 0.0))
    gauge = _ratio(rate, space)
    return jnp.maximum(largest + (gauge - jax.lax.stop_gradient(gauge)), 0.0)


def _gauge_in(low, high, centre: Float[Array, " 1"], direction: Float[Array, " 1"]) -> Float[Array, ""]:
    """The gauge of the interval [low, high] around the centre: faster than that of the rows it comes from."""
    room = jnp.where(direction > 0, high - centre, centre - low)
    rate = jnp.where(direction > 0, direction, -direction)  # |direction|, with a derivative at 0 as well
    return _ratio(rate, room)[0]

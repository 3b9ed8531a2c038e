"""Rays from a safe centre: how far a proposed action is from the boundaries of two sets.

The gauge (Minkowski functional) of a set around c is gamma(v) = max_i A_i v / (b_i - A_i c): the
point c + v is inside the set exactly where gamma(v) <= 1, and c + v / gamma(v) is on its boundary.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.action_set import ActionSet, slacks, tighten


class Ray(NamedTuple):
    """The ray from the centre through a proposed action.

    start: the centre c.
    end: the proposed action, pulled back along the ray to the box if it lies outside.
    direction: end - start.
    safe: gauge of `direction` in the action set, gamma_S = |v| / lambda_S.
    box: gauge of `direction` in the box, gamma_A = |v| / lambda_A, at most 1.
    """

    start: Float[Array, " m"]
    end: Float[Array, " m"]
    direction: Float[Array, " m"]
    safe: Float[Array, ""]
    box: Float[Array, ""]


def cast(a: Float[Array, " m"], actions: ActionSet, centre: Float[Array, " m"]) -> Ray:
    """The ray through `a` from `centre`, a point that satisfies every row.

    gamma_S >= gamma_A, with equality to the last bit where the ray meets the box before any other
    row; both are 0 exactly where a = centre.
    """
    m = a.shape[0]
    direction = a - centre
    room = slacks(tighten(actions, centre), centre)
    rates = actions.normals @ direction
    safe = gauge(rates, room)
    box = gauge(rates[-2 * m :], room[-2 * m :])
    outside = box > 1
    pull = jnp.where(outside, 1.0 / jnp.where(outside, box, 1.0), 1.0)
    end = jnp.where(outside, centre + pull * direction, a)
    return Ray(centre, end, pull * direction, pull * safe, jnp.where(outside, 1.0, box))


def gauge(rates: Float[Array, " rows"], room: Float[Array, " rows"]) -> Float[Array, ""]:
    """max_i rates_i / room_i, at least 0, differentiable through the binding row alone.

    A row without room counts as infinitely near (a large finite number) if the ray runs into it.
    """
    none = jnp.finfo(rates.dtype).eps ** 2

    def ratio(rate, space):
        open_row = space > none
        return jnp.where(open_row, rate / jnp.where(open_row, space, 1.0), jnp.where(rate > 0, 1 / none, 0.0))

    binding = jnp.argmax(jax.lax.stop_gradient(ratio(rates, room)))
    return jnp.maximum(ratio(rates[binding], room[binding]), 0.0)

"""A set of actions as rows: what a safeguard is given, and what it may ask of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class ActionSet(NamedTuple):
    """{a in [-1, 1]^m : normals @ a <= offsets}; the last 2 m rows are the box itself.

    `centre` is a certified action: the origin of rays and the last resort.
    `barrier` is the slack of the safe set's own rows at the current state, h - H x, in the order of
    the rows; only safeguards made from barrier conditions read it.
    """

    normals: Float[Array, "rows m"]
    offsets: Float[Array, " rows"]
    centre: Float[Array, " m"]
    barrier: Float[Array, " state_rows"] | None = None


def slacks(actions: ActionSet, action: Float[Array, " m"]) -> Float[Array, " rows"]:
    """offsets - normals @ action: non-negative exactly where the action is in the set."""
    # Not a matrix product: XLA's batched one is three times slower on the CPU for so few columns.
    return actions.offsets - jnp.sum(actions.normals * action, axis=1)


def contains(actions: ActionSet, action: Float[Array, " m"], roundings: float = 1.0) -> Bool[Array, ""]:
    """Whether the action satisfies every row, up to the rounding of evaluating it (False for NaN).

    An action that is in the set in exact arithmetic is never refused. One that is accepted breaks a
    row by at most `roundings` (m + 1) eps |normal|_1 and a bit, far less than the margin that the
    offsets already hold back (safebench.sets.rounding). Box rows are evaluated without rounding.
    """
    allowance = roundings * (actions.normals.shape[1] + 1) * _rounding(actions)
    # A row so long that its norm overflows has no rounding that could be allowed for: it refuses.
    return jnp.all((slacks(actions, action) >= -allowance) & jnp.isfinite(allowance))


def tighten(actions: ActionSet, centre: Float[Array, " m"] | None = None) -> ActionSet:
    """The same set with its state rows moved inwards by a few roundings, a target for numerical answers.

    An answer that meets a moved row up to its own rounding satisfies the true row however the
    product `normals @ a` is evaluated. A row never moves beyond half its slack at the centre, so
    the set never becomes empty. The box rows stay.
    """
    centre = actions.centre if centre is None else centre
    room = jnp.maximum(0.5 * slacks(actions, centre), 0.0)
    inwards = jax.lax.stop_gradient(jnp.minimum(16 * _rounding(actions), room))
    return actions._replace(offsets=actions.offsets - inwards, centre=centre)


def _rounding(actions: ActionSet) -> Float[Array, " rows"]:
    """eps |normal|_1 for the state rows, zero for the box rows."""
    rows, m = actions.normals.shape
    rounding = jnp.finfo(actions.normals.dtype).eps * jnp.sum(jnp.abs(actions.normals), axis=1)
    return jnp.where(jnp.arange(rows) < rows - 2 * m, rounding, 0.0)


def with_box(
    normals: Float[Array, "rows m"],
    offsets: Float[Array, " rows"],
    centre: Float[Array, " m"],
    barrier: Float[Array, " state_rows"] | None = None,
) -> ActionSet:
    """An action set from its own rows and the box rows -1 <= a <= 1."""
    identity = jnp.eye(normals.shape[1], dtype=normals.dtype)
    ones = jnp.ones(2 * normals.shape[1], dtype=offsets.dtype)
    return ActionSet(
        jnp.concatenate([normals, identity, -identity]), jnp.concatenate([offsets, ones]), centre, barrier
    )

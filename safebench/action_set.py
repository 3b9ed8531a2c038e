"""The safe action set at a state, from the exact one-step model and a robust control invariant set."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class ActionSet(NamedTuple):
    """{a in [-1, 1]^m : normals @ a <= offsets}; the last 2 m rows are the box itself.

    `centre` is a certified action: the origin of rays and the last resort.
    """

    normals: Float[Array, "rows m"]
    offsets: Float[Array, " rows"]
    centre: Float[Array, " m"]


class Affine(NamedTuple):
    """The exact one-step model at a state x: x+ = drift + control @ a + noise @ w."""

    drift: Float[Array, " n"]
    control: Float[Array, "n m"]
    noise: Float[Array, "n q"]


def predict(affine: Affine, action: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
    """The next state for one action and one disturbance."""
    return affine.drift + affine.control @ action + affine.noise @ w


def slacks(actions: ActionSet, action: Float[Array, " m"]) -> Float[Array, " rows"]:
    """offsets - normals @ action: non-negative exactly where the action is in the set."""
    return actions.offsets - actions.normals @ action


def with_box(
    normals: Float[Array, "rows m"], offsets: Float[Array, " rows"], centre: Float[Array, " m"]
) -> ActionSet:
    """An action set from its own rows and the box rows -1 <= a <= 1."""
    identity = jnp.eye(normals.shape[1], dtype=normals.dtype)
    ones = jnp.ones(2 * normals.shape[1], dtype=offsets.dtype)
    return ActionSet(
        jnp.concatenate([normals, identity, -identity]), jnp.concatenate([offsets, ones]), centre
    )

"""The safeguard interface: one pure function from a proposed action and an action set to a safe action."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from safebench.action_set import ActionSet, slacks


class Guarded(NamedTuple):
    """What a safeguard returns.

    action: the action to apply, shape (m,).
    distance: |action - proposed| (Euclidean, in normalised actions).
    feasible: the action set was found non-empty (its certified centre satisfies every row).
    last_line: the safeguard's own answer broke a row and was shrunk to the certified centre.
    finite: the proposed action had no NaN or infinity (else the centre was applied).
    """

    action: Float[Array, " m"]
    distance: Float[Array, ""]
    feasible: Bool[Array, ""]
    last_line: Bool[Array, ""]
    finite: Bool[Array, ""]


Safeguard = Callable[[Float[Array, " m"], ActionSet], Guarded]


def safe_norm(v: Float[Array, " m"]) -> Float[Array, ""]:
    """Euclidean norm whose gradient at zero is zero instead of NaN."""
    squared = jnp.sum(v * v)
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def is_feasible(actions: ActionSet) -> Bool[Array, ""]:
    """Whether the certified centre satisfies every row (False also for NaN)."""
    return jnp.all(slacks(actions, actions.centre) >= 0)

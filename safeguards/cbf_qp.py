"""Control barrier function: the nearest action that lets no margin of the safe set shrink too fast.

A quadratic program with a discrete-time barrier condition per row of the safe set, for the worst
disturbance: (h - H x+)_i >= (1 - rate) (h - H x)_i (Agrawal and Sreenath, "Discrete control barrier
functions for safety-critical control of discrete systems", RSS 2017). The rows are those of the
certified set S, so the condition is stricter than staying in S: certified. rate = 1 is the boundary
projection. Where the certified law itself does not meet a row's condition, the row asks for what the
law achieves, so that the program always has a solution.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.safeguard import (
    ActionSet,
    Gradient,
    Guarded,
    Safeguard,
    guard,
    project,
    require_choice,
    require_positive,
    require_share,
    require_weight,
    slacks,
)

CERTIFIED = True
"""Every action it returns lies in the certified action set."""


@dataclass(frozen=True)
class Config:
    """rate: largest share of its margin that a row may lose in one step, in (0, 1].
    gradient: "exact", or "passthrough" (the action's derivative is taken to be the identity).
    regularisation: weight kappa of the learner's extra loss kappa |a_s - a|^2.
    """

    rate: float = 0.5
    gradient: Gradient = "exact"
    regularisation: float = 0.0

    def __post_init__(self):
        require_positive("rate", self.rate)
        require_share("rate", self.rate)
        require_choice("gradient", self.gradient, Gradient)
        require_weight("regularisation", self.regularisation)


def make(config: Config = Config()) -> Safeguard:
    """The projection onto the actions that meet the barrier condition.

    The returned safeguard raises ValueError for an action set without `barrier`.
    """

    def filter_action(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
        return project(a, barrier_set(actions, config.rate))

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        if actions.barrier is None:
            raise ValueError("cbf-qp needs ActionSet.barrier, the slacks h - H x of the safe set's rows")
        return guard(a, actions, filter_action, config.gradient)

    return apply


def barrier_set(actions: ActionSet, rate: float) -> ActionSet:
    """The subset of the action set that meets the barrier condition as far as the certified law does.

    The action set says H x+ <= h for the worst disturbance; the condition takes (1 - rate) (h - H x)
    off the offset, but never more than the centre's slack.

    Raises:
        ValueError: if the barrier does not have one slack per row before the box rows.
    """
    rows, m = actions.normals.shape
    if actions.barrier is None or actions.barrier.shape != (rows - 2 * m,):
        found = None if actions.barrier is None else actions.barrier.shape
        raise ValueError(f"ActionSet.barrier must have shape ({rows - 2 * m},), not {found}")
    kept = (1 - rate) * jnp.maximum(actions.barrier, 0.0)
    kept = jnp.concatenate([kept, jnp.zeros(2 * m, kept.dtype)])  # the box rows stay
    return actions._replace(offsets=actions.offsets - jnp.minimum(kept, slacks(actions, actions.centre)))

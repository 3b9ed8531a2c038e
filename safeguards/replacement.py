"""Replacement: safe actions pass, unsafe ones are replaced by the certified action.

a_s = a if a is in the action set, else the centre. Not continuous; an unsafe action gets no gradient.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.safeguard import (
    ActionSet,
    Gradient,
    Guarded,
    Safeguard,
    contains,
    guard,
    require_choice,
    require_weight,
)

CERTIFIED = True
"""Every action it returns lies in the certified action set."""


@dataclass(frozen=True)
class Config:
    """gradient: "exact", or "passthrough" (the action's derivative is taken to be the identity).
    regularisation: weight kappa of the learner's extra loss kappa |a_s - a|^2.
    """

    gradient: Gradient = "exact"
    regularisation: float = 0.0

    def __post_init__(self):
        require_choice("gradient", self.gradient, Gradient)
        require_weight("regularisation", self.regularisation)


def make(config: Config = Config()) -> Safeguard:
    """The proposed action where it is safe, else the certified one."""

    def replace(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
        return jnp.where(contains(actions, a), a, actions.centre)

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        return guard(a, actions, replace, config.gradient)

    return apply

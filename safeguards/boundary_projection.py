"""Boundary projection: the safe action nearest to the proposed one.

a_s = argmin |a_s - a|^2 over the action set. Safe actions stay as they are. The Jacobian has rank
m minus the number of active rows: with one input, an unsafe action gets no gradient at all.
"""

from dataclasses import dataclass

from jaxtyping import Array, Float

from safebench.safeguard import (
    ActionSet,
    Gradient,
    Guarded,
    Safeguard,
    guard,
    project,
    require_choice,
    require_weight,
)

CERTIFIED = True
"""Its actions lie in the certified safe action set."""


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
    """The exact projection, of any input dimension."""

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        return guard(a, actions, project, config.gradient)

    return apply

"""Ray mask, linear: every proposed action is drawn towards the centre until the box fits the safe set.

a_s = c + v gamma_A(v) / gamma_S(v) with v = a - c and the gauges of box and action set around c.
The identity along rays on which every action of the box is safe; the Jacobian has full rank and
determinant rho^m, rho = gamma_A / gamma_S.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.safeguard import (
    ActionSet,
    Centre,
    Gradient,
    Guarded,
    Safeguard,
    cast,
    finder,
    guard,
    require_choice,
    require_weight,
)

CERTIFIED = True
"""Its actions lie in the certified safe action set."""


@dataclass(frozen=True)
class Config:
    """gradient: "exact", or "passthrough" (the action's derivative is taken to be the identity).
    centre: where the rays start: "certificate" (the certified law), "orthogonal", "zonotopic" or
        "chebyshev"; see safebench.env.centre.
    regularisation: weight kappa of the learner's extra loss kappa |a_s - a|^2.
    """

    gradient: Gradient = "exact"
    centre: Centre = "certificate"
    regularisation: float = 0.0

    def __post_init__(self):
        require_choice("gradient", self.gradient, Gradient)
        require_choice("centre", self.centre, Centre)
        require_weight("regularisation", self.regularisation)


def one_to_one(config: Config) -> bool:
    """Whether rays start at a point that no proposal moves, and the derivative is the map's own."""
    return config.centre != "orthogonal" and config.gradient == "exact"


def make(config: Config = Config()) -> Safeguard:
    """The linear ray mask. At the centre itself, where no derivative exists, the Jacobian is the identity."""
    find_centre = finder(config.centre)

    def mask(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
        r = cast(a, actions, find_centre(a, actions))
        scale = jnp.where(r.moving, r.box / jnp.where(r.moving, r.safe, 1.0), 1.0)
        return jnp.where(scale == 1.0, r.end, r.start + scale * r.direction)

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        return guard(a, actions, mask, config.gradient)

    return apply

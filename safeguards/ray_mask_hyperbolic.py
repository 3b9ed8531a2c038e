"""Ray mask, hyperbolic: like the linear one, but actions near the centre hardly move.

a_s = c + v tanh(gamma_S) / (gamma_S tanh(gamma_S / gamma_A)) with v = a - c and the gauges of action
set and box around c. Along a ray the derivative is sech^2(gamma_S) / tanh(gamma_S / gamma_A):
positive, and largest near the centre.
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
"""Every action it returns lies in the certified action set."""


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
    """The hyperbolic ray mask. At the centre, where no derivative exists, the Jacobian is the identity."""
    find_centre = finder(config.centre)

    def mask(a: Float[Array, " m"], actions: ActionSet) -> Float[Array, " m"]:
        r = cast(a, actions, find_centre(a, actions))
        gauge = jnp.where(r.moving, r.safe, 1.0)
        reach = gauge / jnp.where(r.moving, r.box, 1.0)  # lambda_A / lambda_S >= 1
        scale = jnp.where(r.moving, _tanh_ratio(gauge) / jnp.tanh(reach), 1.0)
        return r.start + scale * r.direction

    def apply(a: Float[Array, " m"], actions: ActionSet) -> Guarded:
        return guard(a, actions, mask, config.gradient)

    return apply


def _tanh_ratio(x: Float[Array, ""]) -> Float[Array, ""]:
    """tanh(x) / x for x >= 0, by its series where the quotient's derivative would cancel."""
    small = x < 1e-2
    y = jnp.where(small, 1.0, x)
    square = jnp.where(small, x, 0.0) ** 2
    series = 1.0 - square * (1 / 3 - square * (2 / 15 - square * (17 / 315)))
    return jnp.where(small, series, jnp.tanh(y) / y)

"""What a proof may assume of a system: an affine model and a rigorous bound on everything else.

An inclusion speaks of the one-step map over ALL states in the constraint box, all actions in
[-1, 1]^m and all disturbances in the disturbance box, in coordinates y = x - origin:

    y+  in  A y + B a + { residuals r with g . r <= support(g) for every g }.

The synthesis searches with it, the verifier proves with it, and neither knows what is inside.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.sets.polytope import Box

Array = np.ndarray


class Inclusion(NamedTuple):
    """See the module. `support` maps directions (k, n) to rigorous upper bounds (k,), outward-rounded."""

    origin: Float[Array, " n"]
    state: Float[Array, "n n"]
    action: Float[Array, "n m"]
    support: Callable[[Float[Array, "k n"]], Float[Array, " k"]]


def linear_inclusion(
    state: Float[Array, "n n"],
    action: Float[Array, "n m"],
    noise: Float[Array, "n q"],
    constant: Float[Array, " n"],
    constraints: Box,
    disturbance: Box,
    origin: Float[Array, " n"] | None = None,
) -> Inclusion:
    """The inclusion of x+ = state @ x + action @ a + noise @ w + constant: exact up to outward rounding.

    origin: the point that a certified law contracts to, the middle of the constraints by default. The
    residual is what moves the origin with a = 0: (state - 1) origin + constant + noise @ w.

    Raises:
        ValueError: if the shapes do not fit.
    """
    state, action, noise, constant = (np.asarray(value, float) for value in (state, action, noise, constant))
    origin = constraints.centre if origin is None else np.asarray(origin, float)
    n, q = len(constraints.lower), len(disturbance.lower)
    heights = {action.shape[:1], noise.shape[:1], constant.shape, origin.shape}
    if state.shape != (n, n) or heights != {(n,)}:
        raise ValueError(
            f"shapes do not fit {n} constrained states: state {state.shape}, action {action.shape}, "
            f"noise {noise.shape}, constant {constant.shape}, origin {origin.shape}"
        )
    if noise.shape != (n, q):
        raise ValueError(f"noise has shape {noise.shape}, expected {(n, q)} for {q} disturbances")
    middle, radius = disturbance.centre, disturbance.radius
    drift = state @ origin - origin + constant + noise @ middle
    # Every sum below has fewer than 2 n + 2 q + 8 rounded terms: see safebench.sets.duality on this bound.
    size = np.abs(state) @ np.abs(origin) + np.abs(origin) + np.abs(constant)
    size = size + np.abs(noise) @ (np.abs(middle) + radius)
    relative = (4 * n + 4 * q + 16) * 2.0**-52

    def support(directions: Float[Array, "k n"]) -> Float[Array, " k"]:
        exact = directions @ drift + np.abs(directions @ noise) @ radius
        return exact + relative * (np.abs(directions) @ size) + 1e-290

    return Inclusion(origin, state, action, support)

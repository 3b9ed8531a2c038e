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
from safebench.sets.rounding import LARGEST, allowance, largest

Array = np.ndarray


class Shares(NamedTuple):
    """What takes how much of `support`, for each direction: an explanation, not part of any proof.

    constant: what moves the origin with a = 0 and no disturbance. disturbance: the disturbance's own part.
    state_nonlinearity: what the step at a = 0 adds to the linear model. action_nonlinearity: what actions add
    to that because their effect depends on the state.
    """

    constant: Float[Array, " k"]
    disturbance: Float[Array, " k"]
    state_nonlinearity: Float[Array, " k"]
    action_nonlinearity: Float[Array, " k"]


class Force(NamedTuple):
    """A force that the actions stand for, over the constraint box and all actions.

    largest: a rigorous upper bound of its magnitude [N or N m], inf for none. limit: what it must not exceed,
    inf for none.
    """

    name: str
    largest: float
    limit: float


class Inclusion(NamedTuple):
    """See the module.

    support: maps directions (k, n) to rigorous upper bounds (k,), outward-rounded. It covers the step as
        simulated in float64: `allowance` of each coordinate is granted to its rounding.
    magnitude: per coordinate, what rounding of one step is measured against: the largest state plus what
        actions and disturbances move in one step, or more where the step is badly conditioned.
    shares: explains `support`.
    forces: of joints commanded by acceleration.
    """

    origin: Float[Array, " n"]
    state: Float[Array, "n n"]
    action: Float[Array, "n m"]
    support: Callable[[Float[Array, "k n"]], Float[Array, " k"]]
    magnitude: Float[Array, " n"]
    shares: Callable[[Float[Array, "k n"]], Shares]
    forces: tuple[Force, ...] = ()

    @property
    def allowance(self) -> Float[Array, " n"]:
        """What `support` grants to the rounding of one simulated step in float64."""
        return allowance(self.magnitude, np.float64)


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
        ValueError: if the shapes do not fit, or a number is not finite.
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
    numbers = {
        "state": state,
        "action": action,
        "noise": noise,
        "constant": constant,
        "origin": origin,
        "the constraint box": np.stack(constraints),
        "the disturbance box": np.stack(disturbance),
    }
    for name, values in numbers.items():
        wrong = values[~(np.abs(values) <= LARGEST)]
        if wrong.size:
            raise ValueError(f"{name} has the entry {wrong[0]}: all must be finite and at most {LARGEST:g}")
    middle, radius = disturbance.centre, disturbance.radius
    drift = state @ origin - origin + constant + noise @ middle
    # Every sum below has fewer than 2 n + 2 q + 8 rounded terms: see safebench.sets.duality on this bound.
    size = np.abs(state) @ np.abs(origin) + np.abs(origin) + np.abs(constant)
    size = size + np.abs(noise) @ (np.abs(middle) + radius)
    relative = (4 * n + 4 * q + 16) * 2.0**-52

    farthest = largest(constraints)
    terms = np.abs(state) @ farthest + np.abs(action).sum(axis=1) + np.abs(constant)
    terms = terms + np.abs(noise) @ largest(disturbance)
    magnitude = np.maximum(terms, farthest)
    granted = allowance(magnitude, np.float64)

    def support(directions: Float[Array, "k n"]) -> Float[Array, " k"]:
        exact = directions @ drift + np.abs(directions @ noise) @ radius
        return exact + np.abs(directions) @ (relative * size + granted) + 1e-290

    def shares(directions: Float[Array, "k n"]) -> Shares:
        none = np.zeros(len(directions))
        moved = drift - noise @ middle
        swing = directions @ (noise @ middle) + np.abs(directions @ noise) @ radius
        return Shares(directions @ moved, swing, none, none)

    return Inclusion(origin, state, action, support, magnitude, shares)

"""What rounding may cost a row of a safe set at run time: one allowance for proof and run time.

The run-time action set holds every row back by this much; condition 6 of the theorem in `proof` asks that
twice as much fits into the gap that the contraction leaves, so that the action set stays non-empty.

Rounding is measured against the magnitude of what one step adds up: the state, what the actions and the
disturbance move in one step (|H B| a may be far larger than H x+, the sum that it ends in), and what a badly
conditioned model loses inside (see safebench.physics.conditioning).
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from safebench.sets.polytope import Box

LARGEST = 1e30
"""Numbers beyond this are refused: their products would overflow in single precision."""

MULTIPLE = 64.0
"""Machine epsilons of a row's magnitude: far more than its sums can lose."""


def roundings(states: int, actions: int, disturbances: int) -> float:
    """Machine epsilons of its magnitude that a step and a row evaluated on it lose at most.

    A coordinate of a step is a sum of `states + actions + disturbances + 1` products, a row another sum of
    `states` of them: n-term sums lose at most n eps/2 of the sum of absolute values (Higham 2002, Accuracy
    and Stability of Numerical Algorithms, section 3.1). Twice the terms in all leave room for the rest.
    """
    return 2.0 * (states + actions + disturbances) + 8.0


def largest(constraints: Box) -> Float[np.ndarray, " n"]:
    """max |x| over the box, per coordinate."""
    return np.maximum(np.abs(constraints.lower), np.abs(constraints.upper))


def row_scale(
    normals: Float[np.ndarray, "rows n"],
    offsets: Float[np.ndarray, " rows"],
    magnitude: Float[np.ndarray, " n"],
    command: float = 0.0,
) -> Float[np.ndarray, " rows"]:
    """|offsets| + |normals| @ magnitude, what rounding is measured against.

    offsets: of the rows in absolute coordinates. magnitude: of one step, per coordinate.
    command: `command_roundings`; a law whose large terms cancel rounds its action coarsely.
    """
    coarse = max(1.0, command / MULTIPLE)
    return np.abs(offsets) + coarse * (np.abs(normals) @ magnitude)


def command_roundings(
    gain: Float[np.ndarray, "m n"], feedforward: Float[np.ndarray, " m"], reach: Float[np.ndarray, " n"]
) -> float:
    """Machine epsilons that the law's action gain @ y + feedforward with |y| <= reach may be off by.

    Twice the terms of its longest sum, and 6 for the reference and the rest, of the largest sum of absolute
    terms. Coordinates that a law does not look at are exact zeros: in a system of many decoupled parts they
    round nothing.
    """
    terms = (gain != 0).sum(axis=1).max(initial=0)
    return float((2 * terms + 6) * (np.abs(gain) @ reach + np.abs(feedforward)).max(initial=0.0))


def allowance(scale: Float[np.ndarray, " rows"], precision: Any) -> Float[np.ndarray, " rows"]:
    """delta_i = 64 eps scale_i: what evaluating rows of this `row_scale` may lose.

    precision: the floating-point type (anything numpy takes for one).
    """
    return MULTIPLE * float(np.finfo(precision).eps) * scale

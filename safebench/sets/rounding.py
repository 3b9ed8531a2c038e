"""What rounding may cost a row of a safe set at run time: one allowance for proof and run time.

The run-time action set holds every row back by this much; condition 6 of the theorem in `proof` asks that
twice as much fits into the gap that the contraction leaves, so that the action set stays non-empty.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from safebench.sets.polytope import Box

MULTIPLE = 64.0
"""Machine epsilons of a row's magnitude: far more than its sums can lose."""


def row_scale(
    normals: Float[np.ndarray, "rows n"], offsets: Float[np.ndarray, " rows"], constraints: Box
) -> Float[np.ndarray, " rows"]:
    """|offsets| + |normals| @ (largest coordinates in the box), what rounding is measured against.

    offsets: of the rows in absolute coordinates.
    """
    largest = np.maximum(np.abs(constraints.lower), np.abs(constraints.upper))
    return np.abs(offsets) + np.abs(normals) @ largest


def allowance(scale: Float[np.ndarray, " rows"], precision: Any) -> Float[np.ndarray, " rows"]:
    """delta_i = 64 eps scale_i: what evaluating rows of this `row_scale` may lose.

    precision: the floating-point type (anything numpy takes for one).
    """
    return MULTIPLE * float(np.finfo(precision).eps) * scale

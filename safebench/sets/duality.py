"""Rigorous linear bounds over a polytope by weak duality; a linear program only proposes, never decides.

For any multipliers mu >= 0 and any y with normals @ y <= offsets and |y| <= radius,

    g . y  =  mu . (normals @ y) + (g - mu @ normals) . y  <=  mu . offsets + |g - mu @ normals| . radius.

Rounding: every floating-point sum here combines fewer than N = rows + 2 n + 16 rounded products per
path, so its error is below gamma_N = N u / (1 - N u) times the sum of absolute values, whatever the order
of summation (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1). Twice gamma_N,
applied to absolute sums that are themselves computed, covers both. `TINY` covers underflow.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import linprog

from safebench.sets.polytope import Polytope

Array = np.ndarray
UNIT_ROUNDOFF = 2.0**-53
TINY = 1e-290
_BATCH = 24  # directions per linear program: one call's overhead is shared, its size stays small


class Bounds(NamedTuple):
    """Rigorous upper bounds of directions over a polytope.

    value: the bound (k,). leak: its part that came through `radius` instead of the rows (k,).
    """

    value: Float[Array, " k"]
    leak: Float[Array, " k"]


def rounding_factor(terms: int) -> float:
    """2 gamma_terms: a relative error bound for sums whose terms each pass `terms` roundings."""
    return 2 * terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def multipliers(
    directions: Float[Array, "k n"],
    polytope: Polytope,
    radius: Float[Array, " n"],
    excluded: Float[Array, " k"] | None = None,
) -> Float[Array, "k rows"]:
    """Multipliers that minimise the bound of the module, one row per direction (NOT to be trusted).

    excluded: for each direction, the index of a row that it may not use (to test that row's redundancy).
    A direction whose program fails gets zeros, hence a true but useless bound.
    """
    rows, n = polytope.normals.shape
    scaled = polytope.normals * radius  # unit box: better conditioned
    equations = np.hstack([scaled.T, np.eye(n), -np.eye(n)])
    cost = np.concatenate([polytope.offsets, np.ones(2 * n)])
    result = np.zeros((len(directions), rows))
    for start in range(0, len(directions), _BATCH):
        chunk = directions[start : start + _BATCH] * radius
        k = len(chunk)
        ceiling = np.full((k, rows + 2 * n), np.inf)
        if excluded is not None:
            ceiling[np.arange(k), excluded[start : start + k]] = 0.0
        size = np.abs(chunk).max(axis=1, keepdims=True)
        size[size == 0] = 1.0
        program = linprog(
            np.tile(cost, k),
            A_eq=sparse.kron(sparse.eye_array(k), equations, format="csc"),
            b_eq=(chunk / size).ravel(),
            bounds=np.stack([np.zeros(ceiling.size), ceiling.ravel()], axis=1),
            method="highs-ds",
            options={"presolve": False},
        )
        if program.status == 0:
            found = program.x.reshape(k, -1)[:, :rows]
            result[start : start + k] = np.nan_to_num(np.clip(found * size, 0.0, None), posinf=0.0)
    return result


def upper_bounds(
    directions: Float[Array, "k n"],
    polytope: Polytope,
    radius: Float[Array, " n"],
    spread: Float[Array, "k n"] | float = 0.0,
    excluded: Float[Array, " k"] | None = None,
) -> Bounds:
    """Bounds of max {g . y : y in polytope, |y| <= radius}, for all g within `spread` of a direction."""
    mu = multipliers(directions, polytope, radius, excluded)
    rows, n = polytope.normals.shape
    factor = rounding_factor(rows + 2 * n + 16)
    remainder = np.abs(directions - mu @ polytope.normals) @ radius
    magnitude = (np.abs(directions) + mu @ np.abs(polytope.normals)) @ radius
    leak = remainder + np.broadcast_to(spread, directions.shape) @ radius
    leak = leak * (1 + factor) + factor * magnitude
    value = mu @ polytope.offsets + leak
    value = value + factor * (mu @ np.abs(polytope.offsets) + leak) + TINY
    return Bounds(value, leak)

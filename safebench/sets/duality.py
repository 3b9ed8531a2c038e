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
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import connected_components

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

    Where the rows fall into parts that share no coordinate, only the rows of the parts that a direction
    touches can help it: the program is that much smaller.
    """
    touches = polytope.normals != 0
    count, part = connected_components(sparse.csr_array(touches.T @ touches), directed=False)
    touched = np.stack([(directions[:, part == index] != 0).any(axis=1) for index in range(count)], axis=1)
    result = np.zeros((len(directions), len(polytope.offsets)))
    for parts in np.unique(touched, axis=0):
        chosen = np.nonzero((touched == parts).all(axis=1))[0]
        columns = np.nonzero(parts[part])[0]
        own = np.nonzero(touches[:, columns].any(axis=1))[0]
        if not len(own):
            continue
        for start in range(0, len(chosen), _BATCH):
            batch = chosen[start : start + _BATCH]
            barred = None if excluded is None else own == excluded[batch, None]
            result[np.ix_(batch, own)] = _program(
                directions[np.ix_(batch, columns)] * radius[columns],
                polytope.normals[np.ix_(own, columns)] * radius[columns],  # unit box: better conditioned
                polytope.offsets[own],
                barred,
            )
    return result


def _program(
    directions: Float[Array, "k n"],
    normals: Float[Array, "rows n"],
    offsets: Float[Array, " rows"],
    barred: Bool[Array, "k rows"] | None,
) -> Float[Array, "k rows"]:
    """Multipliers of a few directions over rows in the unit box; all zeros if the program fails."""
    (k, n), rows = directions.shape, len(offsets)
    ceiling = np.full((k, rows + 2 * n), np.inf)
    if barred is not None:
        ceiling[:, :rows][barred] = 0.0
    size = np.abs(directions).max(axis=1, keepdims=True)
    size[size == 0] = 1.0
    equations = np.hstack([normals.T, np.eye(n), -np.eye(n)])
    program = linprog(
        np.tile(np.concatenate([offsets, np.ones(2 * n)]), k),
        A_eq=sparse.kron(sparse.eye_array(k), equations, format="csc"),
        b_eq=(directions / size).ravel(),
        bounds=np.stack([np.zeros(ceiling.size), ceiling.ravel()], axis=1),
        method="highs-ds",
        options={"presolve": False},
    )
    if program.status != 0:
        return np.zeros((k, rows))
    found = program.x.reshape(k, -1)[:, :rows]
    return np.nan_to_num(np.clip(found * size, 0.0, None), posinf=0.0)


def upper_bounds(
    directions: Float[Array, "k n"],
    polytope: Polytope,
    radius: Float[Array, " n"],
    spread: Float[Array, "k n"] | float = 0.0,
    excluded: Float[Array, " k"] | None = None,
) -> Bounds:
    """Bounds of max {g . y : y in polytope, |y| <= radius}, for all g within `spread` of a direction."""
    return bounds_by(
        multipliers(directions, polytope, radius, excluded), directions, polytope, radius, spread
    )


def bounds_by(
    mu: Float[Array, "k rows"],
    directions: Float[Array, "k n"],
    polytope: Polytope,
    radius: Float[Array, " n"],
    spread: Float[Array, "k n"] | float = 0.0,
) -> Bounds:
    """`upper_bounds` with these multipliers, whatever they are as long as none is negative."""
    rows, n = polytope.normals.shape
    factor = rounding_factor(rows + 2 * n + 16)
    remainder = np.abs(directions - mu @ polytope.normals) @ radius
    magnitude = (np.abs(directions) + mu @ np.abs(polytope.normals)) @ radius
    leak = remainder + np.broadcast_to(spread, directions.shape) @ radius
    leak = leak * (1 + factor) + factor * magnitude
    value = mu @ polytope.offsets + leak
    value = value + factor * (mu @ np.abs(polytope.offsets) + leak) + TINY
    return Bounds(value, leak)

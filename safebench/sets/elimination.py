"""Removing a governor reference from a set: exact Fourier-Motzkin projection of translations.

Let S0 be a set of y, `translations` columns e_t that are unit coordinate vectors, and limits L_t. The set

    P = {y : there is r with |r_t| <= L_t and y - sum_t r_t e_t in S0}

is the projection of the lifted polytope {(y, r) : normals y - (normals e) r <= offsets, |r| <= L}. If every
row involves at most one r_t, then P is given exactly by the rows without any r and, for each t, by all sums
of a row that bounds r_t from above and one that bounds it from below, weighted so that r_t cancels
(Fourier 1827, Motzkin 1936; Ziegler 1995, Lectures on Polytopes, section 1.2).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.sets.polytope import Polytope

Array = np.ndarray

MOST_ROWS = 20_000
"""Rows of a projection beyond which it is refused: each takes a linear program to prove."""


class Lifted(NamedTuple):
    """Rows of the lifted polytope: normals @ y + references @ r <= offsets."""

    normals: Float[Array, "rows n"]
    references: Float[Array, "rows k"]
    offsets: Float[Array, " rows"]


def coordinates(translations: Float[Array, "n k"]) -> list[int]:
    """The coordinate that each translation moves.

    Raises:
        ValueError: if a column is not a unit coordinate vector, or two columns are equal.
    """
    chosen = []
    for column in translations.T:
        index = int(np.argmax(np.abs(column)))
        if column[index] != 1.0 or np.count_nonzero(column) != 1:
            raise ValueError(f"a translation must be a unit coordinate vector, not {column}")
        chosen.append(index)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"the translations repeat a coordinate: {chosen}")
    return chosen


def lift(base: Polytope, translations: Float[Array, "n k"], limits: Float[Array, " k"]) -> Lifted:
    """The lifted polytope; no rounding happens.

    Raises:
        ValueError: if `coordinates` refuses the translations, a row involves two of them, or a limit is not a
            finite number >= 0.
    """
    if not (np.isfinite(limits) & (limits >= 0)).all():
        raise ValueError(f"the translations' limits must be finite and not negative, they are {limits}")
    moved = -base.normals[:, coordinates(translations)]
    k = moved.shape[1]
    if (np.count_nonzero(moved, axis=1) > 1).any():
        raise ValueError("a row of the base set involves two translations: they must be decoupled")
    identity = np.eye(k)
    return Lifted(
        np.vstack([base.normals, np.zeros((2 * k, base.normals.shape[1]))]),
        np.vstack([moved, identity, -identity]),
        np.concatenate([base.offsets, limits, limits]),
    )


def weights(lifted: Lifted) -> Float[Array, "projected rows"]:
    """Non-negative weights, exact in floating point: weights @ (lifted rows) are all rows of the projection.

    The sums of two limit rows (0 <= 2 L) are left out.

    Raises:
        ValueError: if there are more than MOST_ROWS.
    """
    rows, k = lifted.references.shape
    limits = np.arange(rows) >= rows - 2 * k
    pairs_of = ((lifted.references > 0).sum(axis=0) * (lifted.references < 0).sum(axis=0)).sum()
    if pairs_of > MOST_ROWS:
        raise ValueError(f"the projection of {rows} rows has {pairs_of} rows, more than {MOST_ROWS}")
    identity = np.eye(rows)
    kept = [identity[(lifted.references == 0).all(axis=1)]]
    for t in range(k):
        rates = lifted.references[:, t]
        above, below = np.nonzero(rates > 0)[0], np.nonzero(rates < 0)[0]
        first, second = (grid.ravel() for grid in np.meshgrid(above, below, indexing="ij"))
        useful = ~(limits[first] & limits[second])
        first, second = first[useful], second[useful]
        pairs = np.zeros((len(first), rows))
        pairs[np.arange(len(first)), first] = -rates[second]
        pairs[np.arange(len(first)), second] = rates[first]
        kept.append(pairs)
    return np.concatenate(kept)


def project(base: Polytope, translations: Float[Array, "n k"], limits: Float[Array, " k"]) -> Polytope:
    """All rows of P, rounded, scaled to a largest entry of one in each normal.

    Raises:
        ValueError: as `lift` and `weights`.
    """
    lifted = lift(base, translations, limits)
    combine = weights(lifted)
    normals, offsets = combine @ lifted.normals, combine @ lifted.offsets
    # The moved coordinate cancels exactly where two base rows meet; rounding must not revive it.
    moved = coordinates(translations)
    scale = np.abs(combine) @ np.abs(lifted.normals)
    tiny = np.zeros_like(normals, dtype=bool)
    tiny[:, moved] = np.abs(normals[:, moved]) <= 1e-14 * scale[:, moved]
    normals[tiny] = 0.0
    size = np.abs(normals).max(axis=1)
    real = size > 1e-12 * size.max()  # the others say 0 <= d
    return Polytope(normals[real] / size[real, None], offsets[real] / size[real])


def reference_interval(
    base: Polytope, translations: Float[Array, "n k"], limits: Float[Array, " k"], y: Float[Array, "*batch n"]
) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k"]]:
    """Lowest and highest admissible r for each y (lowest > highest where y is outside P).

    Rows without a translation are not looked at.

    Raises:
        ValueError: as `lift`.
    """
    lifted = lift(base, translations, limits)
    slack = lifted.offsets - y @ lifted.normals.T
    low, high = [], []
    for rates in lifted.references.T:
        above, below = rates > 0, rates < 0
        high.append((slack[..., above] / rates[above]).min(axis=-1))
        low.append((slack[..., below] / rates[below]).max(axis=-1))
    return np.stack(low, axis=-1), np.stack(high, axis=-1)

"""Where a body may be: the safe set's section with the plane of its position, all other states held."""

import numpy as np
from jaxtyping import Float

from safebench.env.corridor import Corridor
from safebench.env.rollout import offsets_along
from safebench.env.safe_set import SafeSet, moves


def of_body(
    safe_set: SafeSet,
    x: Float[np.ndarray, " n"],
    corridor: Corridor,
    body: int,
    place: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "corners 2"]:
    """The corners, in order, of the section of S(corridor) with the plane of a body's position; none: empty.

    The body's position is the translations 2 body and 2 body + 1. place [m]: where it is at x.
    """
    ways = safe_set.translations[:, 2 * body : 2 * body + 2]
    normals = safe_set.normals @ ways
    offsets = offsets_along(safe_set, corridor) - safe_set.normals @ x + normals @ place
    ends = slice(2 * body, 2 * body + 2)
    low, high = np.asarray(corridor.low + safe_set.free_low), np.asarray(corridor.high + safe_set.free_high)
    return clipped(normals, offsets, low[ends], high[ends])


def has_section(safe_set: SafeSet, bodies: int) -> bool:
    """Whether the translations of a safe set that moves are the positions of so many bodies in a plane."""
    return moves(safe_set) and safe_set.translations.shape[1] == 2 * bodies


def clipped(
    normals: Float[np.ndarray, "rows 2"],
    offsets: Float[np.ndarray, " rows"],
    low: Float[np.ndarray, " 2"],
    high: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "corners 2"]:
    """The corners, in order, of {p in the box : normals @ p <= offsets}; none if it is empty."""
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], float)
    # The row that cuts off most comes first: few of them are needed.
    for _ in range(len(offsets)):
        beyond = corners @ normals.T - offsets
        row = int(np.argmax(beyond.max(axis=0)))
        depth = beyond[:, row]
        if not depth.max() > 1e-12 * (1 + abs(offsets[row])):
            return corners
        following = np.roll(depth, -1)
        kept = []
        for corner, after, here, there in zip(
            corners, np.roll(corners, -1, axis=0), depth, following, strict=True
        ):
            if here <= 0:
                kept.append(corner)
            if (here <= 0) != (there <= 0):
                kept.append(corner + here / (here - there) * (after - corner))
        if len(kept) < 3:
            return np.empty((0, 2))
        corners = np.array(kept)
    return corners

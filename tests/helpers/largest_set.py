"""The largest robust control invariant set of a linear system with one action: an independent oracle.

C <- X and {x : some action in [-1, 1] takes x into C for every disturbance}, until its volume stays the same.
The action is eliminated by pairing its lower with its upper bounds (Fourier and Motzkin); redundant rows are
found as those beside the convex hull of the polar. Every iterate contains the largest set.
"""

import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection

from safebench.sets.polytope import Polytope, chebyshev_centre


def share(normals, offsets, box):
    """The exact share of a box that {x : normals @ x <= offsets} has."""
    normals, offsets = reduced(normals, offsets)
    return _volume(normals, offsets) / np.prod(box.upper - box.lower)


def parts(dynamics, n):
    """(state, action, noise, constant) of dynamics that are linear, of n states, from what they do."""
    constant, action, noise = (np.asarray(part) for part in dynamics.linearise(np.zeros(n)))
    columns = [np.asarray(dynamics.linearise(unit).drift) - constant for unit in np.eye(n)]
    return np.stack(columns, axis=1), action, noise, constant


def largest_share(linear, constraints, disturbance, tolerance=1e-8):
    """The share of the constraints that the largest set has. linear: (state, action, noise, constant)."""
    state, action, noise, constant = linear
    assert action.shape[1] == 1
    eye = np.eye(len(state))
    rows, ends = np.vstack([eye, -eye]), np.r_[constraints.upper, -constraints.lower]
    normals, offsets, before = rows, ends, np.inf
    for _ in range(500):
        reach = normals @ noise
        room = offsets - normals @ constant - reach @ disturbance.centre - np.abs(reach) @ disturbance.radius
        normals, offsets = reduced(
            *_without_action(normals @ state, normals @ action[:, 0], room, rows, ends)
        )
        volume = _volume(normals, offsets)
        if before - volume <= tolerance * volume:
            return volume / np.prod(constraints.upper - constraints.lower)
        before = volume
    raise AssertionError("the iteration did not end")


def _without_action(states, rates, room, rows, ends):
    """The x for which an a in [-1, 1] has states @ x + rates a <= room, and rows @ x <= ends."""
    up, down = rates > 1e-13, rates < -1e-13
    free = ~(up | down)
    none = np.zeros((1, states.shape[1]))
    most = np.vstack([states[up] / rates[up, None], none]), np.r_[room[up] / rates[up], 1.0]
    least = np.vstack([states[down] / rates[down, None], none]), np.r_[room[down] / rates[down], -1.0]
    pairs = (most[0][:, None] - least[0][None]).reshape(-1, states.shape[1])
    return (
        np.vstack([rows, states[free], pairs]),
        np.r_[ends, room[free], (most[1][:, None] - least[1][None]).ravel()],
    )


def reduced(normals, offsets):
    """The same polytope without redundant rows."""
    lengths = np.linalg.norm(normals, axis=1)
    there = lengths > 1e-12
    assert (offsets[~there] >= -1e-9).all(), "the set is empty"
    normals, offsets = normals[there] / lengths[there, None], offsets[there] / lengths[there]
    centre, radius = chebyshev_centre(Polytope(normals, offsets))
    assert radius > 1e-6, "the set is empty"
    kept = ConvexHull(normals / (offsets - normals @ centre)[:, None]).vertices
    return normals[kept], offsets[kept]


def _volume(normals, offsets):
    centre, _ = chebyshev_centre(Polytope(normals, offsets))
    return ConvexHull(HalfspaceIntersection(np.c_[normals, -offsets], centre).intersections).volume

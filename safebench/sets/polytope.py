"""Boxes and polytopes {x : normals @ x <= offsets}: containment, distances, uniform samples.

Everything here is numpy and scipy, used when tasks are built and certificates are proven; the same
arrays go into jax programs unchanged.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

Array = np.ndarray


class Box(NamedTuple):
    """The axis-aligned box {x : lower <= x <= upper}."""

    lower: Float[Array, " n"]
    upper: Float[Array, " n"]

    @property
    def centre(self) -> Float[Array, " n"]:
        return 0.5 * (self.lower + self.upper)

    @property
    def radius(self) -> Float[Array, " n"]:
        return 0.5 * (self.upper - self.lower)


class Polytope(NamedTuple):
    """The polytope {x : normals @ x <= offsets}."""

    normals: Float[Array, "rows n"]
    offsets: Float[Array, " rows"]


def box(lower, upper) -> Box:
    """A box in float64.

    Raises:
        ValueError: if the bounds differ in length, are not finite, or lower > upper somewhere.
    """
    low, high = np.atleast_1d(np.asarray(lower, float)), np.atleast_1d(np.asarray(upper, float))
    if low.shape != high.shape or low.ndim != 1:
        raise ValueError(f"box bounds must be two vectors of one length, got {low.shape} and {high.shape}")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"box bounds must be finite, got {low} and {high}")
    if (low > high).any():
        raise ValueError(f"box is empty: lower {low} exceeds upper {high}")
    return Box(low, high)


def symmetric_box(radius) -> Box:
    """The box {x : |x| <= radius}."""
    high = np.atleast_1d(np.asarray(radius, float))
    return box(-high, high)


def half_spaces(normals, offsets) -> Polytope:
    """The half-spaces {x : normals[i] @ x <= offsets[i]} in float64, further constraints beside a box.

    Raises:
        ValueError: if the shapes are not (rows, n) and (rows,), a number is not finite, or a row is all zero.
    """
    try:
        rows, ends = np.asarray(normals, float), np.asarray(offsets, float)
    except (TypeError, ValueError):
        raise ValueError("half-spaces must be numbers, with normals of one length") from None
    if rows.ndim != 2 or ends.shape != rows.shape[:1] or not rows.size:
        raise ValueError(
            f"half-spaces need normals of shape (rows, n) and offsets of shape (rows,), got {rows.shape} and "
            f"{ends.shape}"
        )
    for index, (normal, end) in enumerate(zip(rows, ends, strict=True)):
        if not (np.isfinite(normal).all() and np.isfinite(end)):
            raise ValueError(f"half-space {index} must be finite, it is {normal} @ x <= {end}")
        if not normal.any():
            raise ValueError(f"half-space {index} has the normal {normal}: it must not be zero")
    return Polytope(rows, ends)


def no_half_spaces(states: int) -> Polytope:
    """All of a state space: no constraints."""
    return Polytope(np.zeros((0, states)), np.zeros(0))


def check_half_spaces(given: Polytope, constraints: Box) -> None:
    """Raise ValueError if they are no sound half-spaces, or no open part of the box satisfies them."""
    if not all(isinstance(part, np.ndarray) for part in given):
        raise ValueError("half-spaces must be arrays: write half_spaces(normals, offsets)")
    normals, offsets = half_spaces(*given)
    states = len(constraints.lower)
    if normals.shape[1] != states:
        raise ValueError(f"half-spaces of {normals.shape[1]} coordinates, the constraint box has {states}")
    # Relative to the box, whose units may differ by orders of magnitude.
    scale = np.abs(normals) @ constraints.radius
    identity = np.eye(states)
    rows = np.vstack([normals * constraints.radius / scale[:, None], identity, -identity])
    ends = np.concatenate([(offsets - normals @ constraints.centre) / scale, np.ones(2 * states)])
    for index in np.flatnonzero(ends[: len(offsets)] <= -1):
        raise ValueError(
            f"half-space {index}, {normals[index]} @ x <= {offsets[index]}, leaves no interior of the box "
            f"{constraints.lower} to {constraints.upper}"
        )
    try:
        room = chebyshev_centre(Polytope(rows, ends))[1]
    except ValueError:
        room = 0.0
    if not room > 1e-9:
        raise ValueError(
            f"the {len(offsets)} half-spaces together leave no interior of the box "
            f"{constraints.lower} to {constraints.upper}"
        )


def contains(polytope: Polytope, x: Float[Array, "*batch n"]) -> Bool[Array, "*batch"]:
    """Whether each x lies in the polytope, without tolerance."""
    return (x @ polytope.normals.T <= polytope.offsets).all(axis=-1)


def ray_distance(polytope: Polytope, start: Float[Array, " n"], direction: Float[Array, " n"]) -> float:
    """Largest t >= 0 with start + t * direction in the polytope (inf if the ray never leaves)."""
    rates = polytope.normals @ direction
    slacks = polytope.offsets - polytope.normals @ start
    leaving = rates > 0
    return float((slacks[leaving] / rates[leaving]).min()) if leaving.any() else float("inf")


def chebyshev_centre(polytope: Polytope) -> tuple[Float[Array, " n"], float]:
    """Centre and radius of the largest inscribed ball.

    Raises:
        ValueError: if the polytope is empty or holds balls of any size.
    """
    lengths = np.linalg.norm(polytope.normals, axis=1)
    rows = np.hstack([polytope.normals, lengths[:, None]])
    cost = np.zeros(rows.shape[1])
    cost[-1] = -1.0
    bounds = [(None, None)] * (rows.shape[1] - 1) + [(0, None)]
    result = linprog(cost, rows, polytope.offsets, bounds=bounds, method="highs")
    if result.status != 0:
        raise ValueError(f"the polytope has no Chebyshev centre: {result.message}")
    return result.x[:-1], float(result.x[-1])


def sample(polytope: Polytope, bounds: Box, count: int, seed: int = 0) -> Float[Array, "count n"]:
    """`count` points distributed uniformly over a polytope that lies inside `bounds`.

    Rejection from the box while at least 2 % of the box is accepted; else hit-and-run
    (Smith 1984) from the Chebyshev centre, one chain per point, 50 n steps each.

    Raises:
        ValueError: if the polytope is empty.
    """
    rng = np.random.default_rng(seed)
    n = len(bounds.lower)
    kept: list[Array] = []
    tried = found = 0
    while found < count:
        points = rng.uniform(bounds.lower, bounds.upper, (max(4 * count, 4096), n))
        points = points[contains(polytope, points)]
        kept.append(points)
        tried, found = tried + max(4 * count, 4096), found + len(points)
        if found < 0.02 * tried:
            return _hit_and_run(polytope, count, 50 * n, rng)
    return np.concatenate(kept)[:count]


def _hit_and_run(polytope: Polytope, count: int, steps: int, rng) -> Float[Array, "count n"]:
    centre, radius = chebyshev_centre(polytope)
    if radius <= 0:
        raise ValueError("cannot sample: the polytope has no interior")
    points = np.tile(centre, (count, 1))
    for _ in range(steps):
        directions = rng.normal(size=points.shape)
        rates = directions @ polytope.normals.T
        slacks = polytope.offsets - points @ polytope.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = slacks / rates
        ahead = np.where(rates > 0, ratios, np.inf).min(axis=1)
        behind = np.where(rates < 0, ratios, -np.inf).max(axis=1)
        moved = points + rng.uniform(behind, ahead)[:, None] * directions
        # Rounding may put a point on the wrong side of a face by one ulp: then it stays.
        points = np.where(contains(polytope, moved)[:, None], moved, points)
    return points

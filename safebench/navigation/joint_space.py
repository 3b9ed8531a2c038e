"""Joint space of a two-link arm among discs: which of its boxes are certified to be free of collision.

The arm lies in a plane, in which its angles turn clockwise: link 1 points along (cos q1, -sin q1), link 2
along (cos (q1 + q2), -sin (q1 + q2)). Links are capsules. Joint space is cut into cells. A cell is certified
if the distance of both links to every disc at its centre is more than any point of the arm moves in the cell:

    |d1| D + |d2| l2   with D the farthest that a point of link 2 may be from the shoulder there, and
    |d1| l1            for points of link 1,

d the cell's half-widths: turn the elbow first, by d2, then the whole arm about its shoulder, by d1. Cells are
judged in float64 with `SLACK` to spare, whatever is computed with later. An integral image, the number of
cells that are not certified below and to the left of every corner, answers for any box by four look-ups.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Scalar

from safebench.env.picture import Discs
from safebench.navigation.free_box import ORDERS, Span

SLACK = 1e-9
"""Metres: far more than distances at a cell's centre lose by rounding in float64."""
ROUNDING = 32.0
"""Machine epsilons of the grid's size that boxes are made wider by before they are looked up."""


@dataclass(frozen=True)
class TwoLinks:
    """lengths [m] of the links; radius [m] of the capsules around them."""

    lengths: tuple[float, float]
    radius: float

    def __post_init__(self):
        if not (min(self.lengths) > 0 and self.radius >= 0):
            raise ValueError(f"links must have positive lengths and a radius of at least 0, not {self}")


@dataclass(frozen=True)
class JointGrid:
    """half_width [rad]: joint angles between -half_width and +half_width; cells: along either of them.

    Raises:
        ValueError: for a number of cells that is no power of two from 2 to 128 (counts have 16 bits), or a
            half-width that is not positive.
    """

    half_width: tuple[float, float]
    cells: int = 128

    def __post_init__(self):
        if self.cells not in (2, 4, 8, 16, 32, 64, 128):
            raise ValueError(f"cells must be a power of two from 2 to 128, not {self.cells}")
        if not min(self.half_width) > 0:
            raise ValueError(f"half_width must be positive, not {self.half_width}")

    @property
    def size(self) -> Float[np.ndarray, " 2"]:
        """Of a cell [rad]."""
        return 2 * np.array(self.half_width) / self.cells

    def centres(self, axis: int) -> Float[np.ndarray, " cells"]:
        """Of the cells along an axis [rad]."""
        return -self.half_width[axis] + self.size[axis] * (np.arange(self.cells) + 0.5)


# Where the arm is -----------------------------------------------------------------------------------------


def arm_corners(arm: TwoLinks, q: Float[Array, " 2"]) -> Float[Array, "3 2"]:
    """Shoulder, elbow and tip in the plane [m]."""
    shoulder = jnp.zeros(2, q.dtype)
    elbow = arm.lengths[0] * _along(q[0])
    return jnp.stack([shoulder, elbow, elbow + arm.lengths[1] * _along(q[0] + q[1])])


def _along(angle: Scalar) -> Float[Array, " 2"]:
    return jnp.stack([jnp.cos(angle), -jnp.sin(angle)])


def distance_to_arm(arm: TwoLinks, q: Float[Array, " 2"], discs: Discs) -> Float[Array, " discs"]:
    """From each disc's rim to the nearer link's surface [m]: negative where they overlap.

    +inf where no disc is.
    """
    corners = arm_corners(arm, q)
    links = [_to_segment(discs.centre, corners[k], corners[k + 1], arm.lengths[k]) for k in range(2)]
    away = jnp.minimum(*links) - discs.radius - arm.radius
    return jnp.where(discs.radius < 0, jnp.inf, away)


def _to_segment(points: Array, start: Array, end: Array, length: float) -> Float[Array, " points"]:
    line = (end - start) / length
    share = jnp.clip((points - start) @ line, 0.0, length)
    away = points - start - share[:, None] * line
    square = jnp.sum(away**2, axis=-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


# Beforehand, one scene -----------------------------------------------------------------------------------


def certified(
    arm: TwoLinks, grid: JointGrid, centre: Float[np.ndarray, "discs 2"], radius: Float[np.ndarray, " discs"]
) -> Bool[np.ndarray, "cells cells"]:
    """Which cells, by (q1, q2), hold no joint angles at which a link touches a disc."""
    first, second = grid.centres(0)[:, None], grid.centres(1)[None, :]
    inner, outer = ((np.cos(angle), -np.sin(angle)) for angle in (first, first + second))
    moves = motion(arm, grid)
    free = np.ones((grid.cells, grid.cells), bool)
    for (x, y), size in zip(centre[radius >= 0], radius[radius >= 0], strict=True):
        apart = [size + arm.radius + SLACK + most for most in moves]
        beyond = (x - arm.lengths[0] * inner[0], y - arm.lengths[0] * inner[1])
        free &= _square(x, y, inner, arm.lengths[0]) > apart[0] ** 2
        free &= _square(*beyond, outer, arm.lengths[1]) > apart[1] ** 2
    return free


def motion(arm: TwoLinks, grid: JointGrid) -> tuple[float, Float[np.ndarray, "1 cells"]]:
    """How far points of links 1 and 2 are from where they are at a cell's centre, at most [m]; 2: by q2."""
    half = grid.size / 2
    # The straighter the elbow, the farther the tip is from the shoulder.
    straightest = np.clip(np.abs(grid.centres(1)) - half[1], 0.0, np.pi)
    one, two = arm.lengths
    tip = np.sqrt(np.maximum(one**2 + two**2 + 2 * one * two * np.cos(straightest), 0.0))
    return half[0] * one, (half[0] * np.maximum(one, tip) + half[1] * two)[None, :]


def _square(x, y, along: tuple[np.ndarray, np.ndarray], length: float) -> np.ndarray:
    """Of the distance from (x, y) to a segment from the origin along a direction of length 1."""
    share = np.clip(x * along[0] + y * along[1], 0.0, length)
    return (x - share * along[0]) ** 2 + (y - share * along[1]) ** 2


def integral_image(free: Bool[np.ndarray, "cells cells"]) -> Int[np.ndarray, "corners corners"]:
    """How many cells are not free below and left of every corner of the grid."""
    return np.pad(np.cumsum(np.cumsum(~free, axis=0), axis=1), ((1, 0), (1, 0))).astype(np.int16)


# At run time, one box -------------------------------------------------------------------------------------


def blocked(
    grid: JointGrid, image: Int[np.ndarray, "scenes corners corners"], scene: Int[Array, ""], span: Span
) -> Scalar:
    """How many cells that a box touches are not certified, and one more if it leaves the grid; 0: it is free.

    span: the box [rad]. One that touches a cell by rounding only counts as touching it.
    """
    low, high, within = _touched(grid, span)
    return (_count(image, scene, low, high) + jnp.where(within, 0, 1)).astype(span.lower.dtype)


def _touched(grid: JointGrid, span: Span) -> tuple[Int[Array, " 2"], Int[Array, " 2"], Bool[Array, ""]]:
    """The first cells that a box touches and the first that it does not any more; whether there are all."""
    dtype = span.lower.dtype
    half, size = jnp.asarray(grid.half_width, dtype), jnp.asarray(grid.size, dtype)
    margin = _margin(grid, dtype)
    low = jnp.floor((span.lower + half) / size - margin)
    high = jnp.ceil((span.upper + half) / size + margin)
    within = jnp.all((low >= 0) & (high <= grid.cells))  # false for a box that is not a number
    low, high = (jnp.clip(jnp.nan_to_num(side), 0, grid.cells).astype(jnp.int32) for side in (low, high))
    return low, high, within


def _margin(grid: JointGrid, dtype) -> float:
    """In cells."""
    return ROUNDING * float(jnp.finfo(dtype).eps) * grid.cells


def _count(image: np.ndarray, scene: Array, low: Array, high: Array) -> Int[Array, ""]:
    table = jnp.asarray(image)
    corners = [table[scene, i, j] for i in (low[0], high[0]) for j in (low[1], high[1])]
    nothing, above, right, all_of_it = (corner.astype(jnp.int32) for corner in corners)
    return all_of_it - above - right + nothing


def grown(
    grid: JointGrid,
    image: Int[np.ndarray, "scenes corners corners"],
    scene: Int[Array, ""],
    span: Span,
    limits: Span,
    reach: float,
) -> Span:
    """A free box with its sides pushed out one after the other, in eight orders: boxes with a leading axis.

    A side is pushed to the first cell that is not certified, or by `reach` [rad], or to the limits. A box
    that is not free stays as it is.
    """
    cells = jnp.asarray(np.maximum(reach / grid.size, 1.0).astype(np.int32))
    low, high, within = _touched(grid, span)
    free = within & (_count(image, scene, low, high) == 0)

    halvings = grid.cells.bit_length() - 1

    def push(order: Int[Array, " 4"]) -> Span:
        least = jnp.maximum(jnp.concatenate([low - cells, high]), 0)
        most = jnp.minimum(jnp.concatenate([low, high + cells]), grid.cells)

        def farther(turn: Int[Array, ""], ends: Int[Array, " 4"]) -> Int[Array, " 4"]:
            """More cells are never freer: the farthest free end of a side is found bit by bit."""
            side, step = order[turn // halvings], grid.cells >> (1 + turn % halvings)
            there = ends + jnp.where(jnp.arange(4) == side, jnp.where(side >= 2, step, -step), 0)
            fits = jnp.all((there >= least) & (there <= most))
            there = jnp.clip(there, 0, grid.cells)
            fits &= _count(image, scene, there[:2], there[2:]) == 0
            return jnp.where(fits, there, ends)

        # By side: lower q1, lower q2, upper q1, upper q2.
        ends = jax.lax.fori_loop(0, 4 * halvings, farther, jnp.concatenate([low, high]))
        dtype = span.lower.dtype
        half, size = jnp.asarray(grid.half_width, dtype), jnp.asarray(grid.size, dtype)
        margin = 2 * _margin(grid, dtype)
        lower = (ends[:2].astype(dtype) + margin) * size - half
        upper = (ends[2:].astype(dtype) - margin) * size - half
        lower = jnp.minimum(jnp.maximum(lower, limits.lower), span.lower)
        upper = jnp.maximum(jnp.minimum(upper, limits.upper), span.upper)
        return Span(jnp.where(free, lower, span.lower), jnp.where(free, upper, span.upper))

    return jax.vmap(push)(jnp.asarray(ORDERS))

"""Cells that together enclose everything a smooth function takes on over a box, cut finer where it matters.

The function is rho(z) = acc(z) - slope (z - origin), with acc given as a program. On each cell a Taylor model
(`taylor`) encloses it: with s in [-1, 1]^d the cell's coordinates,

    rho  in  centre + sum_j (slopes_j s_j + curves_j s_j^2) + sum_jk crosses_jk s_j s_k + [-1, 1] spread.

For every direction u the maximum of u . rho over the cell is then at most the sum of the maxima of the terms
(the parabolas exactly, the cross terms by their magnitude). This is the bound that `upper` takes.

Ends. A coordinate in which acc has degree 1, read off the program, need not run over its range: u . rho is
affine in it while all others are held, so its maximum over all such coordinates lies at a corner. The cells
of such a coordinate are its two end points. Actions always are of this kind.

Cutting is branch and bound (Moore, Methods and Applications of Interval Analysis, 1979, section 6.2): cells
whose bound in one of a few directions exceeds what samples of rho attain are halved, others stay coarse.
Which directions, which samples and where to cut decide how tight the cover is, not whether it holds.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.physics import taylor
from safebench.physics.expression import run
from safebench.physics.field import Field
from safebench.physics.taylor import GROWTH, TaylorModel
from safebench.sets.polytope import Box

Array = np.ndarray

TOLERANCE = 0.0002  # relative excess over samples at which a cell is left alone
NEGLIGIBLE = 1e-3  # columns below this share of the largest remainder join the spread
SAMPLES = 8192
FIRST = 64  # cells looked at closely before others are ruled out
AT_ONCE = 2000  # cells while a program runs


class Cells(NamedTuple):
    """See the module. `cut` and `pairs` of the field say what slopes, curves and crosses belong to.

    bends: per variable, the size of its terms in common with others and of its cubic ones: where to cut.
    """

    centre: Float[Array, "cells v"]
    slopes: Float[Array, "cells d v"]
    curves: Float[Array, "cells d v"]
    crosses: Float[Array, "cells p v"]
    spread: Float[Array, "cells v"]
    bends: Float[Array, "cells d v"]


class Targets(NamedTuple):
    """Directions to be tight in, what samples reach in them, and what an excess is relative to."""

    directions: Float[Array, "k v"]
    reached: Float[Array, " k"]
    width: Float[Array, " k"]


def upper(cells: Cells, directions: Float[Array, "k v"]) -> Float[Array, "k cells"]:
    """Upper bounds of u . rho on every cell, up to rounding."""
    u = directions.T
    peaks = _peak(cells.slopes @ u, cells.curves @ u).sum(axis=1) + np.abs(cells.crosses @ u).sum(axis=1)
    return (cells.centre @ u + cells.spread @ np.abs(u) + peaks).T


def highest(cells: Cells, directions: Float[Array, "k v"]) -> Float[Array, " k"]:
    """The largest of the bounds `upper` over all cells.

    Up to rounding, like `upper`. Most cells need no more than a look: by their centre and size alone they
    lie below what others reach.
    """
    widths = size(cells) - np.abs(cells.centre)
    first = min(FIRST, len(widths))
    result = np.empty(len(directions))
    for k, u in enumerate(directions):
        reach = cells.centre @ u + widths @ np.abs(u)
        promising = np.argpartition(-reach, first - 1)[:first]
        seen = upper(Cells(*(part[promising] for part in cells)), u[None]).max()
        others = reach >= seen
        others[promising] = False
        result[k] = upper(Cells(*(part[others] for part in cells)), u[None]).max(initial=seen)
    return result


def _peak(slope: Array, curve: Array) -> Array:
    """max of slope s + curve s^2 over |s| <= 1: at an end, or at the vertex of a downward parabola."""
    steep = np.abs(slope)
    inside = steep < -2.0 * curve
    share = np.where(inside, steep / np.where(inside, -4.0 * curve, 1.0), 0.0)
    return np.where(inside, steep * share, steep + curve)


def size(cells: Cells) -> Float[Array, "cells v"]:
    """The magnitudes of a cell's terms, summed: bounds |rho|, and rounding of `upper` is relative to it."""
    parts = (np.abs(part).sum(axis=1) for part in (cells.slopes, cells.curves, cells.crosses))
    return np.abs(cells.centre) + cells.spread + sum(parts)


def thin(cells: Cells) -> Cells:
    """The same with cross terms that hardly count moved to the spread, and without `bends`."""
    share = np.abs(cells.crosses).max(axis=0, initial=0.0) / np.maximum(size(cells).max(axis=0), 1e-290)
    small = share.max(axis=1) < NEGLIGIBLE
    spread = (cells.spread + np.abs(cells.crosses[:, small]).sum(axis=1)) * GROWTH
    return cells._replace(crosses=cells.crosses[:, ~small], spread=spread, bends=cells.bends[:, :0])


def cover(field: Field, most_cells: int) -> tuple[Cells, Box]:
    """Cells that cover the domain, `most_cells` at most unless the ends alone are more, and the boxes cut.

    A cell that no finite bound is found for has an infinite spread. The boxes have one row each; a box
    has one cell for each corner of `ends`.
    """
    corners = 2 ** len(field.ends)
    targets = _targets(field)
    low, high = field.domain.lower[None], field.domain.upper[None]
    cells = evaluate(field, Box(low, high))
    excess, axis = _excess(field, targets, cells, high - low)
    while True:
        count = min(int((excess > TOLERANCE).sum()), max(32, len(low) // 2), most_cells // corners - len(low))
        if count <= 0:
            return cells, Box(low, high)
        worst = np.argsort(-excess)[:count]
        kept = np.setdiff1d(np.arange(len(low)), worst)
        below, above = np.concatenate([low[worst]] * 2), np.concatenate([high[worst]] * 2)
        first, along = np.arange(count), axis[worst]
        above[first, along] = below[count + first, along] = 0.5 * low[worst, along] + 0.5 * high[worst, along]
        new = evaluate(field, Box(below, above))
        new_excess, new_axis = _excess(field, targets, new, above - below)
        low, high = np.concatenate([low[kept], below]), np.concatenate([high[kept], above])
        excess, axis = np.concatenate([excess[kept], new_excess]), np.concatenate([axis[kept], new_axis])
        rows = (kept[:, None] * corners + np.arange(corners)).ravel()
        cells = Cells(*(np.concatenate([old[rows], add]) for old, add in zip(cells, new, strict=True)))


def _targets(field: Field) -> Targets:
    rng = np.random.default_rng(0)
    joints, z = field.slope.shape
    where = rng.random((SAMPLES, z))
    points = rng.uniform(field.domain.lower, field.domain.upper, where.shape)
    points = np.where(where < 0.35, field.domain.lower, np.where(where > 0.65, field.domain.upper, points))
    with np.errstate(all="ignore"):
        outputs = run(field.code, list(points.T), np.sin, np.cos)[:joints]
    values = np.stack([np.broadcast_to(x, SAMPLES) for x in outputs], axis=1)
    rho = values - (points - field.origin) @ field.slope.T
    rho = rho[np.isfinite(rho).all(axis=1)]
    if not len(rho):
        rho = np.zeros((1, joints))
    # Directions that see the remainder as a ball, so that those it is thin in count as well.
    loudest = np.abs(np.where(np.isfinite(values), values, 0.0)).max(axis=0)
    scale = np.abs(rho).max(axis=0) + 1e-6 * (1.0 + loudest)
    covariance = (rho / scale).T @ (rho / scale) / len(rho) + 1e-6 * np.eye(joints)
    around = np.linalg.solve(np.linalg.cholesky(covariance).T, rng.normal(size=(joints, 8 * joints))).T
    directions = np.vstack([np.eye(joints), around]) / scale
    directions = np.vstack([directions, -directions])
    reached = (rho @ directions.T).max(axis=0)
    ranges = reached + (rho @ -directions.T).max(axis=0)
    floor = np.abs(directions) @ (1e-5 * scale)
    return Targets(directions, reached, np.maximum(np.maximum(reached, 0.05 * ranges), floor))


def _excess(field: Field, targets: Targets, cells: Cells, width: Array) -> tuple[Array, Array]:
    """Per box: by how much its bound exceeds the samples, in the worst direction; and the variable to cut."""
    corners, boxes = 2 ** len(field.ends), len(width)
    with np.errstate(invalid="ignore"):  # infinite bounds; nan, their product with 0, counts as one below
        bound = upper(cells, targets.directions)
    excess = (bound - targets.reached[:, None]) / targets.width[:, None]
    excess = np.where(np.isfinite(excess), excess, np.inf).reshape(len(bound), boxes, corners)
    if not field.cut:
        return np.zeros(boxes), np.zeros(boxes, int)
    flat = excess.transpose(1, 0, 2).reshape(boxes, -1)
    worst = flat.argmax(axis=1)
    direction, corner = np.divmod(worst, corners)
    bends = cells.bends[np.arange(boxes) * corners + corner]
    gains = np.einsum("bdv,bv->bd", bends, np.abs(targets.directions[direction]))
    cut = list(field.cut)
    shares = width[:, cut] / np.maximum(field.domain.upper - field.domain.lower, 1e-290)[cut]
    known = np.isfinite(gains).all(axis=1) & (gains.max(axis=1) > 0)
    axis = np.where(known, gains.argmax(axis=1), shares.argmax(axis=1))
    return flat.max(axis=1), np.array(cut)[axis]


def evaluate(field: Field, boxes: Box) -> Cells:
    """The cells of some boxes (one row each): for each box one per corner of `ends`, in this order."""
    corners = np.array(
        list(itertools.product(*[(field.domain.lower[j], field.domain.upper[j]) for j in field.ends]))
    )
    corners = corners.reshape(2 ** len(field.ends), len(field.ends))
    chunk = max(1, AT_ONCE // len(corners))
    parts = [
        _evaluate(field, boxes.lower[start : start + chunk], boxes.upper[start : start + chunk], corners)
        for start in range(0, len(boxes.lower), chunk)
    ]
    return Cells(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _evaluate(field: Field, low: Array, high: Array, corners: Array) -> Cells:
    shape = (len(low), len(corners))
    variables: list[TaylorModel] = []
    for j in range(low.shape[1]):
        if j in field.ends:
            variables.append(taylor.model(corners[None, :, field.ends.index(j)]))
        else:
            variables.append(taylor.variable(j, low[:, None, j], high[:, None, j]))
    with np.errstate(all="ignore"):  # overflow ends in an infinite spread
        outputs = run(field.code, variables, taylor.sin, taylor.cos)
        shifts = [x - origin for x, origin in zip(variables, field.origin, strict=True)]
        joints = [
            _joint(field, taylor.model(x), slope, shifts, shape)
            for x, slope in zip(outputs, field.slope, strict=False)
        ]
        safe = np.ones(shape, bool)
        for x in outputs[len(field.slope) :]:
            safe = safe & taylor.excludes_zero(taylor.model(x))
    parts = [np.stack(part, axis=-1) for part in zip(*joints, strict=True)]
    flat = Cells(*(part.reshape(shape[0] * shape[1], *part.shape[2:]) for part in parts))
    bounded = [np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in flat]
    known = safe.ravel() & np.all(bounded, axis=0)
    cells = Cells(*(np.where(known.reshape(-1, *[1] * (part.ndim - 1)), part, 0.0) for part in flat))
    return cells._replace(spread=np.where(known[:, None], cells.spread, np.inf))


def _joint(field: Field, value: TaylorModel, slope: Array, shifts: list[TaylorModel], shape) -> Cells:
    """The cells of one joint, arrays (boxes, corners) and (boxes, corners, columns)."""
    for shift, factor in zip(shifts, slope, strict=True):
        if factor != 0.0:
            value = value - shift * factor
    columns = {(j,): k for k, j in enumerate(field.cut)}
    curved = {(j, j): k for k, j in enumerate(field.cut)}
    crossed = {pair: k for k, pair in enumerate(field.pairs)}
    slopes, curves, bends = (np.zeros((*shape, len(field.cut))) for _ in range(3))
    crosses = np.zeros((*shape, len(field.pairs)))
    spread = np.zeros(shape) + value.radius
    for monomial, coefficient in value.terms.items():
        if monomial in columns:
            slopes[..., columns[monomial]] = coefficient
        elif monomial in curved:
            curves[..., curved[monomial]] = coefficient
        elif monomial in crossed:
            crosses[..., crossed[monomial]] = coefficient
        elif monomial:
            spread = spread + np.abs(coefficient)
        if len(monomial) > 1 and monomial not in curved:
            for j in set(monomial) & set(field.cut):
                bends[..., columns[j,]] += np.abs(coefficient)
    return Cells(np.zeros(shape) + value.constant, slopes, curves, crosses, spread * GROWTH, bends)

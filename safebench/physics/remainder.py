"""A rigorous bound on what a mechanical system's step adds to its linear model.

Theorem. Let x = (q, v), y = x - origin, and let the step be semi-implicit Euler,
x+ = A0 x + G (acc(x, a) + F w) with A0 = [I, dt I; 0, I] and G = [dt^2 I; dt I]. For any matrix J0 put
rho(x, a) = acc(x, a) - J0 [y; a]. Then y+ = (A0 + G J0_x) y + G J0_a a + r with the residual
r = (A0 - I) origin + G rho(x, a) + G F w. Let acc be continuously differentiable on the box
X x [-1, 1]^m, cut into cells with centres c and radii rad. For each direction g, with u = g G and by
the mean value theorem applied to u . rho on the segment from c to z = (x, a),

    u . rho(z) <= u . rho(c) + sum_j sup |u . (J(cell) - J0)_j| rad_j

where J(cell) encloses the Jacobian of acc over the cell (Moore, Methods and Applications of Interval
Analysis, 1979, section 4.4: mean value form). The largest of these bounds over the cells, plus the
support of G F W, bounds g . r over all of X, all a and all w in W.

Which coordinates are cut: those that entries of J depend on. A coordinate on which its own column
of J does not depend enters acc affinely when all others are held; acc, and u . rho, are then affine
in each such coordinate, so their maximum lies at a vertex, and two cells of radius 0 cover the whole
range. (Actions always are of this kind.)

rho(c) and J(cell) are computed in outward-rounded interval arithmetic. The sums over joints and
coordinates run in floating point, with a bound on their rounding error added (n-term sums: at most
n eps / (1 - n eps) times the sum of magnitudes, in any order; Higham, Accuracy and Stability of
Numerical Algorithms, 2002, section 3.1).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.physics.expression import Expression, Graph, Number, Program, gradients, program, run
from safebench.sets import interval
from safebench.sets.inclusion import Inclusion
from safebench.sets.interval import Interval, ball, magnitude, point
from safebench.sets.polytope import Box

Array = np.ndarray

# The simulated step may differ from real arithmetic on the compiled accelerations by this much of
# 1 + the largest state coordinate; tests hold the two together on the whole box.
SIMULATION_ERROR = 1e-12
MOST_CELLS = 20_000
MOST_VERTICES = 64
MOST_VALUES = 20_000_000  # numbers held at once while a program runs on many cells
EPS = np.finfo(float).eps


class Cells(NamedTuple):
    """u . rho over cell k lies below u . centre_k + sum_j |u . slopes_kj| + |u| . spread_k."""

    centre: Float[Array, "cells v"]
    slopes: Float[Array, "columns cells v"]
    spread: Float[Array, "cells v"]


class Field(NamedTuple):
    """Accelerations and what their Jacobian depends on; variables are (q, v, a) over `domain`."""

    domain: Box
    origin: Float[Array, " variables"]
    slope: Float[Array, "v variables"]  # J0
    value_code: Program
    slope_code: Program  # the varying columns, one after the other
    varying: list[int]  # columns of the Jacobian that are not constant; the others equal J0's exactly
    cut: list[int]  # variables that the Jacobian depends on and that are cut
    ends: list[int]  # variables covered by their two end points


def include(
    graph: Graph,
    accelerations: Sequence[Number],
    time_step: float,
    disturbance_input: Float[Array, "v q"],
    constraints: Box,
    disturbance: Box,
    most_cells: int = MOST_CELLS,
) -> Inclusion:
    """The inclusion of a semi-implicit Euler step with these accelerations of (q, v, a).

    origin is the centre of the constraint box; the linear model is the one at the origin and a = 0.

    Raises:
        ValueError: if the boxes do not fit the system, or no finite bound on the accelerations is found.
    """
    joints, variables = len(accelerations), len(graph.inputs)
    states, actions = 2 * joints, variables - 2 * joints
    if len(constraints.lower) != states:
        raise ValueError(f"the constraint box has {len(constraints.lower)} coordinates, the state {states}")
    if len(disturbance.lower) != disturbance_input.shape[1]:
        raise ValueError(
            f"the disturbance box has {len(disturbance.lower)} coordinates, "
            f"the disturbance input {disturbance_input.shape[1]} columns"
        )
    field = _field(graph, accelerations, constraints, actions)
    cells = _refine(field, most_cells)
    if not np.isfinite(cells.spread).all():
        raise ValueError(
            "no finite bound on the accelerations over the constraint box: their inertia matrix may be "
            "singular in it, or the box is too large for interval bounds; try a smaller box"
        )

    # The linear model, and how far its rounded entries are from the exact ones.
    dt = point(time_step)
    euler = np.vstack([np.hstack([np.eye(joints), np.zeros((joints, joints))]), np.eye(states)[joints:]])
    exact_rows = []
    for i in range(states):
        gain = dt * dt if i < joints else dt
        row = gain * field.slope[i % joints]
        shift = np.zeros(variables)
        shift[:states] = euler[i]
        if i < joints:
            shift[joints + i] = time_step
        exact_rows.append(row + shift)
    rounded = np.array([ball(row)[0] for row in exact_rows])
    reach = _up(np.maximum(field.domain.upper - field.origin, field.origin - field.domain.lower))
    rounding = np.array(
        [_sum(magnitude(row - kept) * reach) for row, kept in zip(exact_rows, rounded, strict=True)]
    )
    largest = max(np.abs(constraints.lower).max(), np.abs(constraints.upper).max())
    margin = rounding + SIMULATION_ERROR * (1.0 + largest)

    # G F W and (A0 - I) origin, as centres and radii of every coordinate's or disturbance's part.
    drift = np.concatenate([time_step * field.origin[joints:states], np.zeros(joints)])
    noise = np.vstack([time_step**2 * disturbance_input, time_step * disturbance_input])
    support = _support(cells, time_step, drift, noise, disturbance, margin)
    return Inclusion(field.origin[:states], rounded[:, :states], rounded[:, states:], support)


def _support(
    cells: Cells, time_step: float, drift: Array, noise: Array, disturbance: Box, margin: Array
) -> Callable[[Float[Array, "k n"]], Float[Array, " k"]]:
    joints = cells.centre.shape[1]
    columns = len(cells.slopes)
    largest = (np.abs(cells.centre) + np.abs(cells.slopes).sum(axis=0) + cells.spread).max(axis=0)
    noise_centre, noise_radius = disturbance.centre, _up(np.maximum(disturbance.radius, 0.0))
    # Centre and radius of W are themselves rounded: cover W by a slightly larger radius.
    noise_radius = _up(noise_radius + EPS * np.maximum(np.abs(disturbance.lower), np.abs(disturbance.upper)))
    # Terms in the longest sum, times at most four roundings in each factor.
    relative = 8.0 * EPS * (joints * (columns + 2) + len(drift) + 2 * noise.shape[1] + columns + 16)

    def support(directions: Float[Array, "k n"]) -> Float[Array, " k"]:
        g = np.atleast_2d(np.asarray(directions, float))
        u = time_step * (time_step * g[:, :joints] + g[:, joints:])
        size = time_step * (time_step * np.abs(g[:, :joints]) + np.abs(g[:, joints:]))
        worst = np.full(len(g), -np.inf)
        chunk = max(1, 2_000_000 // max(1, len(g)))
        for start in range(0, len(cells.centre), chunk):
            part = slice(start, start + chunk)
            bound = u @ cells.centre[part].T + size @ cells.spread[part].T
            for slope in cells.slopes:
                bound += np.abs(u @ slope[part].T)
            worst = np.maximum(worst, bound.max(axis=1))
        through = g @ noise
        value = worst + g @ drift + through @ noise_centre + np.abs(through) @ noise_radius
        total = size @ largest + np.abs(g) @ (
            np.abs(drift) + np.abs(noise) @ (np.abs(noise_centre) + noise_radius) + margin
        )
        return _up(value + np.abs(g) @ margin + relative * total)

    return support


def _field(graph: Graph, accelerations, constraints: Box, actions: int) -> Field:
    ones = np.ones(actions)
    domain = Box(np.concatenate([constraints.lower, -ones]), np.concatenate([constraints.upper, ones]))
    origin = np.concatenate([constraints.centre, 0.0 * ones])
    jacobian = gradients(accelerations, graph.inputs)
    second = [_dependencies([row[j] for row in jacobian]) for j in range(len(graph.inputs))]
    bends = [j for j, on in enumerate(second) if on]
    moved = sorted(set().union(*second))
    affine = [j for j in moved if j not in second[j]]
    affine.sort(key=lambda j: j < len(constraints.lower))  # actions first
    ends = affine[: int(np.log2(MOST_VERTICES))]
    flat = [entry for row in jacobian for entry in row]
    numbers = run(program(graph, flat), [point(z) for z in origin], interval.sin, interval.cos)
    slope = np.array([float(ball(point(x))[0]) for x in numbers]).reshape(len(accelerations), -1)
    if not np.isfinite(slope).all():
        raise ValueError("the accelerations have no finite Jacobian at the centre of the constraint box")
    cut = [j for j in moved if j not in ends]
    value_code = program(graph, accelerations)
    slope_code = program(graph, [row[j] for j in bends for row in jacobian])
    return Field(domain, origin, slope, value_code, slope_code, bends, cut, sorted(ends))


def _dependencies(roots: Sequence[Number]) -> set[int]:
    """The inputs that expressions depend on."""
    found: set[int] = set()
    seen: set[Expression] = set()
    pending = [root for root in roots if isinstance(root, Expression)]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.operation == "input":
            found.add(node.arguments[0])
        pending.extend(x for x in node.arguments if isinstance(x, Expression))
    return found


def _refine(field: Field, most_cells: int) -> Cells:
    """Double the cuts of the coordinate that gains most until nothing gains or the cells run out."""
    counts = dict.fromkeys(field.cut, 1)
    vertices = 2 ** len(field.ends)
    cells = _bound(field, counts)
    while True:
        total = vertices * int(np.prod(list(counts.values()), dtype=int))
        trials = [counts | {j: 2 * counts[j]} for j in field.cut] if 2 * total <= most_cells else []
        bounds = [_bound(field, trial) for trial in trials]
        scores = [_score(bound) for bound in bounds]
        now = _score(cells)
        # Two cuts may pay only together, so a step without gain is taken while cells are cheap.
        if not scores or (min(scores) > 0.999 * now and np.isfinite(now) and total > 256):
            return cells
        best = int(np.argmin(scores))
        if scores[best] >= now and total > 256:
            smallest = min(counts.values())
            best = next(i for i, j in enumerate(field.cut) if counts[j] == smallest)
        counts, cells = trials[best], bounds[best]


def _score(cells: Cells) -> float:
    """The sum over joints of the bounds on +-acceleration, each relative to nothing: SI units."""
    swing = np.abs(cells.slopes).sum(axis=0) + cells.spread
    return float(((cells.centre + swing).max(axis=0) + (swing - cells.centre).max(axis=0)).sum())


def _bound(field: Field, counts: dict[int, int]) -> Cells:
    grids = []
    for j in range(len(field.origin)):
        low, high = field.domain.lower[j], field.domain.upper[j]
        if j in field.ends:
            grids.append([(low, low), (high, high)])
        else:
            edges = np.linspace(low, high, counts.get(j, 1) + 1)
            edges[0], edges[-1] = low, high
            grids.append(list(itertools.pairwise(edges)))
    index = np.stack(np.meshgrid(*[np.arange(len(grid)) for grid in grids], indexing="ij"), axis=-1)
    index = index.reshape(-1, len(grids))
    box = np.stack([np.array(grid)[index[:, j]] for j, grid in enumerate(grids)], axis=1)  # cells, z, 2
    operations = len(field.slope_code.operations) + len(field.value_code.operations)
    chunk = max(1, MOST_VALUES // (2 * operations + 1))
    parts = [_bound_chunk(field, box[start : start + chunk]) for start in range(0, len(box), chunk)]
    return Cells(
        np.concatenate([part.centre for part in parts]),
        np.concatenate([part.slopes for part in parts], axis=1),
        np.concatenate([part.spread for part in parts]),
    )


def _bound_chunk(field: Field, box: Float[Array, "cells z 2"]) -> Cells:
    count, joints = len(box), len(field.slope)
    whole = [Interval(box[:, j, 0], box[:, j, 1]) for j in range(box.shape[1])]
    middles, radii = zip(*[ball(x) for x in whole], strict=True)
    # End points are exact: ball() rounds their radius up from 0, which covers nothing more.
    centres = [point(middle) for middle in middles]
    values = run(field.value_code, centres, interval.sin, interval.cos)
    slopes = run(field.slope_code, whole, interval.sin, interval.cos)
    centre, spread = np.zeros((count, joints)), np.zeros((count, joints))
    steep = [j for j in field.varying if j not in field.ends]
    swing = np.zeros((len(steep), count, joints))
    for i in range(joints):
        rest = point(values[i]) + np.zeros(count)
        for j, middle in enumerate(middles):
            if field.slope[i, j] != 0.0:
                rest = rest - field.slope[i, j] * (point(middle) - field.origin[j])
        centre[:, i], spread[:, i] = ball(rest)
        for k, j in enumerate(field.varying):
            difference = point(slopes[k * joints + i]) - field.slope[i, j] + np.zeros(count)
            middle, radius = ball(difference)
            if j in field.ends:
                spread[:, i] = _up(spread[:, i] + _up(_up(np.abs(middle) + radius) * radii[j]))
            else:
                swing[steep.index(j), :, i] = middle * radii[j]
                spread[:, i] = _up(spread[:, i] + _up(radius * radii[j]) + EPS * np.abs(middle * radii[j]))
    return Cells(centre, swing, spread)


def _up(x):
    return np.nextafter(x, np.inf)


def _sum(x: Float[Array, " n"]) -> float:
    return float(x.sum() * (1.0 + 2.0 * len(x) * EPS))

"""A rigorous bound on what a mechanical system's step adds to its linear model.

THEOREM. Let x = (q, v), y = x - origin, and let the step be semi-implicit Euler,
x+ = A0 x + G (acc(x, a) + F w) with A0 = [I, dt I; 0, I] and G = [dt^2 I; dt I]. For any matrix J0 put
rho(x, a) = acc(x, a) - J0 [y; a]. Then y+ = (A0 + G J0_x) y + G J0_a a + r with the residual
r = (A0 - I) origin + G rho(x, a) + G F w. For each direction g, with u = g G,

    g . r  <=  g . (A0 - I) origin  +  max over cells of (sup of u . rho)  +  support of G F W in direction g

where the cells together cover the constraint box and the actions [-1, 1]^m. `cover` encloses rho on every
cell by a Taylor model of the program for acc (Makino, Berz, Taylor models and other validated functional
inclusion methods, 2003), whose polynomials keep what intervals lose: that terms of one variable cancel.

What is exact. J0 is any matrix, here the Jacobian at the origin to rounding. rho is enclosed as acc less
J0, as floats, times y and a, so columns of J0 that are constant need no assumption either. The proof speaks
of the program: constants of the model that were combined in floats while it was made (see `expression`) are
what they are, and the allowance for the simulated step covers its distance from the model. Everything that
the program's formulas ever divided by is shown to have no zero in the box, also where the quotient was
multiplied by 0 and left no trace.

Rounding. Taylor models round outwards; sums over joints and columns run in floating point, with a bound on
their rounding error added (n-term sums: at most n eps / (1 - n eps) times the sum of magnitudes, in any
order; Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). The simulated step may
differ from real arithmetic by `safebench.sets.rounding.allowance` of the magnitude that one step adds up.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from safebench.physics.cover import Cells, cover, evaluate, highest, size, thin
from safebench.physics.expression import Graph, Number
from safebench.physics.field import Field, field_of
from safebench.physics.taylor import EPS
from safebench.sets.inclusion import Inclusion, Shares
from safebench.sets.interval import ball, magnitude, point
from safebench.sets.polytope import Box
from safebench.sets.rounding import allowance, largest

Array = np.ndarray

MOST_CELLS = 20_000
LARGEST_BOUND = 1e100


def include(
    graph: Graph,
    accelerations: Sequence[Number],
    time_step: float,
    disturbance_input: Float[Array, "v q"],
    constraints: Box,
    disturbance: Box,
    most_cells: int = MOST_CELLS,
    rounding: Float[Array, " n"] | float = 0.0,
) -> Inclusion:
    """The inclusion of a semi-implicit Euler step with these accelerations of (q, v, a).

    origin is the centre of the constraint box; the linear model is the one at the origin and a = 0.
    rounding: per coordinate, a magnitude found elsewhere that rounding of one step is measured against,
        such as `conditioning.magnitude`; it counts where it is larger than what the step adds up.

    Raises:
        ValueError: if the boxes do not fit the system or are not finite, or no finite bound on the
            accelerations is found.
    """
    joints, states = len(accelerations), 2 * len(accelerations)
    disturbance_input = np.asarray(disturbance_input, float)
    check_boxes(constraints, disturbance, states, disturbance_input)
    field = field_of(graph, accelerations, constraints)
    cells, boxes = cover(field, most_cells)
    if not np.isfinite(cells.spread).all():
        raise ValueError(
            "no finite bound on the accelerations over the constraint box: their inertia matrix may be "
            "singular in it, or the box is too large for such bounds; try a smaller box"
        )
    cells = thin(cells)

    # The linear model, and how far its rounded entries are from the exact ones.
    exact_rows = [_row(field, time_step, i) for i in range(states)]
    rounded = np.array([ball(row)[0] for row in exact_rows])
    reach = _up(np.maximum(field.domain.upper - field.origin, field.origin - field.domain.lower))
    inexact = np.array(
        [_sum(magnitude(row - kept) * reach) for row, kept in zip(exact_rows, rounded, strict=True)]
    )
    noise = np.vstack([time_step**2 * disturbance_input, time_step * disturbance_input])
    terms = np.maximum(
        _magnitude(cells, field, time_step, noise, constraints, disturbance), np.asarray(rounding, float)
    )
    residual = Residual(
        cells=cells,
        time_step=time_step,
        drift=np.concatenate([time_step * field.origin[joints:states], np.zeros(joints)]),
        noise=noise,
        disturbance=disturbance,
        margin=inexact + allowance(terms, np.float64),
    )
    return Inclusion(
        origin=field.origin[:states],
        state=rounded[:, :states],
        action=rounded[:, states:],
        support=residual.support,
        magnitude=terms,
        shares=_shares(residual, field, boxes),
    )


class Residual(NamedTuple):
    """What `support` is made of; `margin` is granted to each coordinate of a step."""

    cells: Cells
    time_step: float
    drift: Float[Array, " n"]
    noise: Float[Array, "n q"]
    disturbance: Box
    margin: Float[Array, " n"]

    def accelerations(self, directions: Float[Array, "k n"]) -> Float[Array, "k v"]:
        """u = g G."""
        joints = directions.shape[1] // 2
        return self.time_step * (self.time_step * directions[:, :joints] + directions[:, joints:])

    def support(self, directions: Float[Array, "k n"]) -> Float[Array, " k"]:
        """The theorem's bound, see the module."""
        g = np.atleast_2d(np.asarray(directions, float))
        joints, columns = self.cells.centre.shape[1], self.cells.slopes.shape[1]
        u = self.accelerations(g)
        middle, radius = self.disturbance.centre, np.maximum(self.disturbance.radius, 0.0)
        # Centre and radius of W are themselves rounded: cover W by a slightly larger radius.
        radius = _up(_up(radius) + EPS * largest(self.disturbance))
        through = g @ self.noise
        value = highest(self.cells, u) + g @ self.drift + through @ middle + np.abs(through) @ radius
        # Terms in the longest sum, times at most eight roundings in each of their factors.
        count = joints * (2 * columns + self.cells.crosses.shape[1] + 2) + 4 * len(self.drift)
        relative = 8.0 * EPS * (count + 2 * len(middle) + 16)
        total = self.accelerations(np.abs(g)) @ size(self.cells).max(axis=0) + np.abs(g) @ (
            np.abs(self.drift) + np.abs(self.noise) @ (np.abs(middle) + radius) + self.margin
        )
        return _up(value + np.abs(g) @ self.margin + relative * total)


def check_boxes(
    constraints: Box, disturbance: Box, states: int, disturbance_input: Float[Array, "v q"]
) -> None:
    """Refuse boxes that `include` can do nothing with.

    Raises:
        ValueError: naming the box and the coordinate.
    """
    if len(constraints.lower) != states:
        raise ValueError(f"the constraint box has {len(constraints.lower)} coordinates, the state {states}")
    if len(disturbance.lower) != disturbance_input.shape[1]:
        raise ValueError(
            f"the disturbance box has {len(disturbance.lower)} coordinates, "
            f"the disturbance input {disturbance_input.shape[1]} columns"
        )
    for name, box in (("constraint", constraints), ("disturbance", disturbance)):
        for k, (low, high) in enumerate(zip(box.lower, box.upper, strict=True)):
            # Written so that nan is refused.
            if not -LARGEST_BOUND <= low <= high <= LARGEST_BOUND:
                raise ValueError(
                    f"coordinate {k} of the {name} box runs from {low} to {high}: "
                    f"bounds must be ordered, finite and at most {LARGEST_BOUND:g} in magnitude"
                )


def _row(field: Field, time_step: float, i: int):
    """Row i of (A0 + G J0_x, G J0_a), enclosed."""
    joints, variables = field.slope.shape
    dt = point(time_step)
    identity = np.zeros(variables)
    identity[i] = 1.0
    if i < joints:
        identity[joints + i] = time_step
        return dt * dt * field.slope[i] + identity
    return dt * field.slope[i - joints] + identity


def _magnitude(
    cells: Cells, field: Field, time_step: float, noise: Array, constraints: Box, disturbance: Box
) -> Float[Array, " n"]:
    """Per coordinate, an upper bound of the magnitudes that one step adds up.

    At a fixed state, acceleration i is affine in the actions, which swing it by sum_k |d acc_i / d a_k|: at
    most by what they do through J0 plus half the range of rho.
    """
    joints = cells.centre.shape[1]
    high, low = highest(cells, np.eye(joints)), highest(cells, -np.eye(joints))
    reach = np.maximum(field.domain.upper - field.origin, field.origin - field.domain.lower)
    pushed = np.abs(field.slope[:, 2 * joints :]).sum(axis=1) + 0.5 * (high + low)
    accelerated = np.abs(field.slope) @ reach + np.maximum(high, low)
    state = largest(constraints)
    gusts = np.abs(noise) @ largest(disturbance)
    speed = np.concatenate([time_step * state[joints:], np.zeros(joints)])
    scale = np.repeat([time_step**2, time_step], joints)
    moved = scale * np.tile(pushed + accelerated, 2) + speed + gusts
    return np.maximum(state, moved * (1.0 + 1e-9))


def _shares(residual: Residual, field: Field, boxes: Box) -> Callable[[Float[Array, "k n"]], Shares]:
    states = 2 * len(field.slope)
    idle: list[Cells] = []  # the cells at a = 0, made on first use

    def shares(directions: Float[Array, "k n"]) -> Shares:
        g = np.atleast_2d(np.asarray(directions, float))
        if not idle:
            still, at_origin = _idle(field, boxes, states)
            idle.extend([still, at_origin])
        u = residual.accelerations(g)
        start = u @ idle[1].centre[0]
        calm = highest(idle[0], u)
        through = g @ residual.noise
        return Shares(
            constant=start + g @ residual.drift,
            disturbance=through @ residual.disturbance.centre + np.abs(through) @ residual.disturbance.radius,
            state_nonlinearity=calm - start,
            action_nonlinearity=highest(residual.cells, u) - calm,
        )

    return shares


def _idle(field: Field, boxes: Box, states: int) -> tuple[Cells, Cells]:
    """The cells at a = 0, and the one of the origin."""
    ends = tuple(j for j in field.ends if j < states)
    domain, low, high = field.domain, boxes.lower.copy(), boxes.upper.copy()
    low[:, states:] = high[:, states:] = 0.0
    calm = evaluate(field._replace(domain=domain, ends=ends), Box(low, high))
    alone = field._replace(ends=())
    return calm, evaluate(alone, Box(field.origin[None], field.origin[None]))


def _up(x):
    return np.nextafter(x, np.inf)


def _sum(x: Float[Array, " n"]) -> float:
    return float(x.sum() * (1.0 + 2.0 * len(x) * EPS))

"""How large the forces of joints commanded by acceleration can be: a bound over a box, for every action.

Two bounds, of which the smaller counts. Disturbances play no part: the forces are set at the start of a step.

Cells (few joints). The forces are expressions of (q, v, a); `cover` encloses them over the box, which is cut
into pieces first where an angle has a range of more than PIECE: Taylor models of sines need short ones.

Norms (any number). A vector's length is the same in every frame, so the recursion of Newton and Euler
(`recursions.inverse_dynamics`) can be run on lengths alone, with w, b, c bounds of a link's angular velocity,
angular acceleration and acceleration of its origin, r the offset of its origin, and rates v, accelerations d:

    hinge  w^2 = w'^2 + v^2 + 2 v e,   b^2 = b'^2 + (d^2 + v^2 w'^2) + 2 (d f + v w' b')
    slide  w = w', b = b', and c grows by 2 w v + d
    c = c' + swing(b', w') r,   swing(b, w) = sqrt(b^2 + b w^2 + w^4)
    force on a link  m c + |h| swing(b, w) + weight;    moment  I b + w^2 (I - i) / 2 + |h| c + weight's

with m mass, h first moment, I and i the largest and the smallest principal inertia about the origin:
|u x J u| is at most (I - i) / 2 for unit vectors u. e and f bound the parts of the parent's angular velocity
and acceleration along the joint's axis z: of those, what the parent's own joint adds along its axis z' counts
by |z . z'| only, so e = min(w', w'' + v' |z . z'|), f = min(b', b'' + v' w'' + d' |z . z'|). swing: b x r is
perpendicular to r, and of w x (w x r), at an angle t from w to r, w^2 r sin t cos t is perpendicular to r and
w^2 r sin^2 t along it. Gravity is bounded by itself, by lengths or by intervals, the smaller. Intervals alone
are 10 to 140 times too wide at seven joints: they forget that the components of a vector belong together.

All terms are sums and products of numbers that are not negative, fewer than 2^20 of them one after the other:
SLACK covers their rounding, and that of the forces as computed in float64.
"""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics.commands import Commanded, actuators_of
from safebench.physics.conditioning import probes
from safebench.physics.cover import cover, highest, size
from safebench.physics.expression import Graph, Program, degrees, program, run
from safebench.physics.field import Field
from safebench.physics.joint_tree import Link, links_of
from safebench.physics.recursions import weights
from safebench.physics.rigid_body import (
    accelerations_of,
    forces_of,
    gravity_of,
    site_wrenches,
    tree_at,
)
from safebench.sets import interval
from safebench.sets.inclusion import Force
from safebench.sets.interval import Interval, magnitude
from safebench.sets.polytope import Box

Array = np.ndarray

SLACK = 1.0 + 1e-9
MOST_CELLS = 4096
MOST_CUT = 6
"""Coordinates of states that cells are made over."""
PIECE = 1.0  # rad
MOST_PIECES = 64


def forces(model: mujoco.MjModel, constraints: Box, commanded: Commanded) -> tuple[Force, ...]:
    """Of every commanded actuator, a bound of the force on its joint [N or N m], and its limit if any.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    if not commanded:
        return ()
    bounds = np.minimum(_by_norms(model, constraints, commanded), _by_cells(model, constraints, commanded))
    return tuple(
        Force(model.actuator(k).name or f"actuator {k}", float(bound), limit_of(model, k))
        for k, bound in zip(commanded, bounds, strict=True)
    )


def limit_of(model: mujoco.MjModel, actuator: int) -> float:
    """The largest force on the joint that an actuator's forcerange allows both ways; inf without one."""
    if not model.actuator_forcelimited[actuator]:
        return np.inf
    low, high = model.actuator_forcerange[actuator]
    return float(min(-low, high) * abs(model.actuator_gear[actuator, 0]))


def sampled(
    model: mujoco.MjModel, constraints: Box, commanded: Commanded, count: int = 4096
) -> Float[Array, " k"]:
    """The largest forces found at random states and corners of the box: what no bound can be below."""
    x, a = probes(model, constraints, count)
    found = run(program(*forces_of(model, commanded)), [*x.T, *a.T], np.sin, np.cos)
    return np.array([np.abs(force).max() for force in found])


def _by_cells(model: mujoco.MjModel, constraints: Box, commanded: Commanded) -> Float[Array, " k"]:
    graph, outputs = forces_of(model, commanded)
    code = program(graph, [*outputs, *graph.denominators])
    states, count = 2 * model.nv, len(outputs)
    variables = code.inputs
    ones = np.ones(model.nu)
    domain = Box(np.concatenate([constraints.lower, -ones]), np.concatenate([constraints.upper, ones]))
    orders = np.array([degrees(code, [j]) for j in range(variables)])
    linear = (orders[:, :count].max(axis=1) == 1) & (orders[:, count:].max(axis=1, initial=0) == 0)
    ends = tuple(j for j in range(states, variables) if linear[j])
    cut = tuple(j for j in range(variables) if orders[j].any() and j not in ends)
    if len(cut) > MOST_CUT or len(ends) > MOST_CUT or max(degrees(code, range(states, variables))) > 1:
        return np.full(count, np.inf)
    pairs = tuple((i, j) for i in cut for j in cut if i < j)
    angles = {j for operation, j, _ in code.operations if operation in ("sin", "cos")}
    pieces = [
        math.ceil((high - low) / PIECE) if j in angles else 1
        for j, (low, high) in enumerate(zip(*domain, strict=True))
    ]
    if math.prod(pieces) > MOST_PIECES:
        return np.full(count, np.inf)
    origin = np.concatenate([constraints.centre, 0.0 * ones])
    identity, bound = np.eye(count), np.zeros(count)
    for piece in _pieces(domain, pieces):
        field = Field(code, piece, origin, np.zeros((count, variables)), cut, pairs, ends)
        cells, _ = cover(field, MOST_CELLS)
        here = np.maximum(highest(cells, identity), highest(cells, -identity))
        bound = np.maximum(bound, here + (SLACK - 1.0) * size(cells).max(axis=0))
    return bound


def _pieces(domain: Box, counts: list[int]) -> Iterator[Box]:
    """Boxes that together are the domain: each side in so many parts."""
    sides = zip(domain.lower, domain.upper, counts, strict=True)
    cuts = [np.linspace(low, high, count + 1) for low, high, count in sides]
    for index in itertools.product(*map(range, counts)):
        low, high = (np.array([cut[k + end] for cut, k in zip(cuts, index, strict=True)]) for end in (0, 1))
        yield Box(low, high)


class Motion(NamedTuple):
    """Bounds of a link's angular velocity, angular acceleration and acceleration of its origin."""

    turning: float
    turning_rate: float
    linear: float


REST = Motion(0.0, 0.0, 0.0)


def _by_norms(model: mujoco.MjModel, constraints: Box, commanded: Commanded) -> Float[Array, " k"]:
    links, poses = links_of(model)
    q = slice(0, model.nv)
    most = np.maximum(np.abs(constraints.lower), np.abs(constraints.upper))
    speeds, growths = most[model.nv :], _largest_accelerations(model, constraints, commanded)
    ends = np.stack([constraints.lower[q], constraints.upper[q]]) - model.qpos0
    reach = np.array([_reach(link, ends[:, i]) for i, link in enumerate(links)])
    motions = _motions(links, speeds, growths, reach)
    force, moment = np.zeros((2, len(links)))
    for i, (link, (w, b, c)) in enumerate(zip(links, motions, strict=True)):
        arm, inertias = np.linalg.norm(link.first_moment), np.linalg.eigvalsh(link.inertia)
        force[i] = link.mass * c + arm * _swing(b, w)
        moment[i] = inertias[-1] * b + 0.5 * w * w * (inertias[-1] - inertias[0]) + arm * c
    for i, push, twist in site_wrenches(model, poses, commanded):
        force[i] += push
        moment[i] += twist
    pull = float(np.linalg.norm(gravity_of(model)))
    heavy_forces = pull * np.abs([link.heavy_mass for link in links])
    heavy = pull * np.array([np.linalg.norm(link.heavy_moment) for link in links])
    lengths = _carried(links, reach, heavy_forces, heavy)
    joint_force = _carried(links, reach, force, moment)
    joint_force += np.minimum(lengths, _largest_weights(model, constraints))
    stretch = np.abs(np.stack([constraints.lower[q], constraints.upper[q]]) - model.qpos_spring).max(axis=0)
    joint_force += np.asarray(model.jnt_stiffness) * stretch + np.asarray(model.dof_damping) * speeds
    joint_force += np.asarray(model.dof_armature) * growths
    joints = {k: joint for joint, k in actuators_of(model, commanded).items()}
    return SLACK * joint_force[[joints[k] for k in commanded]]


def _reach(link: Link, ends: Float[Array, "2"]) -> float:
    """How far a link's origin is from its parent's, at most."""
    along = np.zeros(3) if link.hinge else np.outer(ends, link.rotation[:, 2])
    return float(np.linalg.norm(np.atleast_2d(link.position + along), axis=1).max())


def _swing(b: float, w: float) -> float:
    return float(np.sqrt(b * b + b * w * w + w**4))


def _motions(links: list[Link], speeds: Array, growths: Array, reach: Array) -> list[Motion]:
    motions: list[Motion] = []
    for i, link in enumerate(links):
        p = link.parent
        w, b, c = motions[p] if p >= 0 else REST
        c += _swing(b, w) * reach[i]
        v, d = speeds[i], growths[i]
        if not link.hinge:
            motions.append(Motion(w, b, c + 2.0 * w * v + d))
            continue
        along, along_rate = w, b
        if p >= 0 and links[p].hinge:
            before = motions[links[p].parent] if links[p].parent >= 0 else REST
            share = abs(link.rotation[2, 2])  # of the parent's axis, which is z in its frame
            along = min(w, before.turning + speeds[p] * share)
            along_rate = min(b, before.turning_rate + speeds[p] * before.turning + growths[p] * share)
        turning = np.sqrt(w * w + v * v + 2.0 * v * along)
        rate = np.sqrt(b * b + d * d + (v * w) ** 2 + 2.0 * (d * along_rate + v * w * b))
        motions.append(Motion(float(turning), float(rate), c))
    return motions


def _carried(links: list[Link], reach: Array, force: Array, moment: Array) -> Float[Array, " v"]:
    """The joint forces that carry forces and moments on the links, by their lengths."""
    force, moment = force.copy(), moment.copy()
    for i in reversed(range(len(links))):
        parent = links[i].parent
        if parent >= 0:
            moment[parent] += moment[i] + reach[i] * force[i]
            force[parent] += force[i]
    return np.where([link.hinge for link in links], moment, force)


def _largest_weights(model: mujoco.MjModel, constraints: Box) -> Float[Array, " v"]:
    """The joint forces by gravity, in interval arithmetic."""
    graph = Graph()
    q = [graph.input() for _ in range(model.nq)]
    code = program(graph, weights(tree_at(model, q), gravity_of(model)))
    sides = zip(constraints.lower, constraints.upper[: model.nq], strict=False)
    ends = run(code, [Interval(low, high) for low, high in sides], interval.sin, interval.cos)
    return np.array([float(magnitude(interval.point(end))) for end in ends])


def _largest_accelerations(
    model: mujoco.MjModel, constraints: Box, commanded: Commanded
) -> Float[Array, " v"]:
    """Of every joint, over the box and all actions; inf where no bound is found."""
    graph, outputs = accelerations_of(model, commanded)
    code: Program = program(graph, [*outputs, *graph.denominators])
    states = [Interval(low, high) for low, high in zip(constraints.lower, constraints.upper, strict=True)]
    with np.errstate(all="ignore"):
        ends = run(code, [*states, *[Interval(-1.0, 1.0)] * model.nu], interval.sin, interval.cos)
    divided = [interval.point(x) for x in ends[len(outputs) :]]
    if any(x.lower <= 0 <= x.upper for x in divided):
        return np.full(len(outputs), np.inf)
    return np.array([float(magnitude(interval.point(x))) for x in ends[: len(outputs)]])

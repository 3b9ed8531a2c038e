"""How large the forces of joints commanded by acceleration can be: a bound over a box, for every action.

Two bounds, of which the smaller counts. Disturbances play no part: the forces are set at the start of a step.

Cells (few joints). The forces are expressions of (q, v, a); `cover` encloses them over the box.

Norms (any number). A vector's length is the same in every frame, so the recursion of Newton and Euler
(`recursions.inverse_dynamics`) can be run on lengths alone, with w, b, c bounds of a link's angular velocity,
angular acceleration and acceleration of its origin, r the offset of its origin, and rates v, accelerations d:

    hinge  w = w' + v, b = b' + w' v + d        slide  w = w', b = b', and c grows by 2 w v + d
    c = c' + (b' + w'^2) r
    force on a link  m c + |h| (b + w^2) + weight;    moment  I b + w^2 (I - i) / 2 + |h| c + weight's

with m mass, h first moment, I and i the largest and the smallest principal inertia about the origin:
|u x J u| is at most (I - i) / 2 for unit vectors u. Intervals alone are 10 to 140 times too wide at seven
joints, since they forget that the components of one rotated vector belong together.

All terms are sums and products of numbers that are not negative, fewer than 2^20 of them one after the other:
SLACK covers their rounding, and that of the forces as computed in float64.
"""

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics.commands import Commanded, actuators_of
from safebench.physics.conditioning import probes
from safebench.physics.cover import cover, highest, size
from safebench.physics.expression import Program, degrees, program, run
from safebench.physics.field import Field
from safebench.physics.joint_tree import links_of
from safebench.physics.rigid_body import (
    accelerations_of,
    forces_of,
    gravity_of,
    site_wrenches,
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
    origin = np.concatenate([constraints.centre, 0.0 * ones])
    cells, _ = cover(Field(code, domain, origin, np.zeros((count, variables)), cut, pairs, ends), MOST_CELLS)
    identity = np.eye(count)
    bound = np.maximum(highest(cells, identity), highest(cells, -identity))
    return bound + (SLACK - 1.0) * size(cells).max(axis=0)


def _by_norms(model: mujoco.MjModel, constraints: Box, commanded: Commanded) -> Float[Array, " k"]:
    links, poses = links_of(model)
    most = np.maximum(np.abs(constraints.lower), np.abs(constraints.upper))
    speed, growth = most[model.nv :], _largest_accelerations(model, constraints, commanded)
    pull = float(np.linalg.norm(gravity_of(model)))
    turning, turning_rate, linear = np.zeros((3, len(links)))
    force, moment = np.zeros((2, len(links)))
    reach = np.zeros(len(links))
    for i, link in enumerate(links):
        w, b, c = (part[link.parent] if link.parent >= 0 else 0.0 for part in (turning, turning_rate, linear))
        offset = np.array([constraints.lower[i], constraints.upper[i]]) - model.qpos0[i]
        ends = link.position + (0.0 if link.hinge else np.outer(offset, link.rotation[:, 2]))
        reach[i] = np.linalg.norm(np.atleast_2d(ends), axis=1).max()
        c += (b + w * w) * reach[i]
        if link.hinge:
            b += w * speed[i] + growth[i]
            w += speed[i]
        else:
            c += 2.0 * w * speed[i] + growth[i]
        turning[i], turning_rate[i], linear[i] = w, b, c
        arm, inertias = np.linalg.norm(link.first_moment), np.linalg.eigvalsh(link.inertia)
        force[i] = link.mass * c + arm * (b + w * w) + abs(link.heavy_mass) * pull
        moment[i] = inertias[-1] * b + 0.5 * w * w * (inertias[-1] - inertias[0]) + arm * c
        moment[i] += np.linalg.norm(link.heavy_moment) * pull
    for link_index, push, twist in site_wrenches(model, poses, commanded):
        force[link_index] += push
        moment[link_index] += twist
    joint_force = np.zeros(len(links))
    for i in reversed(range(len(links))):
        joint_force[i] = moment[i] if links[i].hinge else force[i]
        if links[i].parent >= 0:
            force[links[i].parent] += force[i]
            moment[links[i].parent] += moment[i] + reach[i] * force[i]
    stretch = np.maximum(
        np.abs(constraints.lower[: model.nv] - model.qpos_spring),
        np.abs(constraints.upper[: model.nv] - model.qpos_spring),
    )
    joint_force += np.asarray(model.jnt_stiffness) * stretch + np.asarray(model.dof_damping) * speed
    joint_force += np.asarray(model.dof_armature) * growth
    joints = {k: joint for joint, k in actuators_of(model, commanded).items()}
    return SLACK * joint_force[[joints[k] for k in commanded]]


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

"""Rigid-body dynamics compiled from an MJCF: straight-line code for the accelerations of a joint tree.

The recursions run once, in Python, over scalar expressions, for any contact-free tree of hinge and
slide joints; what comes out has no zeros, no ones and no matrices, and runs on floats, JAX arrays
and intervals alike. Proofs (`enclosure`) and the fast physics (`compiled`) read the same code.

Joints commanded by acceleration (`commands`) have the acceleration that the action says; the others, free,
obey their own rows of M(q) acc = f with those accelerations given.
"""

from typing import NamedTuple

import mujoco
import numpy as np

from safebench.physics.commands import Commanded, actuators_of, ratio
from safebench.physics.expression import Graph
from safebench.physics.joint_tree import Pose, links_of, rotation_of, snap
from safebench.physics.recursions import (
    Tree,
    Vector,
    factor,
    floats,
    inertia_matrix,
    inverse_dynamics,
    plus,
    solve,
    tree_of,
    weights,
)
from safebench.physics.supported import check_supported, controls


class Formulas(NamedTuple):
    """Expressions of q, v, a (the graph's inputs, in this order), a in [-1, 1]."""

    graph: Graph
    outputs: Vector


def accelerations_of(model: mujoco.MjModel, commanded: Commanded = ()) -> Formulas:
    """The joint accelerations of a model, undisturbed.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    graph, q, v, a = _inputs(model, commanded)
    return Formulas(graph, accelerations(model, q, v, a, commanded))


def forces_of(model: mujoco.MjModel, commanded: Commanded) -> Formulas:
    """The joint forces [N or N m] of the commanded actuators, in their order.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    graph, q, v, a = _inputs(model, commanded)
    return Formulas(graph, _commanded_forces(model, q, v, a, commanded))


def controls_of(model: mujoco.MjModel, commanded: Commanded) -> Formulas:
    """MuJoCo's `ctrl`: of a commanded actuator by inverse dynamics, of others `supported.controls`.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    graph, q, v, a = _inputs(model, commanded)
    ctrl = controls(model, list(a))
    for k, force in zip(commanded, _commanded_forces(model, q, v, a, commanded), strict=True):
        ctrl[k] = force * (1.0 / ratio(model, k))
    return Formulas(graph, ctrl)


def _inputs(model: mujoco.MjModel, commanded: Commanded):
    check_supported(model, commanded)
    graph = Graph()
    q, v, a = ([graph.input() for _ in range(count)] for count in (model.nq, model.nv, model.nu))
    return graph, q, v, a


def accelerations(
    model: mujoco.MjModel, q: Vector, v: Vector, a: Vector, commanded: Commanded = ()
) -> Vector:
    tree = tree_at(model, q)
    given = commanded_accelerations(model, a, commanded)
    free = free_joints(model, commanded)
    if not free:
        return given
    forces = imbalance(model, tree, q, v, a, given, commanded)
    found = solve(*factor(free_inertia(model, tree, free)), [forces[i] for i in free])
    result = list(given)
    for i, value in zip(free, found, strict=True):
        result[i] = value
    return result


def free_joints(model: mujoco.MjModel, commanded: Commanded) -> list[int]:
    """The joints that no acceleration is commanded of."""
    taken = actuators_of(model, commanded)
    return [i for i in range(model.nv) if i not in taken]


def free_inertia(model: mujoco.MjModel, tree: Tree, free: list[int]) -> list[Vector]:
    """The free joints' part of the inertia matrix, lower triangle."""
    matrix = inertia_matrix(tree, model.dof_armature)
    return [[matrix[i][j] for j in free] for i in free]


def commanded_accelerations(model: mujoco.MjModel, a: Vector, commanded: Commanded) -> Vector:
    """Per joint, the acceleration commanded; 0 for a free joint."""
    ctrl = controls(model, list(a))
    result: Vector = [0.0] * model.nv
    for joint, k in actuators_of(model, commanded).items():
        result[joint] = ctrl[k]
    return result


def _commanded_forces(model, q: Vector, v: Vector, a: Vector, commanded: Commanded) -> Vector:
    tree = tree_at(model, q)
    moved = accelerations(model, q, v, a, commanded)
    missing = imbalance(model, tree, q, v, a, moved, commanded)
    joints = {k: joint for joint, k in actuators_of(model, commanded).items()}
    return [float(model.dof_armature[joints[k]]) * moved[joints[k]] - missing[joints[k]] for k in commanded]


def tree_at(model: mujoco.MjModel, q: Vector) -> Tree:
    links, _ = links_of(model)
    return tree_of(links, [x - float(zero) for x, zero in zip(q, model.qpos0, strict=True)])


def imbalance(
    model, tree: Tree, q: Vector, v: Vector, a: Vector, accelerations: Vector, commanded: Commanded = ()
) -> Vector:
    """Joint forces that act, less those that the accelerations need (rotor inertias left out).

    Those of the commanded actuators are what is to be found: they are left out as well.
    """
    _, poses = links_of(model)
    applied, wrenches = _applied(model, poses, q, v, a, commanded)
    applied = plus(applied, weights(tree, gravity_of(model)))
    required = inverse_dynamics(tree, v, accelerations, wrenches)
    return [x - y for x, y in zip(applied, required, strict=True)]


def gravity_of(model: mujoco.MjModel) -> Vector:
    """[m/s^2], zero where the model disables it."""
    disabled = model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
    return [0.0] * 3 if disabled else floats(model.opt.gravity)


def _applied(model, poses: list[Pose], q: Vector, v: Vector, a: Vector, commanded: Commanded):
    """Joint forces by springs, dampers and actuators, and wrenches of actuators mounted on sites."""
    forces: Vector = [0.0] * model.nv
    for i in range(model.nv):
        forces[i] = forces[i] - float(model.jnt_stiffness[i]) * (q[i] - float(model.qpos_spring[i]))
        forces[i] = forces[i] - float(model.dof_damping[i]) * v[i]
    wrenches: dict[int, tuple[Vector, Vector]] = {}
    ctrl = controls(model, list(a))
    for k in (k for k in range(model.nu) if k not in commanded):
        target, gear = model.actuator_trnid[k, 0], model.actuator_gear[k]
        gain, bias = floats(model.actuator_gainprm[k]), floats(model.actuator_biasprm[k])
        if model.actuator_gaintype[k] == mujoco.mjtGain.mjGAIN_FIXED:
            gain[1] = gain[2] = 0.0
        if model.actuator_biastype[k] == mujoco.mjtBias.mjBIAS_NONE:
            bias = [0.0] * 3
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_SITE:
            push = gain[0] * ctrl[k] + bias[0]
            link, force, moment = _site_wrench(model, poses, target, gear)
            if link >= 0:
                before = wrenches.get(link, ([0.0] * 3, [0.0] * 3))
                new = [[x * push for x in floats(part)] for part in (force, moment)]
                wrenches[link] = (plus(before[0], new[0]), plus(before[1], new[1]))
        else:
            ratio = float(gear[0])
            length, rate = ratio * q[target], ratio * v[target]
            push = (gain[0] + gain[1] * length + gain[2] * rate) * ctrl[k]
            push = push + (bias[0] + bias[1] * length + bias[2] * rate)
            forces[target] = forces[target] + ratio * push
    return forces, wrenches


def site_wrenches(
    model: mujoco.MjModel, poses: list[Pose], commanded: Commanded
) -> list[tuple[int, float, float]]:
    """Of every actuator on a site: its link, and how large its force and its moment can be."""
    found = []
    largest = np.abs(controls(model, np.stack([-np.ones(model.nu), np.ones(model.nu)]))).max(axis=0)
    for k in (k for k in range(model.nu) if k not in commanded):
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_SITE:
            site, gear = model.actuator_trnid[k, 0], model.actuator_gear[k]
            link, force, moment = _site_wrench(model, poses, site, gear)
            biased = model.actuator_biastype[k] != mujoco.mjtBias.mjBIAS_NONE
            bias = abs(model.actuator_biasprm[k, 0]) if biased else 0.0
            push = abs(model.actuator_gainprm[k, 0]) * largest[k] + bias
            if link >= 0:
                found.append((link, push * np.linalg.norm(force), push * np.linalg.norm(moment)))
    return found


def _site_wrench(model, poses: list[Pose], site: int, gear):
    """Link, force and moment about its origin, per unit actuator force."""
    pose = poses[model.site_bodyid[site]]
    rotation = snap(pose.rotation @ rotation_of(model.site_quat[site]))
    point = pose.position + pose.rotation @ model.site_pos[site]
    force = rotation @ gear[:3]
    return pose.link, force, rotation @ gear[3:] + np.cross(point, force)

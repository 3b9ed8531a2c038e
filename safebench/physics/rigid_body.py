"""Rigid-body dynamics compiled from an MJCF: straight-line code for the accelerations of a joint tree.

The recursions run once, in Python, over scalar expressions, for any contact-free tree of hinge and
slide joints; what comes out has no zeros, no ones and no matrices, and runs on floats, JAX arrays
and intervals alike. Proofs (`include`) and the fast physics (`compiled`) read the same code.
"""

from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics import conditioning, remainder
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
from safebench.sets.inclusion import Inclusion
from safebench.sets.polytope import Box


class Accelerations(NamedTuple):
    """Expressions of q, v, a (the graph's inputs, in this order) for a model's joint accelerations."""

    graph: Graph
    accelerations: Vector


def accelerations_of(model: mujoco.MjModel) -> Accelerations:
    """The joint accelerations of a model, undisturbed, as expressions of (q, v, a), a in [-1, 1].

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    check_supported(model)
    graph = Graph()
    q, v, a = ([graph.input() for _ in range(count)] for count in (model.nq, model.nv, model.nu))
    return Accelerations(graph, accelerations(model, q, v, a))


def accelerations(model: mujoco.MjModel, q: Vector, v: Vector, a: Vector) -> Vector:
    tree = tree_at(model, q)
    forces = imbalance(model, tree, q, v, a, [0.0] * model.nv)
    return solve(*factor(inertia_matrix(tree, model.dof_armature)), forces)


def tree_at(model: mujoco.MjModel, q: Vector) -> Tree:
    links, _ = links_of(model)
    return tree_of(links, [x - float(zero) for x, zero in zip(q, model.qpos0, strict=True)])


def imbalance(model, tree: Tree, q: Vector, v: Vector, a: Vector, accelerations: Vector) -> Vector:
    """Joint forces that act, less those that the accelerations need (rotor inertias left out)."""
    _, poses = links_of(model)
    applied, wrenches = _applied(model, poses, q, v, a)
    gravity = [0.0] * 3 if _disabled(model, "GRAVITY") else floats(model.opt.gravity)
    applied = plus(applied, weights(tree, gravity))
    required = inverse_dynamics(tree, v, accelerations, wrenches)
    return [x - y for x, y in zip(applied, required, strict=True)]


def _disabled(model: mujoco.MjModel, name: str) -> bool:
    return bool(model.opt.disableflags & getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}"))


def _applied(model, poses: list[Pose], q: Vector, v: Vector, a: Vector):
    """Joint forces by springs, dampers and actuators, and wrenches of actuators mounted on sites."""
    forces: Vector = [0.0] * model.nv
    for i in range(model.nv):
        forces[i] = forces[i] - float(model.jnt_stiffness[i]) * (q[i] - float(model.qpos_spring[i]))
        forces[i] = forces[i] - float(model.dof_damping[i]) * v[i]
    wrenches: dict[int, tuple[Vector, Vector]] = {}
    ctrl = controls(model, list(a))
    for k in range(model.nu):
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


def _site_wrench(model, poses: list[Pose], site: int, gear):
    """Link, force and moment about its origin, per unit actuator force."""
    pose = poses[model.site_bodyid[site]]
    rotation = snap(pose.rotation @ rotation_of(model.site_quat[site]))
    point = pose.position + pose.rotation @ model.site_pos[site]
    force = rotation @ gear[:3]
    return pose.link, force, rotation @ gear[3:] + np.cross(point, force)


def include(
    model: mujoco.MjModel,
    disturbance_input: Float[np.ndarray, "v q"],
    constraints: Box,
    disturbance: Box,
) -> Inclusion:
    """What a proof may assume of the model's simulated step on a box; see `remainder` for the theorem.

    The origin is the centre of the constraint box. `support` covers mjx and the compiled step alike.
    Rounding is allowed for by what the step adds up and by the model's conditioning (`conditioning`).

    Raises:
        ValueError: if the model is not covered, the boxes do not fit it or are not finite, or its
            accelerations have no finite bound on the box.
    """
    graph, outputs = accelerations_of(model)
    remainder.check_boxes(constraints, disturbance, 2 * model.nv, disturbance_input)
    return remainder.include(
        graph,
        outputs,
        model.opt.timestep,
        disturbance_input,
        constraints,
        disturbance,
        rounding=conditioning.magnitude(model, constraints),
    )

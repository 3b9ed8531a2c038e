"""Rigid-body dynamics compiled from an MJCF: straight-line code for the accelerations of a joint tree.

The recursive Newton-Euler algorithm gives the forces that a motion needs, the composite-rigid-body
algorithm the inertia matrix, and its L^T D L factors (sparse along the tree) the accelerations
(Featherstone, Rigid Body Dynamics Algorithms, 2008, chapters 5, 6 and 8). They run once, in Python,
over scalar expressions, for any contact-free tree of hinge and slide joints; what comes out has no
zeros, no ones and no matrices, and runs on floats, JAX arrays and intervals alike.

Each joint carries one link. Its frame has the joint axis as z: a hinge turns about it, a slide moves
along it. Vectors are written in the frame of their link, moments taken about its origin.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from safebench import remainder
from safebench.action_set import Affine
from safebench.dynamics import check_affine
from safebench.expression import Graph, Number, cosine, gradients, program, run, sine
from safebench.inclusion import Inclusion
from safebench.polytope import Box

Vector = list[Number]


class Link(NamedTuple):
    """What moves with one joint, in its own frame, and how that frame hangs on its parent's.

        parent: index of the parent link, -1 for the world. rotation, position: the frame at zero joint
        displacement, in the parent's frame. mass [kg], first_moment = mass * centre [kg m], inertia about
        the origin [kg m^2]. heavy_mass, heavy_moment: the part of mass and first moment that gravity acts on,
    less than all of it where a body has gravity compensation.
    """

    parent: int
    hinge: bool
    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]
    mass: float
    first_moment: Float[np.ndarray, "3"]
    inertia: Float[np.ndarray, "3 3"]
    heavy_mass: float
    heavy_moment: Float[np.ndarray, "3"]


class Pose(NamedTuple):
    """A body's frame, fixed to a link: x_link = position + rotation @ x_body."""

    link: int
    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]


def check_supported(model: mujoco.MjModel) -> None:
    """Refuse a model that the compiled dynamics do not cover, naming every reason.

    Raises:
        ValueError: also for all that `check_affine` refuses.
    """
    check_affine(model)
    transmissions = {mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT, mujoco.mjtTrn.mjTRN_SITE}
    gains = {mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtGain.mjGAIN_AFFINE}
    biases = {mujoco.mjtBias.mjBIAS_NONE, mujoco.mjtBias.mjBIAS_AFFINE}
    on_site = model.actuator_trntype == mujoco.mjtTrn.mjTRN_SITE
    state_terms = np.hstack([model.actuator_gainprm[:, 1:3], model.actuator_biasprm[:, 1:3]])
    refusals = {
        "it has no joints": model.nv == 0,
        "it has tendons": model.ntendon > 0,
        "it has equality constraints": model.neq > 0,
        "it has flexes": model.nflex > 0,
        "it has mocap bodies": model.nmocap > 0,
        "it has plug-ins": model.nplugin > 0,
        "its medium has density or viscosity": model.opt.density != 0 or model.opt.viscosity != 0,
        "a joint limits the actuator force": model.jnt_actfrclimited.any(),
        "a joint has polynomial stiffness or damping": model.jnt_stiffnesspoly.any()
        or model.dof_dampingpoly.any(),
        "an actuator has damping or armature": model.actuator_damping.any()
        or model.actuator_dampingpoly.any()
        or model.actuator_armature.any(),
        "an actuator has a delay": model.actuator_delay.any(),
        "an actuator has several inputs or outputs": model.nu != len(model.actuator_trntype)
        or len(model.actuator_gear) != model.nu,
        "an actuator acts on other than a joint or a site": not set(model.actuator_trntype.tolist())
        <= set(map(int, transmissions)),
        "an actuator's gain is neither fixed nor affine": not set(model.actuator_gaintype.tolist())
        <= set(map(int, gains)),
        "an actuator's bias is neither none nor affine": not set(model.actuator_biastype.tolist())
        <= set(map(int, biases)),
        "an actuator on a site has a reference site": (on_site & (model.actuator_trnid[:, 1] >= 0)).any(),
        "an actuator on a site depends on position or velocity": state_terms[on_site].any(),
    }
    problems = [reason for reason, holds in refusals.items() if holds]
    if problems:
        raise ValueError("cannot compile the model's dynamics: " + "; ".join(problems))


def _rotation(quaternion) -> Float[np.ndarray, "3 3"]:
    w, *u = quaternion / np.linalg.norm(quaternion)
    u = np.array(u)
    matrix = (w * w - u @ u) * np.eye(3) + 2 * np.outer(u, u) + 2 * w * np.cross(np.eye(3), u)
    return _snap(matrix)


def _snap(values):
    """Round-off next to 0 and +-1 removed: quarter turns become exact."""
    near = np.round(values)
    return np.where(np.abs(values - near) < 1e-14, near, values)


def _frame_along(axis) -> Float[np.ndarray, "3 3"]:
    """A rotation whose third column is `axis`, with as many zeros as possible."""
    axis = _snap(axis / np.linalg.norm(axis))
    largest = int(np.argmax(np.abs(axis)))
    if abs(axis[largest]) == 1.0:
        second = np.eye(3)[(largest + 2) % 3]
    else:
        second = np.cross(axis, np.eye(3)[2])
        second /= np.linalg.norm(second)
    return _snap(np.column_stack([np.cross(second, axis), second, axis]))


def links_of(model: mujoco.MjModel) -> tuple[list[Link], list[Pose]]:
    """The tree of links, one per joint in the order of qpos, and the pose of every body."""
    links: list[Link] = []
    poses = [Pose(-1, np.eye(3), np.zeros(3))]
    for body in range(1, model.nbody):
        link, rotation, position = poses[model.body_parentid[body]]
        position = position + rotation @ model.body_pos[body]
        rotation = _snap(rotation @ _rotation(model.body_quat[body]))
        for joint in range(
            model.body_jntadr[body], model.body_jntadr[body] + max(model.body_jntnum[body], 0)
        ):
            hinge = bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE)
            anchor = model.jnt_pos[joint] if hinge else np.zeros(3)
            frame = _frame_along(rotation @ model.jnt_axis[joint])
            origin = position + rotation @ anchor
            links.append(
                Link(link, hinge, frame, origin, 0.0, np.zeros(3), np.zeros((3, 3)), 0.0, np.zeros(3))
            )
            link, rotation = len(links) - 1, _snap(frame.T @ rotation)
            position = -rotation @ anchor
        poses.append(Pose(link, rotation, position))
        if link >= 0:
            links[link] = _attach(links[link], model, body, rotation, position)
    return links, poses


def _attach(link: Link, model: mujoco.MjModel, body: int, rotation, position) -> Link:
    mass = float(model.body_mass[body])
    centre = position + rotation @ model.body_ipos[body]
    principal = _snap(rotation @ _rotation(model.body_iquat[body]))
    inertia = principal @ np.diag(model.body_inertia[body]) @ principal.T
    inertia += mass * (centre @ centre * np.eye(3) - np.outer(centre, centre))
    heavy = mass * (1.0 - float(model.body_gravcomp[body]))
    return link._replace(
        mass=link.mass + mass,
        first_moment=link.first_moment + mass * centre,
        inertia=link.inertia + inertia,
        heavy_mass=link.heavy_mass + heavy,
        heavy_moment=link.heavy_moment + heavy * centre,
    )


# ---------------------------------------------------------------- vectors of expressions


def _times(matrix, vector) -> Vector:
    result = []
    for row in matrix:
        total: Number = 0.0
        for entry, x in zip(row, vector, strict=True):
            total = total + float(entry) * x
        result.append(total)
    return result


def _plus(x, y) -> Vector:
    return [a + b for a, b in zip(x, y, strict=True)]


def _cross(x, y) -> Vector:
    return [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]


def _floats(array) -> list:
    return np.asarray(array, float).tolist()


class Tree(NamedTuple):
    """The links with their joint displacements as expressions."""

    links: list[Link]
    sines: Vector
    cosines: Vector
    offsets: list[Vector]  # a link's origin in its parent's frame


def _tree(links: list[Link], displacements: Vector) -> Tree:
    sines, cosines, offsets = [], [], []
    for link, q in zip(links, displacements, strict=True):
        sines.append(sine(q) if link.hinge else 0.0)
        cosines.append(cosine(q) if link.hinge else 1.0)
        along = [float(axis) * q for axis in link.rotation[:, 2]]
        offsets.append(_floats(link.position) if link.hinge else _plus(_floats(link.position), along))
    return Tree(links, sines, cosines, offsets)


def _down(tree: Tree, i: int, vector) -> Vector:
    """From the parent's frame to the frame of link i."""
    x, y, z = _times(tree.links[i].rotation.T, vector)
    s, c = tree.sines[i], tree.cosines[i]
    return [c * x + s * y, c * y - s * x, z]


def _up(tree: Tree, i: int, vector) -> Vector:
    """From the frame of link i to the parent's."""
    x, y, z = vector
    s, c = tree.sines[i], tree.cosines[i]
    return _times(tree.links[i].rotation, [c * x - s * y, s * x + c * y, z])


def _rates(turning: Vector, turning_rate: Vector) -> list[Vector]:
    """The matrix K with acceleration at r = acceleration at the origin + K r."""
    (x, y, z), (dx, dy, dz) = turning, turning_rate
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    return [[-(yy + zz), xy - dz, xz + dy], [xy + dz, -(xx + zz), yz - dx], [xz - dy, yz + dx, -(xx + yy)]]


def _matvec(matrix: list[Vector], vector: Vector) -> Vector:
    return [row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2] for row in matrix]


def inverse_dynamics(
    tree: Tree, velocities: Vector, accelerations: Vector, wrenches: dict[int, tuple[Vector, Vector]]
) -> Vector:
    """Joint forces that produce the accelerations without gravity (recursive Newton-Euler).

    wrenches: force and moment applied from outside to a link, in its frame, about its origin.
    """
    links = tree.links
    rest = [[0.0] * 3 for _ in range(3)]
    world = ([0.0] * 3, [0.0] * 3, [0.0] * 3, rest)
    motion: list[tuple] = []
    forces: list[Vector] = []
    moments: list[Vector] = []
    for i, link in enumerate(links):
        parent = motion[link.parent] if link.parent >= 0 else world
        turning, turning_rate = _down(tree, i, parent[0]), _down(tree, i, parent[1])
        linear = _down(tree, i, _plus(parent[2], _matvec(parent[3], tree.offsets[i])))
        rate, growth = velocities[i], accelerations[i]
        x, y, z = turning
        if link.hinge:
            turning = [x, y, z + rate]
            turning_rate = _plus(turning_rate, [y * rate, -(x * rate), growth])
        else:
            linear = _plus(linear, [2.0 * (y * rate), -2.0 * (x * rate), growth])
        rates = _rates(turning, turning_rate)
        motion.append((turning, turning_rate, linear, rates))
        moment_arm, inertia = _floats(link.first_moment), _floats(link.inertia)
        force = _plus([link.mass * a for a in linear], _matvec(rates, moment_arm))
        spin = _cross(turning, _matvec(inertia, turning))
        moment = _plus(_plus(_matvec(inertia, turning_rate), spin), _cross(moment_arm, linear))
        if i in wrenches:
            force = [a - b for a, b in zip(force, wrenches[i][0], strict=True)]
            moment = [a - b for a, b in zip(moment, wrenches[i][1], strict=True)]
        forces.append(force)
        moments.append(moment)
    joint_forces: Vector = [0.0] * len(links)
    for i in reversed(range(len(links))):
        joint_forces[i] = moments[i][2] if links[i].hinge else forces[i][2]
        parent_index = links[i].parent
        if parent_index >= 0:
            force = _up(tree, i, forces[i])
            moment = _plus(_up(tree, i, moments[i]), _cross(tree.offsets[i], force))
            forces[parent_index] = _plus(forces[parent_index], force)
            moments[parent_index] = _plus(moments[parent_index], moment)
    return joint_forces


def weights(tree: Tree, gravity) -> Vector:
    """Joint forces by gravity. Each subtree's weight acts as a whole: nothing rotates down and up again."""
    links = tree.links
    masses = [link.heavy_mass for link in links]
    arms: list[Vector] = [_floats(link.heavy_moment) for link in links]
    for i in reversed(range(len(links))):
        parent = links[i].parent
        if parent >= 0:
            arm = _up(tree, i, arms[i])
            arms[parent] = _plus(
                arms[parent], [h + masses[i] * x for h, x in zip(arm, tree.offsets[i], strict=True)]
            )
            masses[parent] += masses[i]
    falls: list[Vector] = []
    forces: Vector = []
    for i, link in enumerate(links):
        falls.append(_down(tree, i, falls[link.parent] if link.parent >= 0 else list(gravity)))
        forces.append(_cross(arms[i], falls[i])[2] if link.hinge else masses[i] * falls[i][2])
    return forces


def inertia_matrix(tree: Tree, armature) -> list[Vector]:
    """The joint-space inertia, lower triangle (composite-rigid-body algorithm)."""
    links, count = tree.links, len(tree.links)
    masses: Vector = [link.mass for link in links]
    first_moments = [_floats(link.first_moment) for link in links]
    inertias = [_floats(link.inertia) for link in links]
    for i in reversed(range(count)):
        parent = links[i].parent
        if parent >= 0:
            inertia, arm = _inertia_in_parent(tree, i, masses[i], first_moments[i], inertias[i])
            masses[parent] = masses[parent] + masses[i]
            first_moments[parent] = _plus(first_moments[parent], arm)
            inertias[parent] = [_plus(a, b) for a, b in zip(inertias[parent], inertia, strict=True)]
    matrix: list[Vector] = [[0.0] * count for _ in range(count)]
    for i in range(count):
        arm, inertia = first_moments[i], inertias[i]
        if links[i].hinge:
            force, moment = [-arm[1], arm[0], 0.0], [inertia[0][2], inertia[1][2], inertia[2][2]]
        else:
            force, moment = [0.0, 0.0, masses[i]], [arm[1], -arm[0], 0.0]
        j = i
        while j >= 0:
            matrix[i][j] = moment[2] if links[j].hinge else force[2]
            force = _up(tree, j, force)
            moment = _plus(_up(tree, j, moment), _cross(tree.offsets[j], force))
            j = links[j].parent
        matrix[i][i] = matrix[i][i] + float(armature[i])
    return matrix


def _inertia_in_parent(tree: Tree, i: int, mass: Number, arm: Vector, inertia: list[Vector]):
    """Inertia and first moment of link i in its parent's frame and about its parent's origin."""
    s, c = tree.sines[i], tree.cosines[i]
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = inertia
    # R diag R^T about z, written so that it vanishes where xx = yy and xy = 0.
    u = c * (xx - yy) - 2.0 * (s * xy)
    shift = c * u
    turned = [
        [yy + shift, xy + s * u, c * xz - s * yz],
        [xy + s * u, xx - shift, s * xz + c * yz],
        [c * xz - s * yz, s * xz + c * yz, zz],
    ]
    rotation = _floats(tree.links[i].rotation)
    half = [_times(rotation, column) for column in zip(*turned, strict=True)]  # rows: columns of B I
    full = [_times(rotation, row) for row in zip(*half, strict=True)]
    arm = _up(tree, i, arm)
    r = tree.offsets[i]
    # Parallel axes, with the first moment h and the offset r: 2 h.r + m r.r on the diagonal.
    double = [2.0 * h + mass * x for h, x in zip(arm, r, strict=True)]
    squares = [d * x for d, x in zip(double, r, strict=True)]
    result = []
    for a in range(3):
        row = []
        for b in range(3):
            if a == b:
                row.append(full[a][a] + (squares[(a + 1) % 3] + squares[(a + 2) % 3]))
            else:
                row.append(full[a][b] - (arm[a] * r[b] + (arm[b] + mass * r[b]) * r[a]))
        result.append(row)
    return result, [h + mass * x for h, x in zip(arm, r, strict=True)]


def factor(matrix: list[Vector]) -> tuple[list[Vector], Vector]:
    """M = L^T D L with unit lower triangular L as sparse as the tree; returns L and 1 / D."""
    count = len(matrix)
    work = [row[:] for row in matrix]
    inverses: Vector = [0.0] * count
    for k in reversed(range(count)):
        inverses[k] = 1.0 / work[k][k]
        for i in reversed(range(k)):
            ratio = work[k][i] * inverses[k]
            for j in range(i + 1):
                work[i][j] = work[i][j] - ratio * work[k][j]
            work[k][i] = ratio
    return work, inverses


def solve(lower: list[Vector], inverses: Vector, right: Vector) -> Vector:
    """M^-1 right from the factors."""
    x = list(right)
    count = len(x)
    for i in reversed(range(count)):
        for j in range(i):
            x[j] = x[j] - lower[i][j] * x[i]
    x = [a * b for a, b in zip(x, inverses, strict=True)]
    for i in range(count):
        for j in range(i):
            x[i] = x[i] - lower[i][j] * x[j]
    return x


# ---------------------------------------------------------------- a model's accelerations


class Accelerations(NamedTuple):
    """Expressions of q, v, a (the graph's inputs, in this order) for a model's joint accelerations."""

    graph: Graph
    accelerations: Vector


def accelerations_of(model: mujoco.MjModel) -> Accelerations:
    """The joint accelerations of a model, undisturbed, as expressions of (q, v, a).

    Raises:
        ValueError: if the model is not a contact-free tree of hinge and slide joints with supported
            actuators, naming every reason.
    """
    check_supported(model)
    graph = Graph()
    q, v, a = ([graph.input() for _ in range(count)] for count in (model.nq, model.nv, model.nu))
    return Accelerations(graph, _accelerations(model, q, v, a))


def _accelerations(model: mujoco.MjModel, q: Vector, v: Vector, a: Vector) -> Vector:
    links, poses = links_of(model)
    tree = _tree(links, [x - float(zero) for x, zero in zip(q, model.qpos0, strict=True)])
    applied, wrenches = _applied(model, poses, q, v, a)
    gravity = [0.0] * 3 if _disabled(model, "GRAVITY") else _floats(model.opt.gravity)
    applied = _plus(applied, weights(tree, gravity))
    required = inverse_dynamics(tree, v, [0.0] * model.nv, wrenches)
    lower, inverses = factor(inertia_matrix(tree, model.dof_armature))
    return solve(lower, inverses, [x - y for x, y in zip(applied, required, strict=True)])


def _disabled(model: mujoco.MjModel, name: str) -> bool:
    return bool(model.opt.disableflags & getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}"))


def _applied(model, poses: list[Pose], q: Vector, v: Vector, a: Vector):
    """Joint forces by springs, dampers and actuators, and wrenches of actuators mounted on sites."""
    forces: Vector = [0.0] * model.nv
    for i in range(model.nv):
        if not _disabled(model, "SPRING"):
            forces[i] = forces[i] - float(model.jnt_stiffness[i]) * (q[i] - float(model.qpos_spring[i]))
        if not _disabled(model, "DAMPER"):
            forces[i] = forces[i] - float(model.dof_damping[i]) * v[i]
    wrenches: dict[int, tuple[Vector, Vector]] = {}
    if _disabled(model, "ACTUATION"):
        return forces, wrenches
    for k in range(model.nu):
        target, gear = model.actuator_trnid[k, 0], model.actuator_gear[k]
        gain, bias = _floats(model.actuator_gainprm[k]), _floats(model.actuator_biasprm[k])
        if model.actuator_gaintype[k] == mujoco.mjtGain.mjGAIN_FIXED:
            gain[1] = gain[2] = 0.0
        if model.actuator_biastype[k] == mujoco.mjtBias.mjBIAS_NONE:
            bias = [0.0] * 3
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_SITE:
            push = gain[0] * a[k] + bias[0]
            link, force, moment = _site_wrench(model, poses, target, gear)
            if link >= 0:
                before = wrenches.get(link, ([0.0] * 3, [0.0] * 3))
                new = [[x * push for x in _floats(part)] for part in (force, moment)]
                wrenches[link] = (_plus(before[0], new[0]), _plus(before[1], new[1]))
        else:
            ratio = float(gear[0])
            length, rate = ratio * q[target], ratio * v[target]
            push = (gain[0] + gain[1] * length + gain[2] * rate) * a[k]
            push = push + (bias[0] + bias[1] * length + bias[2] * rate)
            forces[target] = forces[target] + ratio * push
    return forces, wrenches


def _site_wrench(model, poses: list[Pose], site: int, gear):
    """Link, force and moment about its origin, per unit actuator force."""
    pose = poses[model.site_bodyid[site]]
    rotation = _snap(pose.rotation @ _rotation(model.site_quat[site]))
    point = pose.position + pose.rotation @ model.site_pos[site]
    force = rotation @ gear[:3]
    return pose.link, force, rotation @ gear[3:] + np.cross(point, force)


def compiled_step(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"]
) -> Callable[[Array, Array, Array], Array]:
    """The control step of `dynamics.mjx_step` from compiled dynamics: same arguments, same meaning.

    Raises:
        ValueError: if the model is not covered, naming every reason.
    """
    graph, outputs = accelerations_of(model)
    code = program(graph, outputs)
    dt, nq = model.opt.timestep, model.nq

    def step(x: Float[Array, " n"], a: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
        acceleration = _stack(run(code, [*x, *a], jnp.sin, jnp.cos), x.dtype)
        acceleration = acceleration + jnp.asarray(disturbance_input, x.dtype) @ w
        v = x[nq:] + dt * acceleration
        return jnp.concatenate([x[:nq] + dt * v, v])

    return step


def compiled_linearise(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"]
) -> Callable[[Array], Affine]:
    """The exact affine model of `compiled_step` at a state, from one pass through the dynamics.

    The accelerations at a = 0 and their derivatives by a, which do not depend on a, are compiled
    together: no step is probed.

    Raises:
        ValueError: if the model is not covered, naming every reason.
    """
    graph, outputs = accelerations_of(model)
    n, nq, dt = model.nq + model.nv, model.nq, model.opt.timestep
    at_rest = _accelerations(model, graph.inputs[:nq], graph.inputs[nq:n], [0.0] * model.nu)
    columns = gradients(outputs, graph.inputs[n:])
    code = program(graph, [*at_rest, *(entry for row in columns for entry in row)])
    noise = np.vstack([dt**2 * disturbance_input, dt * disturbance_input])

    def linearise(x: Float[Array, " n"]) -> Affine:
        # The code reads no action: it holds the derivatives and the accelerations at a = 0.
        values = _stack(run(code, [*x, *[0.0] * model.nu], jnp.sin, jnp.cos), x.dtype)
        v = x[nq:] + dt * values[:nq]
        control = values[nq:].reshape(nq, model.nu)
        return Affine(
            jnp.concatenate([x[:nq] + dt * v, v]),
            jnp.concatenate([dt**2 * control, dt * control]),
            jnp.asarray(noise, x.dtype),
        )

    return linearise


def _stack(values: list, dtype) -> Float[Array, " values"]:
    return jnp.stack([jnp.asarray(value, dtype) for value in values])


def include(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"], constraints: Box, disturbance: Box
) -> Inclusion:
    """What a proof may assume of the model's simulated step on a box; see `remainder` for the theorem.

    The origin is the centre of the constraint box. `support` covers mjx and the compiled step alike.

    Raises:
        ValueError: if the model is not covered, or its accelerations have no finite bound on the box.
    """
    graph, outputs = accelerations_of(model)
    return remainder.include(graph, outputs, model.opt.timestep, disturbance_input, constraints, disturbance)

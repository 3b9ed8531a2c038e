"""Rigid-body dynamics compiled from an MJCF: straight-line code for the accelerations of a joint tree.

The recursions run once, in Python, over scalar expressions, for any contact-free tree of hinge and
slide joints; what comes out has no zeros, no ones and no matrices, and runs on floats, JAX arrays
and intervals alike. Proofs and the fast physics read the same code.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from safebench import remainder
from safebench.action_set import Affine
from safebench.affinity import check_affine
from safebench.expression import Graph, Program, adjoint, gradients, program, run
from safebench.inclusion import Inclusion
from safebench.joint_tree import Pose, links_of, rotation_of, snap
from safebench.polytope import Box
from safebench.recursions import (
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


LONG = 300  # operations from which code is run in blocks and has its own reverse-mode rule
BLOCK = 100  # operations


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
    tree = _tree(model, q)
    forces = _imbalance(model, tree, q, v, a, [0.0] * model.nv)
    return solve(*factor(inertia_matrix(tree, model.dof_armature)), forces)


def _tree(model: mujoco.MjModel, q: Vector) -> Tree:
    links, _ = links_of(model)
    return tree_of(links, [x - float(zero) for x, zero in zip(q, model.qpos0, strict=True)])


def _imbalance(model, tree: Tree, q: Vector, v: Vector, a: Vector, accelerations: Vector) -> Vector:
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
        if not _disabled(model, "SPRING"):
            forces[i] = forces[i] - float(model.jnt_stiffness[i]) * (q[i] - float(model.qpos_spring[i]))
        if not _disabled(model, "DAMPER"):
            forces[i] = forces[i] - float(model.dof_damping[i]) * v[i]
    wrenches: dict[int, tuple[Vector, Vector]] = {}
    if _disabled(model, "ACTUATION"):
        return forces, wrenches
    for k in range(model.nu):
        target, gear = model.actuator_trnid[k, 0], model.actuator_gear[k]
        gain, bias = floats(model.actuator_gainprm[k]), floats(model.actuator_biasprm[k])
        if model.actuator_gaintype[k] == mujoco.mjtGain.mjGAIN_FIXED:
            gain[1] = gain[2] = 0.0
        if model.actuator_biastype[k] == mujoco.mjtBias.mjBIAS_NONE:
            bias = [0.0] * 3
        if model.actuator_trntype[k] == mujoco.mjtTrn.mjTRN_SITE:
            push = gain[0] * a[k] + bias[0]
            link, force, moment = _site_wrench(model, poses, target, gear)
            if link >= 0:
                before = wrenches.get(link, ([0.0] * 3, [0.0] * 3))
                new = [[x * push for x in floats(part)] for part in (force, moment)]
                wrenches[link] = (plus(before[0], new[0]), plus(before[1], new[1]))
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
    rotation = snap(pose.rotation @ rotation_of(model.site_quat[site]))
    point = pose.position + pose.rotation @ model.site_pos[site]
    force = rotation @ gear[:3]
    return pose.link, force, rotation @ gear[3:] + np.cross(point, force)


def compiled_step(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"]
) -> Callable[[Array, Array, Array], Array]:
    """The control step of `dynamics.mjx_step` from compiled dynamics: same arguments, same meaning.

    Long code (LONG operations or more) has its own reverse-mode rule and no forward-mode one.

    Raises:
        ValueError: if the model is not covered, naming every reason.
    """
    code = program(*accelerations_of(model))
    dt, nq = model.opt.timestep, model.nq
    accelerate = _reversible(model, code) if len(code.operations) >= LONG else _direct(code)

    def step(x: Float[Array, " n"], a: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
        acceleration = accelerate(x, a) + jnp.asarray(disturbance_input, x.dtype) @ w
        v = x[nq:] + dt * acceleration
        return jnp.concatenate([x[:nq] + dt * v, v])

    return step


def _direct(code: Program) -> Callable[[Array, Array], Array]:
    return lambda x, a: _stack(run(code, [*x, *a], jnp.sin, jnp.cos), x.dtype)


def _reversible(model: mujoco.MjModel, code: Program) -> Callable[[Array, Array], Array]:
    """Accelerations with a reverse-mode rule that never differentiates the inertia matrix.

    M(q) acc = f(q, v, a) - ID(q, v, acc) holds identically, so a cotangent c of acc pulls back to the
    gradient of lambda . (f - ID) by (q, v, a), with acc held and lambda = M^-1 c.
    """
    n, m = model.nv, model.nu
    graph = Graph()
    q, cotangent = ([graph.input() for _ in range(n)] for _ in range(2))
    inertia = inertia_matrix(_tree(model, q), model.dof_armature)
    solve_code = program(graph, solve(*factor(inertia), cotangent))
    graph = Graph()
    q, v, a, held, multiplier = ([graph.input() for _ in range(count)] for count in (n, n, m, n, n))
    forces = _imbalance(model, _tree(model, q), q, v, a, held)
    power = sum(x * y for x, y in zip(multiplier, forces, strict=True))
    pull_code = program(graph, adjoint(power, [*q, *v, *a]))

    @jax.custom_vjp
    def accelerate(x, a):
        return _stack(_run_in_blocks(code, [*x, *a]), x.dtype)

    def forward(x, a):
        acceleration = accelerate(x, a)
        return acceleration, (x, a, acceleration)

    def backward(saved, cotangent):
        x, a, acceleration = saved
        multipliers = _run_in_blocks(solve_code, [*x[:n], *cotangent])
        pulled = _stack(
            _run_in_blocks(pull_code, [*x, *a, *acceleration, *_stack(multipliers, x.dtype)]), x.dtype
        )
        return pulled[: 2 * n], pulled[2 * n :]

    accelerate.defvjp(forward, backward)
    return accelerate


def _run_in_blocks(code: Program, inputs: list[Array]) -> list[Array | float]:
    """`run` with jnp, cut into blocks of BLOCK operations.

    XLA fuses straight-line code of this length into kernels that compute shared values over and over
    (measured: 20 times slower, compile times of minutes). It never fuses through a matrix product, so
    what a block hands on passes through one with the identity: exact, and small beside the rest.
    """
    last_use: dict[int, int] = {}
    for k, (_, *arguments) in enumerate(code.operations):
        last_use |= {x: k for x in arguments if isinstance(x, int)}
    last_use |= {x: len(code.operations) for x in code.outputs if isinstance(x, int)}
    values: list = list(inputs)
    for start in range(0, len(code.operations), BLOCK):
        stop = min(start + BLOCK, len(code.operations))
        first = len(values)
        # A program of this block alone, on all values so far.
        block = Program(first, code.operations[start:stop], tuple(range(first, first + stop - start)))
        values += run(block, values, jnp.sin, jnp.cos)
        kept = [k for k in range(first, len(values)) if last_use.get(k, -1) >= stop]
        packed = _stack([values[k] for k in kept], inputs[0].dtype)
        # Full precision also where matrix units would round single precision to 10 bits.
        packed = jnp.matmul(jnp.eye(len(kept), dtype=packed.dtype), packed, precision="highest")
        for k, value in zip(kept, packed, strict=True):
            values[k] = value
    return [values[end] if isinstance(end, int) else end for end in code.outputs]


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

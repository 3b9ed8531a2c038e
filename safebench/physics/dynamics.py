"""One control step of a task's physics, and its exact affine model at a state.

A task's model is an MJCF without contacts or active constraints, Euler integrator, one `mjx.step` per
control period. Then the next state is exactly affine in the controls at a fixed state (measured
deviation 1e-15 to 5e-14 in float64), so the model taken by differences carries no linearisation error.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from safebench.physics import compiled, rigid_body
from safebench.physics.affine import (
    Affine,
    check_affine,
    linearise_by_differences,
    predict,
    with_stored_jacobian,
)
from safebench.physics.quiet import quiet
from safebench.sets.inclusion import Inclusion, linear_inclusion
from safebench.sets.polytope import Box

with quiet():
    from mujoco import mjx

Physics = Literal["mjx", "compiled", "plain"]


MOTION_FIELDS = tuple(
    """
    body_parentid body_mass body_inertia body_pos body_quat body_ipos body_iquat body_gravcomp
    jnt_type jnt_bodyid jnt_pos jnt_axis jnt_stiffness qpos0 qpos_spring dof_damping dof_armature
    dof_frictionloss site_bodyid site_pos site_quat actuator_trntype actuator_trnid actuator_gear
    actuator_gaintype actuator_gainprm actuator_biastype actuator_biasprm actuator_dyntype
    """.split()
)
"""Every array of a contact-free MuJoCo model that its motion depends on."""


@dataclass(frozen=True)
class Dynamics:
    """The physics of one environment.

    step: (x, a, w) -> x+, one control period.
    linearise: x -> Affine, exact at x.
    include: (constraints, disturbance) -> Inclusion, what a proof may assume of `step`.
    fingerprint: SHA-256 of everything that determines `step`; certificates are bound to it.
    model: the MuJoCo model, or None for a task that is not mechanical.
    physics: which implementation `step` is ("plain" for tasks that are not mechanical).
    """

    step: Callable[[Array, Array, Array], Array]
    linearise: Callable[[Array], Affine]
    include: Callable[[Box, Box], Inclusion]
    fingerprint: str
    model: mujoco.MjModel | None
    physics: Physics


def mjx_step(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"]
) -> Callable[[Array, Array, Array], Array]:
    """x = (qpos, qvel), a = ctrl, w: the disturbance adds `disturbance_input @ w` to the accelerations.

    Semi-implicit Euler makes the added acceleration F w move the next velocities by dt F w and the
    next positions by dt^2 F w; this equals a generalised force M(q) F w inside the step.

    Raises:
        ValueError: if the model could break the exact affinity that safety rests on.
    """
    check_affine(model)
    dt = model.opt.timestep
    noise = np.vstack([dt**2 * disturbance_input, dt * disturbance_input])
    nq = model.nq
    device_model = mjx.put_model(model, impl="jax")

    # Not for speed of running: jit traces MJX's thousands of operations once, not at every use.
    @jax.jit
    def step(x: Float[Array, " n"], a: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
        data = mjx.make_data(device_model)
        data = data.replace(qpos=x[:nq], qvel=x[nq:], ctrl=a)
        data = mjx.step(device_model, data)
        return jnp.concatenate([data.qpos, data.qvel]) + jnp.asarray(noise, x.dtype) @ w

    return step


def fingerprint(model: mujoco.MjModel, *arrays: np.ndarray) -> str:
    """SHA-256 over the numbers of the compiled model that enter its motion, and over `arrays`.

    Names, colours and file layout do not matter; a mass changed in its last bit does.
    """
    digest = hashlib.sha256()
    for name in MOTION_FIELDS:
        _absorb(digest, name, np.asarray(getattr(model, name)))
    option = np.concatenate([[model.opt.timestep, model.opt.viscosity, model.opt.density], model.opt.gravity])
    _absorb(digest, "option", option)
    flags = np.array([model.opt.integrator, model.opt.disableflags, model.opt.enableflags])
    _absorb(digest, "flags", flags)
    for index, array in enumerate(arrays):
        _absorb(digest, f"array{index}", array)
    return digest.hexdigest()


def _absorb(digest, name: str, array: np.ndarray) -> None:
    canonical = np.ascontiguousarray(array, "<i8" if array.dtype.kind in "iub" else "<f8")
    digest.update(f"{name}{canonical.shape}".encode())
    digest.update(canonical.tobytes())


def mechanical(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"], physics: Physics = "mjx"
) -> Dynamics:
    """The dynamics of an MJCF model whose accelerations are disturbed by `disturbance_input @ w`.

    Raises:
        ValueError: if the model is not exactly affine in its controls, or `physics` is unknown.
    """
    disturbance_input = np.asarray(disturbance_input, float)
    if physics == "mjx":
        step = mjx_step(model, disturbance_input)
        linearise = with_stored_jacobian(linearise_by_differences(step, model.nu, disturbance_input.shape[1]))
    elif physics == "compiled":
        step = compiled.compiled_step(model, disturbance_input)
        linearise = compiled.compiled_linearise(model, disturbance_input)
    else:
        raise ValueError(f"physics must be 'mjx' or 'compiled' for a mechanical task, not {physics!r}")
    return Dynamics(
        step=step,
        linearise=linearise,
        include=lambda constraints, disturbance: rigid_body.include(
            model, disturbance_input, constraints, disturbance
        ),
        fingerprint=fingerprint(model, disturbance_input),
        model=model,
        physics=physics,
    )


def linear(
    state: Float[np.ndarray, "n n"],
    action: Float[np.ndarray, "n m"],
    noise: Float[np.ndarray, "n q"],
    constant: Float[np.ndarray, " n"],
    origin: Float[np.ndarray, " n"] | None = None,
) -> Dynamics:
    """The dynamics x+ = state @ x + action @ a + noise @ w + constant, for tasks that are not mechanical.

    origin: the point that a certified law contracts to, the middle of the constraints by default.
    """
    state, action, noise, constant = (np.asarray(value, float) for value in (state, action, noise, constant))

    def linearise(x: Float[Array, " n"]) -> Affine:
        a, b, e, c = (jnp.asarray(value, x.dtype) for value in (state, action, noise, constant))
        return Affine(a @ x + c, b, e)

    digest = hashlib.sha256()
    for name, array in {"state": state, "action": action, "noise": noise, "constant": constant}.items():
        _absorb(digest, name, array)
    return Dynamics(
        step=lambda x, a, w: predict(linearise(x), a, w),
        linearise=linearise,
        include=lambda constraints, disturbance: linear_inclusion(
            state, action, noise, constant, constraints, disturbance, origin
        ),
        fingerprint=digest.hexdigest(),
        model=None,
        physics="plain",
    )

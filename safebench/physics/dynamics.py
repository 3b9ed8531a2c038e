"""One control step of a task's physics, and its exact affine model at a state.

A task's model is an MJCF without contacts or constraints, Euler integrator, one step per control period (see
`supported` for what else). Then the next state is exactly affine in the action at a fixed state (measured
deviation 1e-15 to 5e-14 in float64), so the model taken by differences carries no linearisation error.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from safebench.physics import compiled, enclosure
from safebench.physics.affine import (
    Affine,
    linearise_by_differences,
    predict,
    with_stored_jacobian,
)
from safebench.physics.commands import Commanded, Commands, commanded_actuators
from safebench.physics.fingerprint import absorb, fingerprint
from safebench.physics.quiet import quiet
from safebench.physics.supported import check_supported, without_collisions
from safebench.physics.unconstrained import Unconstrained, check_independent, constrained, indices_of
from safebench.sets.inclusion import Inclusion, linear_inclusion
from safebench.sets.polytope import Box

with quiet():
    from mujoco import mjx

Physics = Literal["mjx", "compiled", "plain"]

MANY_JOINTS = 4
"""Of more than these, MJX needs `Dynamics.compiler_options`."""


@dataclass(frozen=True)
class Dynamics:
    """The physics of one environment. Shapes: state x (n,), action a (m,) in [-1, 1], disturbance w (q,).

    step: (x, a, w) -> x+, one control period.
    linearise: x -> Affine, exact at x.
    include: (constraints, disturbance) -> Inclusion, what a proof may assume of `step`.
    fingerprint: SHA-256 of everything that determines `step`; certificates are bound to it.
    model: the MuJoCo model, or None for a task that is not mechanical.
    physics: which implementation `step` is ("plain" for tasks that are not mechanical).
    state_names: of the constrained states: the joints' names and, with "dot" added, those of their
        velocities; () where not mechanical.
    action_names: the actuators' names; () where not mechanical.
    commanded: the actuators whose action is an acceleration of their joint (see safebench.physics.commands).
    controls: (x, a) -> the model's `ctrl` (m,) that an action stands for; None where not mechanical.
    unconstrained: states that constraints, `include` and certificates do not speak of, by index with their
        range (see safebench.physics.unconstrained).
    """

    step: Callable[[Array, Array, Array], Array]
    linearise: Callable[[Array], Affine]
    include: Callable[[Box, Box], Inclusion]
    fingerprint: str
    model: mujoco.MjModel | None
    physics: Physics
    state_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    commanded: Commanded = ()
    controls: Callable[[Array, Array], Array] | None = None
    unconstrained: Unconstrained = field(default_factory=dict)

    @property
    def compiler_options(self) -> dict[str, bool]:
        """What XLA is told of programs that contain `step`, where that is not its default.

        MJX's step of many joints is long straight-line code; XLA's newer way to emit fused loops for CPUs
        computes shared values over and over (measured at seven joints: 16 ms a step against 0.04, 22 s to
        compile against 6).
        """
        long = self.physics == "mjx" and self.model is not None and self.model.nv > MANY_JOINTS
        return {"xla_cpu_use_fusion_emitters": False} if long and jax.default_backend() == "cpu" else {}


def mjx_step(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"], commanded: Commanded = ()
) -> Callable[[Array, Array, Array], Array]:
    """x = (qpos, qvel); a in [-1, 1], mapped to ctrl; `disturbance_input @ w` is added to the accelerations.

    Semi-implicit Euler makes the added acceleration F w move the next velocities by dt F w and the
    next positions by dt^2 F w; this equals a generalised force M(q) F w inside the step.

    Where joints are commanded by acceleration, the forces are found by inverse dynamics first, and the
    derivatives are those of the closed form, which is the same map: nothing is differentiated twice over.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    check_supported(model, commanded)
    dt = model.opt.timestep
    noise = np.vstack([dt**2 * disturbance_input, dt * disturbance_input])
    nq = model.nq
    device_model = mjx.put_model(without_collisions(model), impl="jax")

    ctrl = compiled.compiled_controls(model, commanded)

    # Not for speed of running: jit traces MJX's thousands of operations once, not at every use.
    @jax.jit
    def step(x: Float[Array, " n"], a: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
        data = mjx.make_data(device_model)
        data = data.replace(qpos=x[:nq], qvel=x[nq:], ctrl=ctrl(x, a))
        data = mjx.step(device_model, data)
        return jnp.concatenate([data.qpos, data.qvel]) + jnp.asarray(noise, x.dtype) @ w

    if not commanded:
        return step
    closed_form = compiled.compiled_linearise(model, disturbance_input, commanded)
    with_closed_derivatives = jax.custom_jvp(step)

    @with_closed_derivatives.defjvp
    def _derivative(primals, tangents):
        _, along = jax.jvp(lambda x, a, w: predict(closed_form(x), a, w), primals, tangents)
        return step(*primals), along

    return with_closed_derivatives


def mechanical(
    model: mujoco.MjModel,
    disturbance_input: Float[np.ndarray, "v q"],
    physics: Physics = "mjx",
    commands: Commands = "force",
    unconstrained: Mapping[str, float] = MappingProxyType({}),
) -> Dynamics:
    """The dynamics of an MJCF model whose accelerations are disturbed by `disturbance_input @ w`.

    commands: "force": an action is scaled onto its actuator's ctrlrange. "acceleration": ctrlrange is the
        range of its joint's acceleration [rad/s^2 or m/s^2], and the force follows by inverse dynamics; a
        forcerange is a limit that the proof then shows to be kept. A sequence of joints' names: these by
        acceleration, other actuators by force.
    unconstrained: names of states that the task's constraints, and so its safe set, do not speak of, with the
        largest magnitude that each is expected to have (rounding is allowed for up to there, and forces are
        bounded): {"theta": 10.0, "thetadot": 50.0}. The constraint box has the other states, in their order.

    Raises:
        ValueError: if the model is not supported, naming every reason, `disturbance_input` does not fit it or
            is not finite, `physics` or `commands` is unknown or not possible, or the motion of a constrained
            state depends on one that is not.
    """
    commanded = commanded_actuators(model, commands)
    disturbance_input = np.asarray(disturbance_input, float)
    if disturbance_input.ndim != 2 or len(disturbance_input) != model.nv:
        raise ValueError(
            f"the disturbance input has shape {disturbance_input.shape}, expected ({model.nv}, "
            "disturbances): a row for each joint"
        )
    if not np.isfinite(disturbance_input).all():
        raise ValueError(f"the disturbance input is not finite: {disturbance_input.tolist()}")
    if physics == "mjx":
        step = mjx_step(model, disturbance_input, commanded)
        if commanded:  # the closed form: one call of the physics a step, not one for each input
            linearise = compiled.compiled_linearise(model, disturbance_input, commanded)
        else:
            probed = linearise_by_differences(step, model.nu, disturbance_input.shape[1])
            linearise = with_stored_jacobian(probed)
    elif physics == "compiled":
        step = compiled.compiled_step(model, disturbance_input, commanded)
        linearise = compiled.compiled_linearise(model, disturbance_input, commanded)
    else:
        raise ValueError(f"physics must be 'mjx' or 'compiled' for a mechanical task, not {physics!r}")
    joints = _names("joint", (model.joint(k).name for k in range(model.njnt)))
    states = (*joints, *(f"{name}dot" for name in joints))
    left_out = indices_of(states, unconstrained)
    if left_out:
        check_independent(model, states, left_out, commanded)
    return Dynamics(
        step=step,
        linearise=linearise,
        include=lambda constraints, disturbance: enclosure.include(
            model, disturbance_input, constraints, disturbance, commanded, left_out
        ),
        fingerprint=fingerprint(model, disturbance_input, *([np.array(commanded)] if commanded else [])),
        model=model,
        physics=physics,
        state_names=tuple(states[i] for i in constrained(len(states), left_out)),
        action_names=_names("actuator", (model.actuator(k).name for k in range(model.nu))),
        commanded=commanded,
        controls=compiled.compiled_controls(model, commanded),
        unconstrained=left_out,
    )


def _names(kind: str, given: Iterable[str]) -> tuple[str, ...]:
    return tuple(name or f"{kind} {index}" for index, name in enumerate(given))


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
        absorb(digest, name, array)
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

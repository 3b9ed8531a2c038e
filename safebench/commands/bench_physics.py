"""Compiled dynamics against MJX: run time and compile time of a scan, forward and with its gradient.

Both are compiled without XLA's fusion emitters: those compute a shared value again wherever it is used,
which slows both down, and MJX with seven joints beyond measuring. Training leaves XLA as it is.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array

from safebench import registry
from safebench.commands.bench_safeguards import Clock, median_seconds
from safebench.physics.dynamics import Dynamics, Physics, mechanical

BATCH = 256
STEPS = 64
CHAIN = "chain"
"""The name of the serial chain, which is no task."""
CHAIN_JOINTS = 7
PHYSICS: tuple[Physics, ...] = ("mjx", "compiled")
COMPILER_OPTIONS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}


class Timing(NamedTuple):
    """Milliseconds per call and seconds of compilation (tracing included), one physics of one system."""

    system: str
    physics: str
    forward_ms: float
    gradient_ms: float
    forward_compile: float
    gradient_compile: float


class Comparison(NamedTuple):
    """How many times faster compiled dynamics are than MJX, in one run."""

    system: str
    forward: float
    gradient: float
    gradient_compile: float


def chain(joints: int = CHAIN_JOINTS) -> mujoco.MjModel:
    """A serial chain of hinges about alternating axes, one motor each."""
    links = "".join(
        f'<body name="link{i}" pos="0 0 {0.0 if i == 0 else 0.3}">'
        f'<inertial pos="0.02 0.01 0.15" mass="{1 - 0.1 * i:.2f}" diaginertia="0.01 0.012 0.003"/>'
        f'<joint name="joint{i}" type="hinge" axis="{"0 0 1" if i % 2 == 0 else "0 1 0"}" damping="0.5"/>'
        for i in range(joints)
    )
    motors = "".join(f'<motor name="motor{i}" joint="joint{i}" gear="5"/>' for i in range(joints))
    return mujoco.MjModel.from_xml_string(
        '<mujoco><compiler angle="radian"/><option timestep="0.01" integrator="Euler">'
        '<flag contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"/></option>'
        f"<worldbody>{links}{'</body>' * joints}</worldbody><actuator>{motors}</actuator></mujoco>"
    )


def measure(
    systems: Sequence[str], report: Callable[[str], None], clock: Clock = time.perf_counter
) -> list[Timing]:
    """Time both physics on the mechanical tasks named, and on "chain" for the serial chain.

    clock: gives seconds; wall time by default.

    Raises:
        LookupError: for an unknown task. ValueError: for one that is not mechanical.
    """
    timings = []
    for system in systems:
        for physics in PHYSICS:
            dynamics, disturbances = _dynamics(system, physics)
            report(f"{system}: {physics}")
            timings.append(_time(system, dynamics, disturbances, clock))
    return timings


def _dynamics(system: str, physics: Physics) -> tuple[Dynamics, int]:
    """The dynamics of a task or of the chain, and how many disturbances they have."""
    if system == CHAIN:
        return mechanical(chain(), np.eye(CHAIN_JOINTS), physics), CHAIN_JOINTS
    task = registry.make_task(system, physics)
    if task.dynamics.model is None:
        raise ValueError(f"{system!r} is not mechanical: there is no MJX to compare with")
    return task.dynamics, len(task.disturbance.lower)


def compare(timings: Sequence[Timing]) -> list[Comparison]:
    """MJX's times over compiled dynamics', system by system."""
    by_key = {(timing.system, timing.physics): timing for timing in timings}
    comparisons = []
    for system in dict.fromkeys(timing.system for timing in timings):
        slow, fast = by_key[system, "mjx"], by_key[system, "compiled"]
        comparisons.append(
            Comparison(
                system,
                slow.forward_ms / fast.forward_ms,
                slow.gradient_ms / fast.gradient_ms,
                slow.gradient_compile / fast.gradient_compile,
            )
        )
    return comparisons


def _time(system: str, dynamics: Dynamics, disturbances: int, clock: Clock) -> Timing:
    step, model, physics = dynamics.step, dynamics.model, dynamics.physics
    assert model is not None
    rng = np.random.default_rng(0)
    x = jnp.asarray(0.1 * rng.normal(size=(BATCH, model.nq + model.nv)))
    actions = jnp.asarray(0.1 * rng.normal(size=(STEPS, BATCH, model.nu)))
    w = jnp.zeros(disturbances)

    def total(x: Array, actions: Array) -> Array:
        def one(x, a):
            x = jax.vmap(step, in_axes=(0, 0, None))(x, a, w)
            return x, jnp.sum(x**2)

        return jnp.sum(jax.lax.scan(one, x, actions)[1])

    forward, forward_compile = _compiled(clock, total, x, actions)
    gradient, gradient_compile = _compiled(clock, jax.value_and_grad(total, argnums=(0, 1)), x, actions)
    repeats = 5 if physics == "mjx" else 15
    seconds = [median_seconds(run, (x, actions), repeats, clock) for run in (forward, gradient)]
    return Timing(system, physics, 1e3 * seconds[0], 1e3 * seconds[1], forward_compile, gradient_compile)


def _compiled(clock: Clock, function: Callable, *arguments) -> tuple[Callable, float]:
    started = clock()
    program = jax.jit(function).lower(*arguments).compile(COMPILER_OPTIONS)
    return program, clock() - started

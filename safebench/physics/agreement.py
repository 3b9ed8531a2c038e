"""Does MuJoCo do what was proven? Its step against the compiled dynamics, and MJX's against it.

A proof speaks of the compiled accelerations in real arithmetic. Here they are compared with C MuJoCo (and,
where asked for, with MJX) at random states and corners of the box: what differs by more than the allowance
for rounding is named, with the state and with the number of the model that explains it.
"""

import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics import reference, rigid_body
from safebench.physics.commands import Commanded
from safebench.physics.conditioning import probes
from safebench.physics.dynamics import mjx_step
from safebench.physics.expression import program, run
from safebench.physics.supported import without_collisions
from safebench.sets.polytope import Box
from safebench.sets.rounding import allowance

Array = np.ndarray
Steps = Callable[[Float[Array, "k n"], Float[Array, "k m"]], Float[Array, "k n"]]
"""(states, actions) -> the next undisturbed states."""

AT_LOAD = 64
"""Random states at which C MuJoCo is compared whenever a task is made."""

FEW = 32
"""Random states at which MJX is compared: it takes longer to compile than to run."""


def compiled_steps(model: mujoco.MjModel, commanded: Commanded = ()) -> Steps:
    """The semi-implicit Euler step of the compiled accelerations, in numpy."""
    code = program(*rigid_body.accelerations_of(model, commanded))
    dt, nq = model.opt.timestep, model.nq

    def steps(x, a):
        accelerations = run(code, [*x.T, *a.T], np.sin, np.cos)
        v = x[:, nq:] + dt * np.stack([np.broadcast_to(one, len(x)) for one in accelerations], axis=1)
        return np.concatenate([x[:, :nq] + dt * v, v], axis=1)

    return steps


def mjx_steps(model: mujoco.MjModel, commanded: Commanded = ()) -> Steps:
    """MJX's step, in float64 whatever the session's precision."""

    def steps(x, a):
        with jax.enable_x64(True):
            step = mjx_step(model, np.zeros((model.nv, 1)), commanded)
            pairs = zip(jnp.asarray(x), jnp.asarray(a), strict=True)
            return np.array([step(state, action, jnp.zeros(1)) for state, action in pairs])

    return steps


class Comparison(NamedTuple):
    """Some steps beside C MuJoCo's.

    states: at how many states. largest: of all differences, over what rounding is allowed.
    differs: where that is more than 1, in a sentence; None where it is nowhere.
    """

    states: int
    largest: float
    differs: str | None


def points(
    model: mujoco.MjModel, constraints: Box, count: int
) -> tuple[Float[Array, "k n"], Float[Array, "k m"]]:
    """Where steps are compared: so many random states and actions of the box, and as many of its corners."""
    x, a = probes(model, constraints, count)
    return x[: 2 * count], a[: 2 * count]


def compare(
    model: mujoco.MjModel,
    steps: Steps,
    constraints: Box,
    magnitude: Float[Array, " n"],
    names: tuple[str, ...],
    count: int = 256,
    commanded: Commanded = (),
) -> Comparison:
    """How far `steps` and C MuJoCo differ at `points`.

    magnitude: per coordinate, what rounding is measured against (a certificate's). names: of the state.
    """
    x, a = points(model, constraints, count)
    if x.shape[1] != model.nq + model.nv:
        raise ValueError(f"the constraint box has {x.shape[1]} coordinates, the state {model.nq + model.nv}")
    ctrl = reference.controls_at(model, commanded)(x, a)
    if commanded:
        model = without_collisions(model)  # nor clamps: limits of commanded forces are proven
    ours, theirs = steps(x, a), reference.moved(model, x, ctrl)
    granted = allowance(magnitude, np.float64)
    difference = np.abs(ours - theirs)
    excess = np.where(np.isnan(difference), np.inf, difference / np.maximum(granted, 1e-300))
    row, coordinate = np.unravel_index(int(excess.argmax()), excess.shape)
    largest = float(excess[row, coordinate])
    if largest <= 1:
        return Comparison(len(x), largest, None)
    name = names[coordinate] if names else f"state {coordinate}"
    differs = (
        f"the next {name} is {ours[row, coordinate]:.9g}, C MuJoCo says {theirs[row, coordinate]:.9g} "
        f"(allowed for rounding: {granted[coordinate]:.2g}) at the state {x[row].tolist()} and the action "
        f"{a[row].tolist()}; {_likely(model, x[row], ctrl[row], ours[row], granted)}"
    )
    return Comparison(len(x), largest, differs)


def check_agreement(
    model: mujoco.MjModel,
    constraints: Box,
    magnitude: Float[Array, " n"],
    names: tuple[str, ...],
    commanded: Commanded = (),
) -> None:
    """Compare C MuJoCo with the compiled dynamics, once for a model; milliseconds.

    Raises:
        ValueError: if they differ, with the coordinate, the state and the likely feature.
    """
    boxes = tuple(map(tuple, constraints))
    differs = _compared(model, boxes, tuple(magnitude), names, commanded)
    if differs:
        raise ValueError(f"C MuJoCo does not do what is proven: {differs}")


@lru_cache(maxsize=64)
def _compared(
    model: mujoco.MjModel, boxes: tuple, magnitude: tuple, names: tuple[str, ...], commanded: Commanded
) -> str | None:
    box = Box(*map(np.array, boxes))
    steps = compiled_steps(model, commanded)
    return compare(model, steps, box, np.array(magnitude), names, AT_LOAD, commanded).differs


def _likely(model: mujoco.MjModel, x: Array, ctrl: Array, ours: Array, granted: Array) -> str:
    """The single number of the model without which C MuJoCo agrees."""
    for name, other in _without(model):
        theirs = reference.moved(other, x[None], ctrl[None])[0]
        if (np.abs(ours - theirs) <= granted).all():
            return f"they agree without the model's {name}"
    return "no single number of the model explains it"


def _without(model: mujoco.MjModel) -> Iterator[tuple[str, mujoco.MjModel]]:
    """(name, the model with that number at rest), for forces, limits and flags."""
    prefixes = ("jnt_", "dof_", "tendon_", "actuator_", "eq_", "body_gravcomp")
    kept = ("jnt_axis", "jnt_pos", "dof_armature", "dof_M0", "dof_invweight0", "actuator_gear")
    for name in sorted(dir(model)):
        if not name.startswith(prefixes) or name.startswith(kept):
            continue
        value = getattr(model, name)
        resting = value.dtype.kind == "f" or name.endswith("limited") or name == "eq_active0"
        if resting and value.any():
            other = copy.deepcopy(model)
            getattr(other, name)[:] = 0
            yield name, other
    for field in ("density", "viscosity", "disableactuator"):
        if getattr(model.opt, field):
            other = copy.deepcopy(model)
            setattr(other.opt, field, 0)
            yield f"option {field}", other
    for field, flags in (("disableflags", mujoco.mjtDisableBit), ("enableflags", mujoco.mjtEnableBit)):
        for flag in flags.__members__.values():
            bits = getattr(model.opt, field)
            if bits & int(flag) and flag != mujoco.mjtDisableBit.mjDSBL_CONTACT:
                other = copy.deepcopy(model)
                setattr(other.opt, field, bits & ~int(flag))
                yield f"flag {flag.name}", other

"""C MuJoCo as the reference: its step at a state and an action.

Where joints are commanded by acceleration, the forces are those of the compiled inverse dynamics, as a
robot's controller would set them.
"""

from collections.abc import Callable

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics import rigid_body
from safebench.physics.commands import Commanded
from safebench.physics.expression import program, run
from safebench.physics.supported import controls, without_collisions

Array = np.ndarray
Controls = Callable[[Float[Array, "k n"], Float[Array, "k m"]], Float[Array, "k m"]]
"""(states, actions) -> MuJoCo's `ctrl`."""


def controls_at(model: mujoco.MjModel, commanded: Commanded = ()) -> Controls:
    """What MuJoCo's `ctrl` has to be, in numpy."""
    if not commanded:
        return lambda x, a: controls(model, a)
    code = program(*rigid_body.controls_of(model, commanded))

    def computed(x, a):
        ends = run(code, [*x.T, *a.T], np.sin, np.cos)
        return np.stack([np.broadcast_to(end, len(x)) for end in ends], axis=1)

    return computed


def place(
    model: mujoco.MjModel, data: mujoco.MjData, x: Float[Array, " n"], ctrl: Float[Array, " m"]
) -> None:
    """Put the state (q, v) and the controls into fresh data."""
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:] = x[: model.nq], x[model.nq :]
    data.ctrl[:] = ctrl


def steps(
    model: mujoco.MjModel, x: Float[Array, "k n"], a: Float[Array, "k m"], commanded: Commanded = ()
) -> Float[Array, "k n"]:
    """The next states, undisturbed, of `mj_step`; commanded forces are not clamped."""
    ctrl = controls_at(model, commanded)(x, a)
    return moved(without_collisions(model) if commanded else model, x, ctrl)


def moved(model: mujoco.MjModel, x: Float[Array, "k n"], ctrl: Float[Array, "k m"]) -> Float[Array, "k n"]:
    """The next states, undisturbed, of `mj_step` with these controls."""
    data = mujoco.MjData(model)
    ends = np.empty_like(x)
    for i in range(len(x)):
        place(model, data, x[i], ctrl[i])
        mujoco.mj_step(model, data)
        ends[i] = np.concatenate([data.qpos, data.qvel])
    return ends

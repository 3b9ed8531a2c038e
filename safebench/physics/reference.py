"""C MuJoCo as the reference: its step at a state and an action."""

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics.supported import controls

Array = np.ndarray


def place(model: mujoco.MjModel, data: mujoco.MjData, x: Float[Array, " n"], a: Float[Array, " m"]) -> None:
    """Put the state (q, v) and the action's controls into fresh data."""
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:] = x[: model.nq], x[model.nq :]
    data.ctrl[:] = controls(model, a)


def steps(model: mujoco.MjModel, x: Float[Array, "k n"], a: Float[Array, "k m"]) -> Float[Array, "k n"]:
    """The next states, undisturbed, of `mj_step`."""
    data = mujoco.MjData(model)
    ends = np.empty_like(x)
    for i in range(len(x)):
        place(model, data, x[i], a[i])
        mujoco.mj_step(model, data)
        ends[i] = np.concatenate([data.qpos, data.qvel])
    return ends

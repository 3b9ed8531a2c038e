"""A safety filter in somebody else's control loop: C MuJoCo at 20 Hz, random torques, worst pushes.

    python docs/examples/filter_mujoco.py

The loop is MuJoCo's alone; safebench sees a state and a proposed action, and gives one that is safe.
"""

import mujoco
import numpy as np

import safebench
from safebench.physics.supported import controls
from safebench.task import shipped_model

ANGLE, SPEED = 2.5, 8.0  # rad, rad/s: the limits of the task `pendulum`
PUSH = 0.1  # rad/s^2: the disturbance that its safe set is proven for


def violations(safeguard: str, steps: int = 1000, seed: int = 0) -> int:
    """Steps outside the limits, of random torques in [-30, 30] N m at 20 Hz."""
    model = shipped_model("pendulum")  # its time step is the control period, 0.05 s
    data = mujoco.MjData(model)
    guarded = safebench.filter("pendulum", safeguard)
    rng = np.random.default_rng(seed)
    outside = 0
    mujoco.mj_forward(model, data)
    for _ in range(steps):
        state = np.concatenate([data.qpos, data.qvel])
        data.ctrl[:] = controls(model, guarded(state, rng.uniform(-1, 1, 1)).action)
        mujoco.mj_mulM(model, data, data.qfrc_applied, rng.choice([-PUSH, PUSH], 1))
        mujoco.mj_step(model, data)
        outside += abs(data.qpos[0]) > ANGLE or abs(data.qvel[0]) > SPEED
    return outside


if __name__ == "__main__":
    for name in ("none", "ray-mask"):
        print(f"{name}: {violations(name)} of 1000 steps outside the limits")

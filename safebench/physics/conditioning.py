"""What rounding of one simulated step is measured against, for a model whose inertia is badly conditioned.

Any stable way to solve M(q) acc = f loses about eps |M^-1| (|M| |acc| + |f|) of the accelerations, entry by
entry (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 7.2: componentwise perturbation
bounds). The compiled dynamics may lose less than MJX, which factors the whole matrix: collinear slides of
1e-4 kg and 10 kg lose 2e-13 in one and 2e-8 in the other.
"""

import itertools

import mujoco
import numpy as np
from jaxtyping import Float

from safebench.physics.commands import Commanded
from safebench.physics.reference import controls_at, place
from safebench.sets.polytope import Box

Array = np.ndarray
SAMPLES = 256
MOST_CORNERS = 256


def probes(
    model: mujoco.MjModel, constraints: Box, count: int = SAMPLES, seed: int = 0
) -> tuple[Float[Array, "k n"], Float[Array, "k m"]]:
    """States and actions to look at: some at random in the box and in [-1, 1], some at their corners."""
    rng = np.random.default_rng(seed)
    n, m = len(constraints.lower), model.nu
    low, high = (
        np.concatenate([constraints.lower, -np.ones(m)]),
        np.concatenate([constraints.upper, np.ones(m)]),
    )
    points = rng.uniform(low, high, (count, n + m))
    if 2 ** (n + m) <= MOST_CORNERS:
        corner = np.array(list(itertools.product([False, True], repeat=n + m)))
    else:
        corner = rng.random((MOST_CORNERS, n + m)) < 0.5
    points = np.concatenate([points, np.where(corner, high, low)])
    return points[:, :n], points[:, n:]


def magnitude(model: mujoco.MjModel, constraints: Box, commanded: Commanded = ()) -> Float[Array, " n"]:
    """Per coordinate of (q, v): the largest |M^-1| (|M| |acc| + |forces|) of the probes, times dt (and dt^2).

    Sampled, not proven: it enters an allowance for rounding with a factor of 64 (safebench.sets.rounding).
    """
    data = mujoco.MjData(model)
    inertia = np.zeros((model.nv, model.nv))
    most = np.zeros(model.nv)
    states, actions = probes(model, constraints)
    for x, ctrl in zip(states, controls_at(model, commanded)(states, actions), strict=True):
        place(model, data, x, ctrl)
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, inertia)
        forces = np.abs(data.qfrc_bias) + np.abs(data.qfrc_passive) + np.abs(data.qfrc_actuator)
        try:
            inverse = np.abs(np.linalg.inv(inertia))
        except np.linalg.LinAlgError:
            return np.full(2 * model.nv, np.inf)
        most = np.maximum(most, inverse @ (np.abs(inertia) @ np.abs(data.qacc) + forces))
    dt = model.opt.timestep
    return np.concatenate([dt**2 * most, dt * most])

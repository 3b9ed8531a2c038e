"""The models of the mechanical tasks and random trees, with boxes, disturbances and states."""

import math
from importlib import resources

import mujoco
import numpy as np
from random_trees import random_tree

from safebench.physics import rigid_body
from safebench.physics.expression import program, run
from safebench.sets.polytope import symmetric_box

DISTURBED = {
    "pendulum": np.array([[1.0]]),
    "cartpole": np.array([[0.0], [1.0]]),
    "quadrotor": np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
}
BOXES = {
    "pendulum": symmetric_box([2.5, 8.0]),
    "cartpole": symmetric_box([2.4, 0.4, 4.0, 3.0]),
    "quadrotor": symmetric_box([8.0, 8.0, math.pi / 12, 0.8, 1.0, math.pi / 2]),
}
DISTURBANCES = {name: symmetric_box(np.full(noise.shape[1], 0.1)) for name, noise in DISTURBED.items()}


def load(name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(resources.files("safebench.tasks") / "assets" / f"{name}.xml"))


def tree(seed: int, joints: int) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(random_tree(seed, joints))


def compiled(model: mujoco.MjModel):
    """The accelerations as a function of floats."""
    code = program(*rigid_body.accelerations_of(model))
    return lambda *z: np.array(run(code, [float(x) for part in z for x in part], math.sin, math.cos))


def states(model: mujoco.MjModel, count: int, size: float = 2.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-size, size, (count, 2 * model.nq)), rng.uniform(-1, 1, (count, model.nu))

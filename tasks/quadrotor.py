"""Fly a planar quadrotor back to where it started, inside limits of position, attitude and speed.

State (x [m], z [m], roll [rad], xdot [m/s], zdot [m/s], rolldot [rad/s]); actions: thrust
T = 9.81 + (6/7) a1 N, roll command u2 = (pi/12) a2 rad. Physics and reward follow Walter et al.,
arXiv 2506.01665; the arena is wider (8 m) and the safe set is ours. The motion depends on neither x nor z,
so the certified law steers to a reference that moves with the quadrotor.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Scalar

from safebench.task import (
    Certificate,
    Physics,
    Progress,
    Search,
    Task,
    mechanical,
    prove_safe_set,
    safe_norm,
    shipped_certificate,
    shipped_model,
    symmetric_box,
)

CONSTRAINTS = symmetric_box([8.0, 8.0, math.pi / 12, 0.8, 1.0, math.pi / 2])
DISTURBANCE = symmetric_box([0.1, 0.1])  # m/s^2, added to the accelerations in x and z
DISTURBANCE_INPUT = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
HORIZON = 240
# The paper's evaluation episode, inferred by reproducing its random generator (not published).
REFERENCE_START = np.array([0.00119833, -0.20811429, -0.08991763, -0.00744885, 0.48920245, 0.10863586])

Goal = Float[Array, " 2"]


def observe(x: Float[Array, " 6"], goal: Goal) -> Float[Array, " 8"]:
    """(state, goal)."""
    return jnp.concatenate([x, goal])


def reward(x: Float[Array, " 6"], a: Float[Array, " 2"], after: Float[Array, " 6"], goal: Goal) -> Scalar:
    """-(2.5 distance to goal + 0.1 (roll^2 + speeds^2) + 0.002 T^2 + 0.001 u2^2), at the next state."""
    thrust = 9.81 + 6 / 7 * a[0]
    roll_command = math.pi / 12 * a[1]
    motion = 2.5 * safe_norm(after[:2] - goal) + 0.1 * jnp.sum(after[2:] ** 2)
    return -(motion + 0.002 * thrust**2 + 0.001 * roll_command**2)


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; a minute."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT)
    return prove_safe_set(
        dynamics,
        CONSTRAINTS,
        DISTURBANCE,
        "quadrotor",
        translations=(0, 1),
        search=Search(contraction=0.999, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx") -> Task:
    """The quadrotor task, with the physics asked for."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics)
    return Task(
        name="quadrotor",
        summary="hold a planar quadrotor at its starting point within attitude and speed limits",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=shipped_certificate(__file__, dynamics),
        observe=observe,
        reward=reward,
        begin=lambda key, x: x[:2],  # the goal: where it starts
        reference_start=(REFERENCE_START, REFERENCE_START[:2]),
    )

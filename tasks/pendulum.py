"""Swing a torque-driven pendulum upright and hold it there, inside angle and speed limits.

State (theta [rad], thetadot [rad/s]), theta = 0 upright; action: torque / 30 N m. Limits, physics and
reward follow Walter et al., arXiv 2506.01665; the safe set and its certificate are ours.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Scalar

from safebench.task import (
    Certificate,
    Context,
    Physics,
    Progress,
    Task,
    mechanical,
    prove_safe_set,
    shipped_certificate,
    shipped_model,
    symmetric_box,
)

CONSTRAINTS = symmetric_box([2.5, 8.0])
DISTURBANCE = symmetric_box([0.1])  # rad/s^2, added to the angular acceleration
DISTURBANCE_INPUT = np.ones((1, 1))
HORIZON = 240
# The paper's evaluation episode, inferred by reproducing its random generator (not published).
REFERENCE_START = np.array([1.13493393, 2.64858308])


def observe(x: Float[Array, " 2"], context: Context) -> Float[Array, " 3"]:
    """(sin theta, cos theta, thetadot)."""
    return jnp.stack([jnp.sin(x[0]), jnp.cos(x[0]), x[1]])


def reward(
    x: Float[Array, " 2"], a: Float[Array, " 1"], after: Float[Array, " 2"], context: Context
) -> Scalar:
    """-(theta^2 + 0.1 thetadot^2 + 0.001 a^2) at the next state."""
    return -(after[0] ** 2 + 0.1 * after[1] ** 2 + 0.001 * a[0] ** 2)


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT)
    return prove_safe_set(dynamics, CONSTRAINTS, DISTURBANCE, "pendulum", progress=progress)


def make(physics: Physics = "mjx") -> Task:
    """The pendulum task, with the physics asked for."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics)
    return Task(
        name="pendulum",
        summary="swing up and hold a pendulum within angle and speed limits",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=shipped_certificate(__file__, dynamics),
        observe=observe,
        reward=reward,
        reference_start=(REFERENCE_START, ()),
    )

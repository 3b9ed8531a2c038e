"""Balance a pole on a cart, near the middle of its rail.

State (x [m], theta [rad], xdot [m/s], thetadot [rad/s]), theta = 0 upright; action: force / 10 N. Cart-pole
of Barto, Sutton and Anderson (1983), IEEE SMC 13(5), without friction; limits, reward and safe set are ours.
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

CONSTRAINTS = symmetric_box([2.4, 0.4, 4.0, 3.0])
DISTURBANCE = symmetric_box([0.1])  # rad/s^2, added to the pole's angular acceleration
DISTURBANCE_INPUT = np.array([[0.0], [1.0]])
HORIZON = 240


def observe(x: Float[Array, " 4"], context: Context) -> Float[Array, " 5"]:
    """(x, sin theta, cos theta, xdot, thetadot)."""
    return jnp.stack([x[0], jnp.sin(x[1]), jnp.cos(x[1]), x[2], x[3]])


def reward(
    x: Float[Array, " 4"], a: Float[Array, " 1"], after: Float[Array, " 4"], context: Context
) -> Scalar:
    """-(0.05 x^2 + 0.1 xdot^2 + theta^2 + 0.1 thetadot^2) at the next state."""
    return -(0.05 * after[0] ** 2 + 0.1 * after[2] ** 2 + after[1] ** 2 + 0.1 * after[3] ** 2)


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; tens of seconds."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT)
    return prove_safe_set(dynamics, CONSTRAINTS, DISTURBANCE, "cartpole", progress=progress)


def make(physics: Physics = "mjx") -> Task:
    """The cart-pole task, with the physics asked for."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics)
    return Task(
        name="cartpole",
        summary="balance a pole on a cart that must stay on its rail",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=shipped_certificate(__file__, dynamics),
        observe=observe,
        reward=reward,
    )

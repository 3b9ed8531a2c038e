"""Fly a quadrotor in space to a goal, inside limits of position, attitude and speed.

Thrust is a force; the attitude is commanded by angular accelerations, which the inverse dynamics turn into
moments. The proof bounds these. Roll and pitch come first, yaw last: the thrust does not turn with yaw. The
motion depends on no position: the certified law steers to a reference that moves along.

| | |
|---|---|
| state | x, y, z [m], roll, pitch, yaw [rad]; their rates |
| action | thrust 9.81 + 1.5 a N; angular accelerations 15 a, 15 a, 5 a rad/s^2 |
| limits | abs x, y, z <= 8 m; abs roll, pitch <= 0.3, abs yaw <= 3.2 rad; speeds <= 1 m/s; rates <= 2 rad/s |
| disturbance | 0.05 m/s^2 on each speed |
| moments | 0.3 N m about each hinge |
| vehicle | 1 kg, inertia 0.0082, 0.0082, 0.0149 kg m^2, of a quadrotor of that mass |
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

from safebench.task import (
    Certificate,
    Corridor,
    Discs,
    Dynamics,
    Physics,
    Picture,
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

CONSTRAINTS = symmetric_box([8.0, 8.0, 8.0, 0.3, 0.3, 3.2, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
DISTURBANCE = symmetric_box([0.05, 0.05, 0.05])
DISTURBANCE_INPUT = np.eye(6, 3)
HORIZON = 240
GOAL_RADIUS = 0.3  # m
FARTHEST = 3.0  # m, from start to goal in each direction
VIEW = np.array([[1.0, 0.0, 0.0], np.array([0.0, 0.3, 1.0]) / np.hypot(0.3, 1.0)])  # of the model's camera
ARENA = 6.5  # m, half-width of the cube that goals lie in


class Goal(NamedTuple):
    """Where to be [m]."""

    target: Float[Array, " 3"]


def begin(key: PRNGKeyArray, x: Float[Array, " 12"]) -> Goal:
    """A goal at most 3 m away in each direction, within 6.5 m of the middle."""
    away = jax.random.uniform(key, (3,), x.dtype, -FARTHEST, FARTHEST)
    return Goal(jnp.clip(x[:3] + away, -ARENA, ARENA))


def observe(x: Float[Array, " 12"], goal: Goal) -> Float[Array, " 15"]:
    """(way to the goal [m], state)."""
    return jnp.concatenate([goal.target - x[:3], x])


def reward(x: Float[Array, " 12"], a: Float[Array, " 4"], after: Float[Array, " 12"], goal: Goal) -> Scalar:
    """-(distance to the goal [m] + 0.1 (roll^2 + pitch^2 + yaw^2 + rates^2)), at the next state."""
    motion = jnp.sum(after[3:6] ** 2) + jnp.sum(after[9:] ** 2)
    return -(safe_norm(after[:3] - goal.target) + 0.1 * motion)


def reached(x: Float[Array, " 12"], goal: Goal) -> Bool[Array, " 1"]:
    """Whether the vehicle is within 0.3 m of the goal."""
    return (safe_norm(x[:3] - goal.target) <= GOAL_RADIUS)[None]


def picture(x: Float[Array, " 12"], goal: Goal, corridor: Corridor) -> Picture:
    """The goal, as the model's camera sees it."""
    nothing = Discs(jnp.zeros((0, 2)), jnp.zeros(0))
    return Picture(nothing, nothing, jnp.asarray(VIEW @ goal.target)[None])


def vehicle(physics: Physics = "mjx") -> Dynamics:
    """Attitude by acceleration, thrust by force."""
    return mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics, ("roll", "pitch", "yaw"))


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; two minutes."""
    return prove_safe_set(
        vehicle("compiled"),
        CONSTRAINTS,
        DISTURBANCE,
        "quadrotor3d",
        translations=(0, 1, 2),
        search=Search(contraction=0.999, row_price=5e-4, candidates=36, refinements=24, share=(0.1, 0.2)),
        progress=progress,
    )


def make(physics: Physics = "mjx") -> Task:
    """The quadrotor in space, with the physics asked for."""
    dynamics = vehicle(physics)
    return Task(
        name="quadrotor3d",
        summary="fly a quadrotor in space to a goal, its attitude commanded by acceleration",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=shipped_certificate(__file__, dynamics),
        observe=observe,
        reward=reward,
        begin=begin,
        reached=reached,
        picture=picture,
    )

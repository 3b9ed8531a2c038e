"""Fly a planar quadrotor to its goal around circular obstacles, inside limits of attitude and speed.

State (x [m], z [m], roll [rad], xdot [m/s], zdot [m/s], rolldot [rad/s]); actions and physics are those of
the task `quadrotor` (Walter et al., arXiv 2506.01665). The body fills at most a disc of 0.61 m around its
centre, which must not touch an obstacle: obstacles of 0.5 to 1.5 m are therefore discs of 1.11 to 2.11 m that
the centre must stay out of. The scene (start, goal, one to five discs, one always between the two) is drawn
anew for every episode. The safe set moves with the body: a corridor whose free box is clear of all discs.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Scalar

from safebench.task import (
    Arena,
    Certificate,
    Corridor,
    Discs,
    Physics,
    Picture,
    Progress,
    Scene,
    Search,
    Task,
    among_discs,
    by_distance,
    mechanical,
    penetration,
    prove_safe_set,
    safe_norm,
    scenes,
    shipped_certificate,
    shipped_model,
    symmetric_box,
    way,
)

ROLL, SPEED, CLIMB, ROLL_RATE = math.pi / 12, 0.8, 1.0, math.pi / 2
CONSTRAINTS = symmetric_box([8.0, 8.0, ROLL, SPEED, CLIMB, ROLL_RATE])
DISTURBANCE = symmetric_box([0.1, 0.1])  # m/s^2, added to the accelerations in x and z
DISTURBANCE_INPUT = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
BODY = 0.61  # m, radius of a disc that holds the body whatever its roll
FREE = 0.5  # m, how far the safe set reaches around its reference
ARENA = Arena(half_width=8.0, radius=(0.5 + BODY, 1.5 + BODY), gap=1.6, apart=6.0, margin=0.75)
HORIZON = 500
GOAL_RADIUS = 0.5  # m


def observe(x: Float[Array, " 6"], scene: Scene, corridor: Corridor) -> Float[Array, " 35"]:
    """(way to the goal, roll and speeds, room in the free box above and below, discs nearest first, position,
    direction and length of the shortest way), all scaled to the order of one."""
    position = x[:2]
    motion = x[2:] / jnp.array([ROLL, SPEED, CLIMB, ROLL_RATE], x.dtype)
    above = jnp.minimum(corridor.high + FREE - position, 3.0) / 2
    below = jnp.minimum(position - corridor.low + FREE, 3.0) / 2
    centres, radii = by_distance(scene.discs, position)
    there = radii > 0
    centres, radii = jnp.where(there[:, None], centres / 4, 2.0), jnp.where(there, radii, 0.0)
    length, direction = way(scene.ways, position)
    where = [(scene.goal - position) / 8, motion, above, below, centres.ravel(), radii, position / 8]
    return jnp.concatenate([*where, direction, length[None] / 8])


def reward(x: Float[Array, " 6"], a: Float[Array, " 2"], after: Float[Array, " 6"], scene: Scene) -> Scalar:
    """-(length of the shortest way to the goal around the obstacles + 0.1 (roll^2 + speeds^2)), at the next
    state."""
    return -(way(scene.ways, after[:2])[0] + 0.1 * jnp.sum(after[2:] ** 2))


def excess(x: Float[Array, " 6"], scene: Scene) -> Float[Array, " discs"]:
    """How deep the centre is in each disc that it must stay out of, in radii."""
    return penetration(scene.discs, x[:2])


def reached(x: Float[Array, " 6"], scene: Scene) -> Bool[Array, " 1"]:
    """Whether the goal is within its radius."""
    return (safe_norm(x[:2] - scene.goal) <= GOAL_RADIUS)[None]


def picture(x: Float[Array, " 6"], scene: Scene, corridor: Corridor) -> Picture:
    """The obstacles and the body as they are, the goal, and the free box that the centre keeps to."""
    there = scene.discs.radius > 0
    return Picture(
        obstacles=Discs(scene.discs.centre, jnp.where(there, scene.discs.radius - BODY, -1.0)),
        bodies=Discs(x[None, :2], jnp.array([BODY])),
        goals=scene.goal[None],
        lower=corridor.low[None] - FREE,
        upper=corridor.high[None] + FREE,
    )


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; half a minute."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT)
    return prove_safe_set(
        dynamics,
        CONSTRAINTS,
        DISTURBANCE,
        "quadrotor-obstacles",
        translations=(0, 1),
        translation_limits=CONSTRAINTS.upper[:2] - FREE,
        search=Search(contraction=0.999, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx") -> Task:
    """The task, with the physics asked for."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics)
    certificate = shipped_certificate(__file__, dynamics)
    return Task(
        name="quadrotor-obstacles",
        summary="fly a planar quadrotor around obstacles to its goal within attitude and speed limits",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        observe=observe,
        reward=reward,
        excess=excess,
        reached=reached,
        corridors=among_discs(certificate, scenes(ARENA), velocity=(3, 4), guided=True),
        picture=picture,
    )

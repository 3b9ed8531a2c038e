"""Move a two-link arm under gravity to its goal among circular obstacles, within all its limits.

The arm of the task `arm2`: links are capsules of 0.5 m with a radius of 0.04 m, in a vertical plane; joints
are commanded by acceleration, and the torques that this takes are proven to keep their limits at all angles.

| | |
|---|---|
| state | q1, q2 [rad], q1dot, q2dot [rad/s] |
| action | accelerations 5 a rad/s^2 |
| limits | abs q1 <= 2.8, abs q2 <= 2.5, abs qdot <= 1.5; no link touches an obstacle |
| disturbance | 0.2 rad/s^2 on both joints |
| torque limit | 17, 5 N m |

The scene is drawn anew for every episode: one to three obstacles of 0.05 to 0.15 m, a start, and a goal that
can be reached through boxes of joint angles that are certified to be free, but not on a straight line. It is
reached when the tip is within 5 cm of where it would be with the goal's angles. The safe set moves with the
joint angles: a corridor whose free box is one of those boxes.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Scalar

from safebench.task import (
    ArmArena,
    ArmScene,
    Certificate,
    Corridor,
    Discs,
    JointGrid,
    Links,
    Physics,
    Picture,
    Progress,
    Search,
    Task,
    TwoLinks,
    arm_among_discs,
    arm_corners,
    arm_scenes,
    by_distance,
    distance_to_arm,
    joint_map,
    joint_way,
    joint_way_length,
    mechanical,
    prove_safe_set,
    safe_norm,
    shipped_certificate,
    shipped_model,
    symmetric_box,
)

SPEED = 1.5  # rad/s
CONSTRAINTS = symmetric_box([2.8, 2.5, SPEED, SPEED])
DISTURBANCE = symmetric_box([0.2, 0.2])  # rad/s^2, added to both accelerations
DISTURBANCE_INPUT = np.eye(2)
FREE = 0.15  # rad, how far the safe set reaches around its reference
ARM = TwoLinks(lengths=(0.5, 0.5), radius=0.04)
ARENA = ArmArena(
    arm=ARM,
    grid=JointGrid(half_width=(2.82, 2.52)),
    reach=FREE,
    spare=0.05,
    references=(2.8 - FREE, 2.5 - FREE),
    radius=(0.05, 0.15),
    away=(0.3, 1.05),
    gap=0.05,
    apart=1.0,
)
HORIZON = 200
GOAL_RADIUS = 0.05  # m


def observe(x: Float[Array, " 4"], scene: ArmScene, corridor: Corridor) -> Float[Array, " 26"]:
    """(way to the goal's angles, speeds, room in the free box above and below, direction and length of the
    shortest way, angles, tip, its way to its goal, obstacles nearest the tip first), of the order of one."""
    q, speeds = x[:2], x[2:]
    above = jnp.minimum(corridor.high + FREE - q, 1.5)
    below = jnp.minimum(q - corridor.low + FREE, 1.5)
    length, direction = joint_way(arm_scenes(ARENA), scene, q)
    tip = arm_corners(ARM, q)[2]
    centres, radii = by_distance(scene.discs, tip)
    there = radii > 0
    centres, radii = jnp.where(there[:, None], centres, 2.0), jnp.where(there, 5 * radii, 0.0)
    motion = [(scene.goal - q) / 3, speeds / SPEED, above, below, direction, length[None] / 3]
    return jnp.concatenate([*motion, q / 3, tip, target(scene) - tip, centres.ravel(), radii])


def target(scene: ArmScene) -> Float[Array, " 2"]:
    """Where the tip should be, in the arm's plane [m]."""
    return arm_corners(ARM, scene.goal)[2]


def reward(
    x: Float[Array, " 4"], a: Float[Array, " 2"], after: Float[Array, " 4"], scene: ArmScene
) -> Scalar:
    """Minus the length [rad] of the shortest way to the goal's angles, around obstacles, at the next state.

    The straight distance would teach to stay in front of an obstacle.
    """
    return -joint_way_length(arm_scenes(ARENA), scene, after[:2])


def excess(x: Float[Array, " 4"], scene: ArmScene) -> Float[Array, " discs"]:
    """How deep the arm is in each obstacle, in radii."""
    there = scene.discs.radius > 0
    away = distance_to_arm(ARM, x[:2], scene.discs)
    return jnp.where(there, -away / jnp.where(there, scene.discs.radius, 1.0), -1.0)


def reached(x: Float[Array, " 4"], scene: ArmScene) -> Bool[Array, " 1"]:
    """Whether the tip is within 5 cm of its goal."""
    return (safe_norm(arm_corners(ARM, x[:2])[2] - target(scene)) <= GOAL_RADIUS)[None]


def picture(x: Float[Array, " 4"], scene: ArmScene, corridor: Corridor) -> Picture:
    """The obstacles, the arm, where its tip should be, and the same for its joint angles."""
    corners = arm_corners(ARM, x[:2])
    return Picture(
        obstacles=scene.discs,
        bodies=Discs(corners[2:], jnp.array([ARM.radius / 2])),
        goals=target(scene)[None],
        links=Links(jnp.stack([corners[:2], corners[1:]]), jnp.full(2, ARM.radius)),
        joints=joint_map(arm_scenes(ARENA), scene),
    )


def synthesise(progress: Progress | None = None) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, commands="acceleration")
    return prove_safe_set(
        dynamics,
        CONSTRAINTS,
        DISTURBANCE,
        "arm2-obstacles",
        translations=(0, 1),
        translation_limits=CONSTRAINTS.upper[:2] - FREE,
        search=Search(contraction=0.99, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx") -> Task:
    """The task, with the physics asked for."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics, commands="acceleration")
    certificate = shipped_certificate(__file__, dynamics)
    return Task(
        name="arm2-obstacles",
        summary="move a two-link arm around obstacles to its goal, joints commanded by acceleration",
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        observe=observe,
        reward=reward,
        excess=excess,
        reached=reached,
        corridors=arm_among_discs(certificate, arm_scenes(ARENA)),
        picture=picture,
    )

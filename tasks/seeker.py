"""Steer a planar point mass to its goal around circular obstacles, with a speed limit and a disturbance.

State (x [m], y [m], xdot [m/s], ydot [m/s]); actions: two forces, 2 a N on a mass of 1 kg. The scene (start,
goal, one to five discs, one of them always between the two) is drawn anew for every episode. The safe set
moves with the body: a corridor whose free box is clear of all discs.

`seeker-blind` does not observe the way: neither the direction nor the length of the shortest way around the
obstacles. It is an open challenge for learners.
"""

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

VARIANTS = {"seeker-blind": {"blind": True}}

CONSTRAINTS = symmetric_box([5.0, 5.0, 1.0, 1.0])
DISTURBANCE = symmetric_box([0.2, 0.2])  # m/s^2, added to both accelerations
DISTURBANCE_INPUT = np.eye(2)
FREE = 0.2  # m, how far the safe set reaches around its reference
ARENA = Arena(half_width=5.0, radius=(0.5, 1.5), gap=4 * FREE, apart=5.0, margin=1.5 * FREE)
HORIZON = 300
GOAL_RADIUS = 0.3  # m
BODY_RADIUS = 0.08  # m, for pictures: the body is a point


def observe(
    x: Float[Array, " 4"], scene: Scene, corridor: Corridor, blind: bool = False
) -> Float[Array, " o"]:
    """(way to the goal, velocity, room in the free box above and below, discs nearest first, position), then
    the direction and the length of the shortest way, unless blind; all scaled to the order of one."""
    position, velocity = x[:2], x[2:]
    above = jnp.minimum(corridor.high + FREE - position, 3.0) / 2
    below = jnp.minimum(position - corridor.low + FREE, 3.0) / 2
    centres, radii = by_distance(scene.discs, position)
    there = radii > 0
    seen = jnp.where(there[:, None], centres / 4, 2.0), jnp.where(there, radii, 0.0)
    parts = [(scene.goal - position) / 5, velocity, above, below, seen[0].ravel(), seen[1], position / 5]
    if not blind:
        length, direction = way(scene.ways, position)
        parts += [direction, length[None] / 5]
    return jnp.concatenate(parts)


def reward(x: Float[Array, " 4"], a: Float[Array, " 2"], after: Float[Array, " 4"], scene: Scene) -> Scalar:
    """Minus the length of the shortest way to the goal, around the obstacles, at the next state.

    The straight distance would teach to stay in front of an obstacle.
    """
    return -way(scene.ways, after[:2])[0]


def excess(x: Float[Array, " 4"], scene: Scene) -> Float[Array, " discs"]:
    """How deep the body is in each disc, in radii."""
    return penetration(scene.discs, x[:2])


def reached(x: Float[Array, " 4"], scene: Scene) -> Bool[Array, " 1"]:
    """Whether the goal is within its radius."""
    return (safe_norm(x[:2] - scene.goal) <= GOAL_RADIUS)[None]


def picture(x: Float[Array, " 4"], scene: Scene, corridor: Corridor) -> Picture:
    """The discs, the body, the goal and the free box."""
    return Picture(
        obstacles=scene.discs,
        bodies=Discs(x[None, :2], jnp.array([BODY_RADIUS])),
        goals=scene.goal[None],
        lower=corridor.low[None] - FREE,
        upper=corridor.high[None] + FREE,
    )


def synthesise(progress: Progress | None = None, blind: bool = False) -> Certificate:
    """Find and prove the safe set from scratch; seconds."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT)
    return prove_safe_set(
        dynamics,
        CONSTRAINTS,
        DISTURBANCE,
        "seeker-blind" if blind else "seeker",
        translations=(0, 1),
        translation_limits=CONSTRAINTS.upper[:2] - FREE,
        search=Search(contraction=0.99, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx", blind: bool = False) -> Task:
    """The seeker task, with the physics asked for. blind: without the way in the observation."""
    dynamics = mechanical(shipped_model(__file__), DISTURBANCE_INPUT, physics)
    name = "seeker-blind" if blind else "seeker"
    certificate = shipped_certificate(__file__, dynamics, name if blind else None)
    return Task(
        name=name,
        summary="steer a point mass around obstacles to its goal"
        + (" without being shown the way" if blind else ""),
        horizon=HORIZON,
        dynamics=dynamics,
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate,
        observe=lambda x, scene, corridor: observe(x, scene, corridor, blind),
        reward=reward,
        excess=excess,
        reached=reached,
        corridors=among_discs(certificate, scenes(ARENA), velocity=(2, 3), guided=not blind),
        picture=picture,
    )

"""Steer a crowd of point masses across each other's way, every one to the opposite side of a circle.

State (x0, y0, x1, ... [m], x0dot, ... [m/s]) of 4 bodies (crowd-8, crowd-16: of as many); actions: two forces
a body, 2 a N on a mass of 1 kg. Bodies are discs of 0.25 m that must not touch. The safe set moves: every
body has a corridor of its own, and the corridors of any two are apart by more than their size (the rule is
in safebench.navigation.crowd), so that no two bodies collide, however many there are.

The way that the reward measures leads counter-clockwise around a disc in the middle, as in a roundabout: on
the straight way everybody meets there and nobody gives way.
"""

import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from safebench.task import (
    Certificate,
    Corridor,
    Corridors,
    Discs,
    Dynamics,
    Physics,
    Picture,
    Progress,
    Search,
    Start,
    Task,
    crowd_clearance,
    mechanical,
    moving_set,
    next_corridors,
    prove_safe_set,
    safe_norm,
    shipped_certificate,
    symmetric_box,
)

VARIANTS = {"crowd-8": {"bodies": 8}, "crowd-16": {"bodies": 16}}

CIRCLE = {4: 3.0, 8: 4.0, 16: 5.5}  # m, radius of the circle of starts and goals, by number of bodies
AROUND = 1.5  # m, from the circle to the walls
ROOM = 1.3  # m of the roundabout's rim for each body: the disc in the middle that the way leads around
RADIUS = 0.25  # m, of a body
FREE = 0.2  # m, how far the safe set reaches around its reference
SPEED = 1.0  # m/s
PUSH = 0.2  # m/s^2, disturbance of every acceleration
HORIZON = 500
GOAL_RADIUS = 0.3  # m
SEEN = 3  # other bodies that each observes


class Crossing(NamedTuple):
    """Where everybody wants to go [m], and the steps done."""

    goals: Float[Array, "bodies 2"]
    step: Int[Array, ""]


def way(
    place: Float[Array, " 2"], goal: Float[Array, " 2"], radius: float
) -> tuple[Scalar, Float[Array, " 2"]]:
    """Length and direction of the way counter-clockwise around a disc in the middle, a taut string.

    A goal that was passed by less than a quarter turn is gone back to. Inside of the disc the way leads out.
    """
    tiny = 1e-9
    place = jnp.where(safe_norm(place) > tiny, place, jnp.array([tiny, 0.0]))  # the middle has no angle
    far, there = jnp.maximum(safe_norm(place), tiny), jnp.maximum(safe_norm(goal), tiny)
    outside = jnp.maximum(far, radius * (1 + 1e-6))
    angle = jnp.arctan2(goal[1], goal[0]) - jnp.arctan2(place[1], place[0])
    angle = jnp.mod(angle + 0.5 * math.pi, 2 * math.pi) - 0.5 * math.pi
    turn = jnp.where(angle < 0, -1.0, 1.0)
    lean = jnp.arccos(radius / outside)
    arc = jnp.abs(angle) - lean - jnp.arccos(radius / jnp.maximum(there, radius * (1 + 1e-6)))
    line = jnp.sqrt(outside**2 - radius**2)
    around = line + jnp.sqrt(jnp.maximum(there**2 - radius**2, 0.0)) + radius * jnp.maximum(arc, 0.0)
    straight = safe_norm(goal - place)
    length = jnp.where(arc > 0, around, straight) + (outside - far)
    # Towards the point where the string meets the disc.
    out = place / far
    side = turn * jnp.stack([-out[1], out[0]])
    tangent = (radius * jnp.cos(lean) - outside) * out + radius * jnp.sin(lean) * side
    direct = jnp.where(arc > 0, tangent, goal - place)
    size = safe_norm(direct)
    return length, direct / jnp.where(size > 0, size, 1.0)


def model(bodies: int) -> mujoco.MjModel:
    """So many bodies, from the file that has four.

    Raises:
        ValueError: for a number of bodies that the task does not know.
    """
    if bodies not in CIRCLE:
        raise ValueError(f"bodies must be one of {', '.join(map(str, CIRCLE))}, not {bodies!r}")
    file = Path(__file__)
    text = (file.parent / "assets" / f"{file.stem}.xml").read_text()
    return mujoco.MjModel.from_xml_string(text.replace('count="4"', f'count="{bodies}"'))


def name_of(bodies: int) -> str:
    """The registered name of the task with so many bodies."""
    return "crowd" if bodies == 4 else f"crowd-{bodies}"


def system(bodies: int, physics: Physics = "mjx") -> Dynamics:
    """Its dynamics; every acceleration is disturbed."""
    return mechanical(model(bodies), np.eye(2 * bodies), physics)


def constraints(bodies: int):
    """The box of the arena and of the speed limit."""
    arena = np.full(2 * bodies, CIRCLE[bodies] + AROUND)
    return symmetric_box(np.concatenate([arena, np.full(2 * bodies, SPEED)]))


def synthesise(progress: Progress | None = None, bodies: int = 4) -> Certificate:
    """Find and prove the safe set from scratch; seconds a body."""
    box = constraints(bodies)
    return prove_safe_set(
        system(bodies),
        box,
        symmetric_box(np.full(2 * bodies, PUSH)),
        name_of(bodies),
        translations=range(2 * bodies),
        translation_limits=box.upper[: 2 * bodies] - FREE,
        search=Search(contraction=0.99, row_price=5e-4),
        progress=progress,
    )


def make(physics: Physics = "mjx", bodies: int = 4) -> Task:
    """The crowd, with the physics asked for. bodies: 4, 8 or 16.

    Raises:
        ValueError: for another number of bodies.
    """
    dynamics = system(bodies, physics)
    name, circle, roundabout = name_of(bodies), CIRCLE[bodies], bodies * ROOM / (2 * math.pi)
    certificate = shipped_certificate(__file__, dynamics, None if bodies == 4 else name)
    safe_set = moving_set(certificate)
    first, second = np.triu_indices(bodies, 1)

    def split(x: Array) -> tuple[Float[Array, "bodies 2"], Float[Array, "bodies 2"]]:
        return x[: 2 * bodies].reshape(bodies, 2), x[2 * bodies :].reshape(bodies, 2)

    def ways(places: Array, goals: Array) -> tuple[Float[Array, " bodies"], Float[Array, "bodies 2"]]:
        return jax.vmap(lambda place, goal: way(place, goal, roundabout))(places, goals)

    def begin(key: PRNGKeyArray) -> Start:
        """On the circle, evenly but for some chance, at rest; goals opposite."""
        turn_key, angle_key, far_key = jax.random.split(key, 3)
        chance = jax.random.uniform(angle_key, (bodies,), minval=-0.2, maxval=0.2)
        angle = 2 * math.pi * ((jnp.arange(bodies) + chance) / bodies + jax.random.uniform(turn_key))
        far = circle * jax.random.uniform(far_key, (bodies, 1), minval=0.85, maxval=1.15)
        places = far * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        at = places.ravel()
        x = jnp.concatenate([at, jnp.zeros_like(at)])
        return Start(x, Crossing(-places, jnp.zeros((), jnp.int32)), Corridor(at, at))

    def move(x: Array, crossing: Crossing, corridor: Corridor) -> Corridor:
        places, speeds = split(x)
        towards = ways(places, crossing.goals)[1]
        return next_corridors(safe_set, x, speeds, towards, corridor, 2 * RADIUS, crossing.step)

    def observe(x: Array, crossing: Crossing, corridor: Corridor) -> Float[Array, " o"]:
        """Of every body: the straight way to its goal, velocity, room in its free box above and below,
        direction and length of its way, the nearest others with their velocities; all of the order of one."""
        places, speeds = split(x)
        low, high = (side.reshape(bodies, 2) for side in corridor)
        length, direction = ways(places, crossing.goals)
        between = places[None] - places[:, None]
        apart = jnp.sum(jax.lax.stop_gradient(between) ** 2, axis=-1) + jnp.where(
            jnp.eye(bodies), jnp.inf, 0.0
        )
        nearest = jax.nn.one_hot(jnp.argsort(apart, axis=-1)[:, :SEEN], bodies, dtype=x.dtype)
        others = jnp.einsum("bso,boc->bsc", nearest, between) / 4
        motion = jnp.einsum("bso,oc->bsc", nearest, speeds)
        parts = [
            (crossing.goals - places) / circle,
            speeds,
            high + FREE - places,
            places - low + FREE,
            direction,
            length[:, None] / (2 * circle),
            others.reshape(bodies, -1),
            motion.reshape(bodies, -1),
        ]
        return jnp.concatenate(parts, axis=-1).ravel()

    def reward(x: Array, a: Array, after: Array, crossing: Crossing) -> Scalar:
        """Minus the mean length of the ways that are left, at the next state."""
        return -jnp.mean(ways(split(after)[0], crossing.goals)[0])

    def excess(x: Array, crossing: Crossing) -> Float[Array, " pairs"]:
        """How deep two bodies are in each other, in their diameter; of every pair."""
        places, _ = split(x)
        return 1.0 - jax.vmap(safe_norm)(places[first] - places[second]) / (2 * RADIUS)

    def reached(x: Array, crossing: Crossing) -> Bool[Array, " bodies"]:
        """Who is within the goal's radius."""
        return jax.vmap(safe_norm)(split(x)[0] - crossing.goals) <= GOAL_RADIUS

    def picture(x: Array, crossing: Crossing, corridor: Corridor) -> Picture:
        """The bodies, their goals and their free boxes."""
        low, high = (side.reshape(bodies, 2) for side in corridor)
        nothing = Discs(jnp.zeros((0, 2)), jnp.zeros(0))
        there = Discs(split(x)[0], jnp.full(bodies, RADIUS))
        return Picture(nothing, there, crossing.goals, low - FREE, high + FREE)

    return Task(
        name=name,
        summary=f"steer {bodies} point masses past each other to the opposite side of a circle",
        horizon=HORIZON,
        agents=bodies,
        dynamics=dynamics,
        constraints=constraints(bodies),
        disturbance=symmetric_box(np.full(2 * bodies, PUSH)),
        certificate=certificate,
        observe=observe,
        reward=reward,
        advance=lambda crossing: crossing._replace(step=crossing.step + 1),
        excess=excess,
        reached=reached,
        corridors=Corridors(
            begin=begin,
            move=move,
            clearance=lambda crossing, corridor: crowd_clearance(safe_set, corridor, 2 * RADIUS),
        ),
        picture=picture,
    )

"""A small task whose safe set moves: a point mass in the plane, two discs, the simplest rule that there is.

State (x, y [m], xdot, ydot [m/s]); actions: accelerations, 2 a m/s^2; a double integrator in numpy, no model.
Two discs, drawn anew for every episode, narrow the way from the start on the left to the goal on the right.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from safebench.env import safe_set
from safebench.task import (
    Certificate,
    Corridor,
    Corridors,
    Discs,
    Dynamics,
    Picture,
    Search,
    Start,
    Task,
    linear,
    prove_safe_set,
    safe_norm,
    symmetric_box,
)

PERIOD = 0.1  # s
ARENA, SPEED, PUSH = 3.0, 1.0, 2.0  # m, m/s, m/s^2
FREE = 0.2  # m, how far the safe set reaches around its reference
GOAL_RADIUS = 0.3  # m
BODY_RADIUS = 0.08  # m, for pictures: the body is a point
REACH = 1.0  # m, that a side of the free box is pushed out
APART = 1e-3  # m, that it stays off a disc: more than float32 rounds

CONSTRAINTS = symmetric_box([ARENA, ARENA, SPEED, SPEED])
DISTURBANCE = symmetric_box([0.2, 0.2])  # m/s^2, added to both accelerations


class Scene(NamedTuple):
    """The context. discs: what must not be touched. goal [m]: where to go."""

    discs: Discs
    goal: Float[Array, " 2"]


@functools.cache
def dynamics() -> Dynamics:
    """Semi-implicit Euler of two double integrators."""
    push = np.vstack([PERIOD**2 * np.eye(2), PERIOD * np.eye(2)])
    state = np.block([[np.eye(2), PERIOD * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    return linear(state, PUSH * push, push, np.zeros(4))


@functools.cache
def certificate() -> Certificate:
    """Its proven set, carried along by two references; found once, in a second."""
    return prove_safe_set(
        dynamics(),
        CONSTRAINTS,
        DISTURBANCE,
        "corridor",
        translations=(0, 1),
        translation_limits=CONSTRAINTS.upper[:2] - FREE,
        search=Search(candidates=12, refinements=5, samples=20_000, contraction=0.99, row_price=5e-4),
    )


@functools.cache
def moving_set() -> safe_set.SafeSet:
    """S of every corridor."""
    return safe_set.from_certificate(certificate(), moving=True)


def begin(key) -> Start:
    """At rest on the left, with the smallest corridor there is."""
    drawn = jax.random.uniform(key, (6,), minval=-1.0, maxval=1.0)
    start, goal = jnp.array([-2.2, 0.0]) + 0.4 * drawn[:2], jnp.array([2.2, 0.0]) + 0.4 * drawn[2:4]
    shift = 0.3 * drawn[4:]
    centre = jnp.array([[-0.6, 0.9], [0.8, -1.2]]) + jnp.stack([jnp.zeros(2), shift], axis=1)
    discs = Discs(centre, jnp.array([0.6, 0.7]))
    return Start(jnp.concatenate([start, jnp.zeros(2)]), Scene(discs, goal), Corridor(start, start))


def clearance(scene: Scene, corridor: Corridor):
    """How far the free box stays clear of both discs, in metres."""
    lower, upper = safe_set.free_box(moving_set(), corridor)
    outside = jnp.maximum(jnp.maximum(lower - scene.discs.centre, scene.discs.centre - upper), 0.0)
    return jnp.min(jax.vmap(safe_norm)(outside) - scene.discs.radius)


def move(x: Float[Array, " 4"], scene: Scene, corridor: Corridor) -> Corridor:
    """Shrink to the references that x admits, then push each side out to the first disc, x before y."""
    made, limit = moving_set(), moving_set().translation_limits
    box = jnp.stack(safe_set.references(made, x, corridor))  # (side, axis): lower, upper
    for axis in (0, 1):
        for side, sign in ((0, -1.0), (1, 1.0)):
            lower, upper = box[0] + made.free_low, box[1] + made.free_high
            gap = jnp.maximum(lower - scene.discs.centre, scene.discs.centre - upper)[:, 1 - axis]
            gap, radius = jnp.maximum(gap, 0.0), scene.discs.radius + APART
            depth = jnp.sqrt(jnp.where(gap < radius, radius**2 - gap**2, 0.0))
            rim = sign * scene.discs.centre[:, axis] - depth
            now = sign * (upper if side else lower)[axis]
            ahead = (gap < radius) & (rim >= now)
            pushed = jnp.min(jnp.where(ahead, rim, jnp.inf), initial=now + REACH)
            reach = sign * (made.free_high if side else made.free_low)[axis]
            box = box.at[side, axis].set(sign * jnp.minimum(pushed - reach, limit[axis]))
    return Corridor(box[0], box[1])


def observe(x: Float[Array, " 4"], scene: Scene, corridor: Corridor) -> Float[Array, " 10"]:
    """The state, the way to the goal, and the room in the corridor below and above."""
    position = x[:2]
    return jnp.concatenate([x, scene.goal - position, position - corridor.low, corridor.high - position])


def reward(x, a, after, scene: Scene):
    """Minus the straight distance to the goal, at the next state."""
    return -safe_norm(after[:2] - scene.goal)


def excess(x: Float[Array, " 4"], scene: Scene) -> Float[Array, " 2"]:
    """How deep the point is in each disc, in radii."""
    return 1.0 - jax.vmap(safe_norm)(x[:2] - scene.discs.centre) / scene.discs.radius


def reached(x: Float[Array, " 4"], scene: Scene):
    """Whether the goal is within its radius."""
    return (safe_norm(x[:2] - scene.goal) <= GOAL_RADIUS)[None]


def picture(x: Float[Array, " 4"], scene: Scene, corridor: Corridor) -> Picture:
    """The discs, the body, the goal and the free box."""
    lower, upper = safe_set.free_box(moving_set(), corridor)
    body = Discs(x[None, :2], jnp.array([BODY_RADIUS]))
    return Picture(scene.discs, body, scene.goal[None], lower[None], upper[None])


@functools.cache
def make() -> Task:
    """The task; `dataclasses.replace` changes it."""
    return Task(
        name="corridor",
        summary="steer a point mass between two discs",
        horizon=200,
        control_period=PERIOD,
        state_names=("x", "y", "xdot", "ydot"),
        action_names=("ax", "ay"),
        state_units=("m", "m", "m/s", "m/s"),
        dynamics=dynamics(),
        constraints=CONSTRAINTS,
        disturbance=DISTURBANCE,
        certificate=certificate(),
        observe=observe,
        reward=reward,
        excess=excess,
        reached=reached,
        corridors=Corridors(begin=begin, move=move, clearance=clearance),
        picture=picture,
    )

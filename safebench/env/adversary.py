"""What an attack does with a safe set that moves: where it begins, and the corridors that it proposes.

An environment trusts no proposal: it takes a corridor only where the proof covers it, the state lies in its
set and its free boxes are clear (`safebench.env.task.moved`). So half of the proposals are not the task's but
drawn at random, most of them bad, and the attack goes through the environment's own check.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from safebench.env import safe_set as safe_sets
from safebench.env import task as tasks
from safebench.env.corridor import Corridor, Start
from safebench.env.safe_set import SafeSet
from safebench.env.task import Task

WALK = 12
"""Moves from a fresh start to where an attack begins."""
BEYOND = 1.1
"""Proposals reach so far, in the limits that the proof covers."""
SMALLEST = -4.0
"""Sides are moved by 10**SMALLEST to 1 of the limits."""


class Played(NamedTuple):
    """A context with what an adversary has in mind: its corridor, and whether it replaces the task's."""

    context: Any
    corridor: Corridor
    instead: Bool[Array, ""]


def played(task: Task, checked: bool = True) -> Task:
    """The task with `Played` for contexts, for `tasks.moved` to be called with.

    checked: False where a proposal counts as clear whatever it overlaps: an attack's control.

    Raises:
        ValueError: if the task's safe set does not move.
    """
    if task.corridors is None:
        raise ValueError(f"the safe set of {task.name!r} does not move")
    own = task.corridors

    def move(x: Array, context: Played, corridor: Corridor) -> Corridor:
        proposed = own.move(x, context.context, corridor)
        return jax.tree.map(
            lambda drawn, asked: jnp.where(context.instead, drawn, asked), context.corridor, proposed
        )

    def clearance(context: Played, corridor: Corridor):
        return own.clearance(context.context, corridor) if checked else jnp.inf

    return replace(task, corridors=replace(own, move=move, clearance=clearance))


def proposal(
    key: PRNGKeyArray, safe_set: SafeSet, x: Float[Array, " n"], corridor: Corridor
) -> tuple[Corridor, Bool[Array, ""]]:
    """A corridor drawn at random, and whether to propose it instead of the task's.

    One of three kinds: anywhere; the old one, some of its sides moved; one around the references that x
    admits. The first seldom covers x, the second often reaches into an obstacle or is upside down, many of
    the third are as good as the task's own.
    """
    limits = jnp.asarray(safe_set.translation_limits, x.dtype)
    kind_key, instead_key, size_key, step_key, side_key = jax.random.split(key, 5)
    two = (2, len(limits))
    drawn = jax.random.uniform(step_key, two, x.dtype, -BEYOND, BEYOND)
    size = limits * 10.0 ** jax.random.uniform(size_key, two, x.dtype, SMALLEST, 0.0)
    step = drawn * size * jax.random.bernoulli(side_key, 0.5, two)
    admitted = jnp.stack(safe_sets.references(safe_set, x, corridor))
    kinds = jnp.stack(
        [
            jnp.sort(drawn, axis=0) * limits,
            jnp.stack(corridor) + step,
            admitted + jnp.abs(step) * jnp.array([[-1.0], [1.0]], x.dtype),
        ]
    )
    chosen = kinds[jax.random.randint(kind_key, (), 0, len(kinds))]
    return Corridor(*chosen), jax.random.bernoulli(instead_key)


def moved(
    task: Task,
    key: PRNGKeyArray,
    x: Float[Array, " n"],
    context: Any,
    corridor: Corridor,
    checked: bool = True,
) -> Corridor:
    """The next corridor at x: the task's or a random proposal, if the environment takes it.

    checked: as in `played`.
    """
    context = Played(context, *proposal(key, task.safe_set, x, corridor))
    return tasks.moved(played(task, checked), x, context, corridor)


def somewhere(task: Task, key: PRNGKeyArray) -> Start:
    """A state, a scene and a corridor that safeguards promise something for, far from where episodes begin.

    Of a fixed set a start, which may be anywhere in it. Else a walk from a start: to a random point on a
    random line through S(corridor), then to a new corridor that the environment takes there. Whether an
    episode could come there does not matter: the promise does not ask.
    """
    fresh_key, walk_key = jax.random.split(key)
    start = tasks.start(task, fresh_key)
    if task.corridors is None:
        return start
    radius = jnp.asarray(tasks.with_others(task, task.constraints.radius), start.x.dtype)

    def go(at: tuple[Array, Corridor], key: PRNGKeyArray) -> tuple[tuple[Array, Corridor], None]:
        (x, corridor), (way_key, far_key, corridor_key) = at, jax.random.split(key, 3)
        way = jax.random.normal(way_key, x.shape, x.dtype) * radius
        behind, ahead = (_reach(task.safe_set, x, sign * way, corridor) for sign in (-1.0, 1.0))
        there = x + jax.random.uniform(far_key, (), x.dtype, -behind, ahead) * way
        x = jnp.where(safe_sets.contains(task.safe_set, there, corridor), there, x)
        return (x, moved(task, corridor_key, x, start.context, corridor)), None

    (x, corridor), _ = jax.lax.scan(go, (start.x, start.corridor), jax.random.split(walk_key, WALK))
    return Start(x, start.context, corridor)


def _reach(safe_set: SafeSet, x: Float[Array, " n"], way: Float[Array, " n"], corridor: Corridor) -> Array:
    """How far x + t way stays in S(corridor)."""
    normals = jnp.asarray(safe_set.normals, x.dtype)
    rates = normals @ way
    slack = safe_sets.offsets_of(safe_set, corridor, x.dtype) - normals @ x
    return jnp.min(jnp.where(rates > 0, slack / jnp.where(rates > 0, rates, 1.0), jnp.inf))

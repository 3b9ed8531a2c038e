"""A window of steps in many environments at once, as every learner takes them.

A fresh episode is drawn once a window and environment, not at every step as `Env.advance` must: what begins
an episode (a scene of obstacles, the ways around them) can cost as much as the step itself, and its gradient
more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from safebench.env.environment import Env, Episode, Outcome, Place
from safebench.env.pieces import mapped

Act = Callable[[Episode, Float[Array, "envs o"], Any], tuple[Float[Array, "envs m"], Any]]
"""(episodes, their observations, this step's inputs) -> (proposed actions, what to keep of the step)."""

DRAWN = 2
"""Which part of an episode's key draws the next episodes: its step takes the first two."""


class Steps(NamedTuple):
    """What happened, every leaf with leading axes (window, envs).

    observation: of the states that the actions were proposed in. place: where the steps led, before any
    reset. kept: what `act` wanted to keep.
    """

    observation: Float[Array, "window envs o"]
    outcome: Outcome
    place: Place
    kept: Any


def unroll(
    env: Env,
    act: Act,
    episodes: Episode,
    inputs: Any,
    bound: Callable[[Float[Array, " n"]], Float[Array, " n"]] | None = None,
) -> tuple[Episode, Steps]:
    """The episodes after a window of guarded steps, and the steps; differentiable.

    episodes: leading axis envs. inputs: leading axis window, e.g. noise; gives the number of steps.
    bound: applied to every state before its step, e.g. to bound the gradient through it.
    Episodes that reach the horizon are followed by fresh ones, none of them twice.
    """
    window = len(jax.tree.leaves(inputs)[0])
    resets = -(-window // env.task.horizon)
    spare = jax.vmap(lambda key: _spare(env, key, resets))(episodes.key)

    def step(carry: tuple[Episode, Array], given: Any):
        episodes, used = carry
        if bound is not None:
            episodes = episodes._replace(x=jax.vmap(bound)(episodes.x))
        observation = jax.vmap(env.observe)(episodes)
        actions, kept = act(episodes, observation, given)
        reached, outcome = mapped(env.transition)(episodes, actions)
        following = jax.vmap(_following)(spare, used, reached, outcome.truncated)
        steps = Steps(observation, outcome, Place(reached.x, reached.corridor), kept)
        return (following, used + outcome.truncated), steps

    (episodes, _), steps = jax.lax.scan(step, (episodes, jnp.zeros(len(spare.steps), jnp.int32)), inputs)
    return episodes, steps


def _spare(env: Env, key: Array, resets: int) -> Episode:
    """So many fresh episodes, from a key whose first two parts the next step takes."""
    return jax.vmap(env.begin)(jax.random.split(jax.random.split(key, DRAWN + 1)[DRAWN], resets))


def _following(spare: Episode, used: Array, reached: Episode, truncated: Array) -> Episode:
    fresh = jax.tree.map(lambda leaf: leaf[0] if len(leaf) == 1 else leaf[used % len(leaf)], spare)
    return jax.tree.map(lambda new, old: jnp.where(truncated, new, old), fresh, reached)

"""An environment as two compiled programs on numbers: begin an episode from a seed, make one step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from safebench.env import safety
from safebench.env import task as tasks
from safebench.env.environment import Env, Episode
from safebench.env.safeguard import Safeguard
from safebench.env.safety import Safety
from safebench.env.task import Task
from safebench.physics.dynamics import Physics
from safebench.runs import api, precision

KEPT = 32
"""Environments whose programs are kept, so that many of one kind are compiled once."""

SEEDS = 2**32
"""How many seeds of episodes there are."""


class Report(NamedTuple):
    """What an adapter says of a reset (no reward, no action, nothing counted yet) or of a step."""

    observation: Float[Array, " o"]
    reward: Float[Array, ""]
    truncated: Bool[Array, ""]
    applied: Float[Array, " m"]
    reached: Bool[Array, " goals"]
    safety: Safety


class Programs(NamedTuple):
    """An environment, and what is done with it; everything here is for one, and compiled for one.

    begin: a seed below 2^32 -> an episode and its report, packed. step: (episode, action) -> the same.
    like: the shapes of a report, from which `unpack` makes one again.
    """

    env: Env
    begin: Callable[[Any], tuple[Episode, Float[Array, " k"]]]
    step: Callable[[Episode, Any], tuple[Episode, Float[Array, " k"]]]
    like: Report


def of(env: Env) -> Programs:
    """The programs of an environment."""

    def begin(seed: Int[Array, ""]) -> tuple[Episode, Float[Array, " k"]]:
        episode, report = _begin(env, seed)
        return episode, _packed(report)

    def step(episode: Episode, action: Float[Array, " m"]) -> tuple[Episode, Float[Array, " k"]]:
        episode, report = _step(env, episode, action)
        return episode, _packed(report)

    _, like = jax.eval_shape(functools.partial(_begin, env), np.uint32(0))
    return Programs(env, jax.jit(begin), jax.jit(step), like)


def _packed(report: Report) -> Float[Array, " k"]:
    """One array, since fetching one takes a fraction of the time of many; a count is exact in it."""
    return jnp.concatenate([jnp.ravel(leaf).astype(report.reward.dtype) for leaf in jax.tree.leaves(report)])


def unpack(packed: Float[Array, "*batch k"], like: Report) -> Any:
    """A report of one environment or of many, in numpy arrays that belong to the caller."""
    numbers = np.asarray(packed)
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = [
        numbers[..., end - leaf.size : end].reshape((*numbers.shape[:-1], *leaf.shape)).astype(leaf.dtype)
        for leaf, end in zip(leaves, ends, strict=True)
    ]
    return jax.tree.unflatten(structure, parts)


def named(task: str | Task, safeguard: str | Safeguard, physics: Physics) -> Programs:
    """The programs of `safebench.make(task, safeguard, physics=physics)`.

    The same ones when asked again for the same names. A file may have changed.

    Raises:
        LookupError, ValueError: as `safebench.make`.
    """
    if all(isinstance(name, str) and not name.endswith(".py") for name in (task, safeguard)):
        return _named(str(task), str(safeguard), physics, precision.chosen())
    return of(api.make(task, safeguard, physics=physics))


@functools.lru_cache(KEPT)
def _named(task: str, safeguard: str, physics: Physics, _precision: str) -> Programs:
    return of(api.make(task, safeguard, physics=physics))


def _begin(env: Env, seed: Int[Array, ""]) -> tuple[Episode, Report]:
    episode = env.begin(jax.random.key(seed))
    _, beyond = tasks.violation(env.task, episode.x, episode.context)
    return episode, Report(
        observation=env.observe(episode).astype(jnp.float32),
        reward=jnp.zeros((), episode.x.dtype),
        truncated=jnp.zeros((), bool),
        applied=jnp.zeros(env.action_size, episode.x.dtype),
        reached=tasks.reached(env.task, episode.x, episode.context),
        safety=safety.none()._replace(worst_margin=beyond),
    )


def _step(env: Env, episode: Episode, action: Float[Array, " m"]) -> tuple[Episode, Report]:
    following, outcome = env.transition(episode, action)
    return following, Report(
        observation=outcome.observation.astype(jnp.float32),
        reward=outcome.reward,
        truncated=outcome.truncated,
        applied=outcome.applied,
        reached=outcome.reached,
        safety=outcome.safety,
    )


def next_seed(generator: np.random.Generator) -> np.uint32:
    """The seed of the next episode."""
    return np.uint32(generator.integers(SEEDS))


def info(report: Any) -> dict[str, np.ndarray]:
    """What Gymnasium calls `info`, of an unpacked report of one environment or of many."""
    counted = report.safety
    found = {"cost": counted.violations.astype(float), **counted._asdict(), "applied": report.applied}
    if report.reached.shape[-1]:
        found |= {"reached": report.reached, "success": report.reached.all(axis=-1).astype(float)}
    return found

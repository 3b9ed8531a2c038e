"""The evaluation protocol that every learner shares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from safebench.env.environment import Env, Episode
from safebench.env.safety import Safety, total
from safebench.record.result import EVALUATION_STARTS

SEED = 20250601
"""Every evaluation, of every learner and seed, uses the same starts and disturbances."""


class Evaluation(NamedTuple):
    """Undiscounted returns over the full horizon, and what safety counted meanwhile.

    returns: one per start. reference_return: from the paper's single start (NaN without one).
    """

    returns: Float[Array, " starts"]
    reference_return: Float[Array, ""]
    safety: Safety


def evaluate(
    env: Env,
    act: Callable[[Array], Array],
    starts: int = EVALUATION_STARTS,
    key: PRNGKeyArray | None = None,
    horizon: int | None = None,
) -> Evaluation:
    """Run the deterministic policy `act` (observation -> action), safeguard and disturbance on.

    horizon: steps, at most the task's (its default).
    """
    key = jax.random.key(SEED) if key is None else key
    episodes = jax.vmap(env.begin)(jax.random.split(key, starts))
    reference = env.task.reference_start
    if reference is not None:
        start = env.begin_at(jnp.asarray(reference[0]), reference[1], jax.random.fold_in(key, starts))
        episodes = jax.tree.map(
            lambda many, one: jnp.concatenate([many, jnp.asarray(one)[None]]), episodes, start
        )

    def step(carry: tuple[Episode, Array], _):
        episodes, returns = carry
        actions = jax.vmap(lambda episode: act(env.observe(episode)))(episodes)
        episodes, outcome = jax.vmap(env.advance)(episodes, actions)
        return (episodes, returns + outcome.reward), total(outcome.safety)

    zeros = jnp.zeros(episodes.steps.shape, episodes.x.dtype)
    length = env.task.horizon if horizon is None else horizon
    (_, returns), safety = jax.lax.scan(step, (episodes, zeros), length=length)
    reference_return = jnp.nan if reference is None else returns[starts]
    return Evaluation(returns[:starts], jnp.asarray(reference_return), total(safety))

"""The evaluation protocol that every learner shares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from safebench.env.environment import Env, Episode
from safebench.env.pieces import mapped
from safebench.env.safety import Safety, total
from safebench.record.result import EVALUATION_STARTS

SEED = 20250601
"""Every evaluation, of every learner and seed, uses the same starts and disturbances."""


class Evaluation(NamedTuple):
    """Undiscounted returns over the full horizon, and what happened meanwhile.

    returns: one per start. reference_return: from the paper's single start (NaN without one).
    safety: over all episodes, the paper's included.
    violated: the episodes with a violation at any step.
    arrivals: steps until each of the task's goals was first reached; 0: it never was.
    """

    returns: Float[Array, " starts"]
    reference_return: Float[Array, ""]
    safety: Safety
    violated: Bool[Array, " starts"]
    arrivals: Int[Array, "starts goals"]


def evaluate(
    env: Env,
    act: Callable[[Array], Array],
    starts: int = EVALUATION_STARTS,
    key: PRNGKeyArray | None = None,
    horizon: int | None = None,
) -> Evaluation:
    """Run the deterministic policy `act` (observation -> action), safeguard and disturbance on.

    horizon: steps, at most the task's (its default), so that no second episode begins within it.

    Raises:
        ValueError: if the horizon is not from 1 to the task's.
    """
    length = env.task.horizon if horizon is None else horizon
    if not 1 <= length <= env.task.horizon:
        raise ValueError(
            f"an evaluation has 1 to {env.task.horizon} steps on {env.task.name!r}, not {length}"
        )
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
        episodes, outcome = mapped(env.transition)(episodes, actions)
        seen = total(outcome.safety), outcome.safety.violations > 0, outcome.reached
        return (episodes, returns + outcome.reward), seen

    zeros = jnp.zeros(episodes.steps.shape, episodes.x.dtype)
    (_, returns), (safety, violated, reached) = jax.lax.scan(step, (episodes, zeros), length=length)
    return Evaluation(
        returns=returns[:starts],
        reference_return=jnp.asarray(jnp.nan if reference is None else returns[starts]),
        safety=total(safety),
        violated=violated[:, :starts].any(axis=0),
        arrivals=_arrivals(reached[:, :starts]),
    )


def _arrivals(reached: Bool[Array, "steps starts goals"]) -> Int[Array, "starts goals"]:
    """After how many steps each was true first; 0: never."""
    first = 1 + jnp.argmax(reached, axis=0).astype(jnp.int32)
    return jnp.where(reached.any(axis=0), first, 0)

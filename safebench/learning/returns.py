"""Discounted returns over windows of steps in which episodes end by truncation.

A truncated return goes on in the value of the state reached; no task ends otherwise.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def running_discount(truncated: Bool[Array, "window envs"], discount: float) -> Float[Array, "window envs"]:
    """gamma^k, k steps after the window's start or the episode's, whichever is later."""

    def step(current: Array, truncated: Array):
        return jnp.where(truncated, 1.0, current * discount), current

    return jax.lax.scan(step, jnp.ones(truncated.shape[1:]), truncated)[1]


def lambda_returns(
    rewards: Float[Array, "window envs"],
    next_values: Float[Array, "window envs"],
    truncated: Bool[Array, "window envs"],
    discount: float,
    trace: float,
) -> Float[Array, "window envs"]:
    """TD(lambda) targets; a truncated step and the window's last step bootstrap fully from the critic.

    next_values: the critic's values of the states reached, before any reset.
    Minus the critic's values of the states left, these are the generalised advantages (Schulman et
    al. 2016) with the same lambda.
    """

    next_values = next_values.astype(rewards.dtype)

    def step(following: Array, inputs):
        reward, next_value, truncated = inputs
        mixed = jnp.where(truncated, next_value, (1 - trace) * next_value + trace * following)
        current = reward + discount * mixed
        return current, current

    return jax.lax.scan(step, next_values[-1], (rewards, next_values, truncated), reverse=True)[1]

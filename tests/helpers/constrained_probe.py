"""A probe whose best action under a constraint is known: the farther the better, up to a limit.

x+ = a + w with w uniform on [-SPREAD, SPREAD]; the reward is x+; a state beyond the half-width h violates. Of
the steps with action a the share (a + SPREAD - h) / (2 SPREAD) violates, between a = h - SPREAD and
h + SPREAD: the best action that violates in at most the share d of the steps is h - SPREAD + 2 SPREAD d.
Without the constraint it is 1.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import probes

from safebench.env.environment import Env
from safebench.physics.affine import Affine
from safebench.sets.polytope import Box

SPREAD = 0.2
EPISODE = 8


def best_action(half_width: float, share: float) -> float:
    return min(1.0, half_width - SPREAD + 2 * SPREAD * share)


def environment(half_width) -> Env:
    """The unguarded environment; the half-width of its constraint may be traced."""
    farther = np.zeros(7)
    farther[probes.AFTER.start] = 1.0
    action = np.eye(probes.STATES)[:, :1]
    still = probes.probe(EPISODE, np.zeros((1, 1)), state=np.zeros((3, 3)), action=action, linear=farther)
    env = probes.environment(still)

    def linearise(x):
        return Affine(jnp.zeros(probes.STATES), jnp.asarray(action), jnp.asarray(action))

    limits = jnp.array([half_width, probes.FAR, probes.FAR])
    task = dataclasses.replace(
        env.task,
        horizon=EPISODE,
        dynamics=dataclasses.replace(env.task.dynamics, linearise=linearise),
        disturb=lambda key, context: jax.random.uniform(key, (1,), minval=-SPREAD, maxval=SPREAD),
    )
    object.__setattr__(task, "constraints", Box(-limits, limits))  # traced, so it is checked by nobody
    return Env(task, env.safeguard)

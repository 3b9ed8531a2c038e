"""The learner interface: pure functions of a training state, so that seeds can be vmapped.

A learner plug-in is a module with a frozen `Config`, `SETTINGS` (tuned configs by task name) and
`make(env, config, interactions) -> Learner`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from safebench.env.safety import Safety

TrainingState = Any
"""A learner's pytree: parameters, optimiser states, episodes, key."""

Policy = Any
"""A pytree of what the deterministic policy needs: parameters, normalisation."""


class Progress(NamedTuple):
    """What one update did: its safety counters, losses and how many updates had to be skipped.

    skipped: updates not made because a gradient was not finite. Counted, never hidden.
    """

    safety: Safety
    policy_loss: Float[Array, ""]
    value_loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    skipped: Int[Array, ""]


class Learner(NamedTuple):
    """A learner made for one environment and one config.

    initialise: key -> training state.
    update: training state -> (training state, progress); takes `interactions` environment steps.
    policy: training state -> what `act` needs.
    act: (policy, observation) -> deterministic action in [-1, 1]^m.
    interactions: environment steps of one update.
    """

    initialise: Callable[[PRNGKeyArray], TrainingState]
    update: Callable[[TrainingState], tuple[TrainingState, Progress]]
    policy: Callable[[TrainingState], Policy]
    act: Callable[[Policy, Array], Array]
    interactions: int


class Trained(NamedTuple):
    """The end of a run: the final training state and every update's progress, stacked."""

    state: TrainingState
    progress: Progress


def train(learner: Learner, updates: int, key: PRNGKeyArray) -> Trained:
    """A whole run as a pure function of one key; `jax.vmap` over keys trains many seeds."""
    state, progress = jax.lax.scan(
        lambda state, _: learner.update(state), learner.initialise(key), length=updates
    )
    return Trained(state, progress)


def keep_if(finite: Bool[Array, ""], new: Any, old: Any) -> Any:
    """The new pytree where `finite`, else the old one: a step with a NaN or infinity is not made."""
    return jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)

"""APG: analytic policy gradient through the differentiable guard and physics, without a critic.

Each update rolls a window of steps in several environments, differentiates the discounted reward of the
window through safeguard and physics, and takes one policy step. What happens after the window counts for
nothing, so `discount ** window` should be small. Episodes go on from window to window.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from safebench.learner import (
    MLP,
    Env,
    Episode,
    Learner,
    Normaliser,
    Progress,
    absorb,
    forward,
    fresh_normaliser,
    keep_if,
    normalise,
    require_betas,
    require_count,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_weight,
    require_widths,
    running_discount,
    total,
    unroll,
)


@dataclass(frozen=True)
class Config:
    """environments: parallel environments. window: steps differentiated through, per update.

    discount: gamma. policy_rate decays linearly to `policy_rate_end` times itself. policy_betas: Adam's.
    deviation: of the exploration noise before tanh (fixed: without a critic nothing gains by learning
    it). policy_hidden: widths of its hidden layers. gradient_clip: global norm. normalise: running
    observation normalisation.
    """

    environments: int = 8
    window: int = 64
    discount: float = 0.95
    policy_rate: float = 2e-3
    policy_rate_end: float = 0.1
    policy_betas: tuple[float, float] = (0.7, 0.95)
    policy_hidden: tuple[int, ...] = (128, 128)
    deviation: float = 0.1
    gradient_clip: float = 1.0
    normalise: bool = True

    def __post_init__(self):
        require_each(require_count, self, "environments", "window")
        require_share("discount", self.discount)
        require_each(require_positive, self, "policy_rate", "gradient_clip")
        require_each(require_weight, self, "policy_rate_end", "deviation")
        require_betas("policy_betas", self.policy_betas)
        require_widths("policy_hidden", self.policy_hidden)
        require_flag("normalise", self.normalise)


_ENERGY = Config(window=48, discount=0.9, policy_rate=5e-4, gradient_clip=1.5)

SETTINGS = MappingProxyType(
    {
        # results/tuning/pendulum/apg.json.
        "pendulum": Config(discount=0.9, policy_hidden=(64, 64), normalise=False),
        "quadrotor": Config(
            environments=16, window=43, discount=0.9, policy_betas=(0.9, 0.999), gradient_clip=2.0
        ),
        "energy": _ENERGY,
        "energy-heating": _ENERGY,
    }
)
"""Configurations by task name. The paper has no APG: but for the pendulum, environments, windows, discounts,
betas and clips are its SHAC's (Walter et al., arXiv 2506.01665, appendix), except that energy's window of
550 steps is cut to 48, where 0.9^48 < 1 %, and its learning rate, made for 550 steps, is ours."""

SEARCH = MappingProxyType(
    {
        "environments": (8, 16, 32),
        "window": (16, 32, 64),
        "discount": (0.9, 0.95, 0.98),
        "policy_rate": (5e-4, 1e-3, 2e-3, 5e-3),
        "policy_betas": ((0.7, 0.95), (0.9, 0.999)),
        "policy_hidden": ((64, 64), (128, 128)),
        "deviation": (0.05, 0.1, 0.3),
        "normalise": (False, True),
    }
)
"""What `safebench sweep --draw` chooses from: every setting uniformly."""


class State(NamedTuple):
    """Everything that changes during training."""

    policy: Any
    optimiser: optax.OptState
    normaliser: Normaliser
    episodes: Episode
    key: PRNGKeyArray


def make(env: Env, config: Config, interactions: int) -> Learner:
    """APG on `env` for a budget of `interactions` steps (which sets the learning-rate schedule).

    Raises:
        ValueError: if the budget does not cover one update.
    """
    per_update = config.environments * config.window
    updates = interactions // per_update
    if updates < 1:
        raise ValueError(
            f"a budget of {interactions} interactions is less than one update: "
            f"environments x window = {config.environments} x {config.window} = {per_update}"
        )
    network = MLP(
        config.policy_hidden, env.action_size, layer_norm=True, output_scale=0.01, agents=env.agents
    )
    schedule = optax.linear_schedule(config.policy_rate, config.policy_rate * config.policy_rate_end, updates)
    optimiser = optax.chain(
        optax.clip_by_global_norm(config.gradient_clip), optax.adam(schedule, *config.policy_betas)
    )

    def latent(policy, normaliser: Normaliser, observation: Array) -> Array:
        scaled = normalise(normaliser, observation) if config.normalise else observation
        return forward(network, policy, scaled)

    def initialise(key: PRNGKeyArray) -> State:
        policy_key, episode_key, key = jax.random.split(key, 3)
        policy = network.init(policy_key, jnp.zeros(env.observation_size))
        return State(
            policy=policy,
            optimiser=optimiser.init(policy),
            normaliser=fresh_normaliser(env.observation_size),
            episodes=jax.vmap(env.begin)(jax.random.split(episode_key, config.environments)),
            key=key,
        )

    def policy_loss(policy, state: State, noise: Array):
        def act(_episodes: Episode, observation: Array, noise: Array) -> tuple[Array, None]:
            return jnp.tanh(latent(policy, state.normaliser, observation) + config.deviation * noise), None

        episodes, steps = unroll(env, act, state.episodes, noise)
        outcome = steps.outcome
        # After a truncated step a new episode begins: its return is discounted from its own start.
        gains = running_discount(outcome.truncated, config.discount) * outcome.reward
        penalty = env.regularisation * jnp.mean(outcome.distance**2)
        return -jnp.mean(gains) + penalty, (episodes, steps.observation, outcome)

    def update(state: State) -> tuple[State, Progress]:
        noise_key, key = jax.random.split(state.key)
        shape = (config.window, config.environments, env.action_size)
        noise = jax.random.normal(noise_key, shape, jnp.float32)
        gradient_of = jax.value_and_grad(policy_loss, has_aux=True)
        (loss, (episodes, observation, outcome)), gradient = gradient_of(state.policy, state, noise)
        norm = optax.global_norm(gradient)
        change, moments = optimiser.update(gradient, state.optimiser, state.policy)
        finite = jnp.isfinite(norm)
        following = State(
            policy=keep_if(finite, optax.apply_updates(state.policy, change), state.policy),
            optimiser=keep_if(finite, moments, state.optimiser),
            normaliser=keep_if(finite, absorb(state.normaliser, observation), state.normaliser),
            episodes=episodes,
            key=key,
        )
        skipped = (~finite).astype(jnp.int32)
        return following, Progress(total(outcome.safety), loss, jnp.zeros_like(loss), norm, skipped)

    def act(policy, observation: Array) -> Array:
        parameters, normaliser = policy
        return jnp.tanh(latent(parameters, normaliser, observation))

    return Learner(initialise, update, lambda state: (state.policy, state.normaliser), act, per_update)

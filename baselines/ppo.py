"""PPO: proximal policy optimisation with a clipped objective (Schulman et al. 2017). Rewards only.

Each update rolls a window of steps in several environments, then passes over it in minibatches: the
policy climbs the clipped objective on generalised advantages plus an entropy bonus, the critic fits
TD(lambda) targets. No gradient passes through safeguard or physics: the losses see recorded data only.
The safeguard is part of the environment: probabilities are those of the proposed action, and a
regularised safeguard costs reward, kappa |applied - proposed|^2 per step. With `density` "applied" they are
those of the applied action: ratios stay the same, the entropy bonus does not.

With a `cost_limit` it is PPO-Lagrangian (Ray et al. 2019): a second critic of the violations to come, and
advantages less the multiplier times those of the violations.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from safebench.learner import (
    MLP,
    Activation,
    Env,
    Episode,
    Learner,
    Multiplier,
    Normaliser,
    Outcome,
    Place,
    Progress,
    absorb,
    entropy,
    forward,
    fresh_multiplier,
    fresh_normaliser,
    keep_if,
    lambda_returns,
    log_density,
    log_determinant,
    move_multiplier,
    normalise,
    penalised,
    require_choice,
    require_constraint,
    require_count,
    require_density,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_weight,
    require_widths,
    require_within,
    total,
    unroll,
)


@dataclass(frozen=True)
class Config:
    """environments: parallel environments. window: steps of each per update.

    discount: gamma. trace: lambda of the advantages. fits x batches: passes over a window x minibatches
    each. ratio_clip: epsilon of the clipped objective. entropy_weight: of the entropy bonus.
    policy_rate and value_rate decay linearly to `policy_rate_end` and `value_rate_end` times
    themselves. *_hidden: widths of hidden layers. activation: of both networks. gradient_clip: global
    norm, each network by itself. reward_scale: factor on rewards, to suit the critic's learning rate.
    log_std_start: initial log deviation of the Gaussian before tanh, learned, the same in every state.
    normalise: running observation normalisation.
    cost_limit: the largest share of training steps that may violate a constraint; None: no constraint.
    multiplier_gains: proportional, integral and derivative gain of its multiplier.
    density: "applied", the entropy is that of applied actions, or None: of proposed ones. The former needs a
    safeguard that is one-to-one.
    """

    environments: int = 8
    window: int = 256
    discount: float = 0.95
    trace: float = 0.94
    fits: int = 10
    batches: int = 8
    ratio_clip: float = 0.2
    entropy_weight: float = 0.01
    policy_rate: float = 3e-4
    policy_rate_end: float = 1.0
    value_rate: float = 1e-3
    value_rate_end: float = 0.05
    policy_hidden: tuple[int, ...] = (128, 128)
    value_hidden: tuple[int, ...] = (128, 128)
    activation: Activation = "tanh"
    gradient_clip: float = 1.0
    reward_scale: float = 1.0
    log_std_start: float = -0.5
    normalise: bool = True
    cost_limit: float | None = None
    multiplier_gains: tuple[float, float, float] | None = None
    density: Literal["applied"] | None = None

    def __post_init__(self):
        require_each(require_count, self, "environments", "window", "fits", "batches")
        require_each(require_share, self, "discount", "trace")
        require_each(require_positive, self, "policy_rate", "value_rate", "reward_scale")
        require_each(require_positive, self, "ratio_clip", "gradient_clip")
        require_each(require_weight, self, "entropy_weight", "policy_rate_end", "value_rate_end")
        require_each(require_widths, self, "policy_hidden", "value_hidden")
        require_choice("activation", self.activation, Activation)
        require_within("log_std_start", self.log_std_start, -20, 20)
        require_flag("normalise", self.normalise)
        require_constraint(self.cost_limit, self.multiplier_gains)
        require_choice("density", self.density, Literal["applied", None])
        steps = self.environments * self.window
        if self.batches > steps // 2:
            raise ValueError(
                f"batches must leave each minibatch 2 of the environments x window = {self.environments} x "
                f"{self.window} = {steps} steps: at most {steps // 2}, not {self.batches}"
            )


_TUNED = Config(
    environments=32,
    window=32,
    entropy_weight=0.0,
    policy_rate=5e-4,
    policy_rate_end=0.05,
    policy_hidden=(64, 64),
    value_hidden=(64, 64),
    activation="relu",
    reward_scale=0.01,
)

# Rewards are the length of a way, to -10 a step; observations are scaled by the tasks.
_NAVIGATION = replace(_TUNED, discount=0.98, policy_rate=1e-3, reward_scale=0.05, normalise=False)

_ENERGY = replace(_TUNED, window=48, discount=0.98)

SETTINGS = MappingProxyType(
    {
        # results/tuning/pendulum/ppo.json. Unguarded states reach thousands of rad/s: scaled by those, all
        # others look alike.
        "pendulum": replace(
            _TUNED,
            window=64,
            policy_rate=3e-4,
            policy_rate_end=1.0,
            entropy_weight=0.01,
            log_std_start=0.0,
            normalise=False,
        ),
        "quadrotor": replace(
            _TUNED,
            discount=0.98,
            policy_rate=1e-3,
            policy_hidden=(128, 128),
            value_hidden=(128, 128),
            reward_scale=0.05,
            normalise=False,
        ),
        "energy": _ENERGY,
        "energy-heating": _ENERGY,
        "seeker": _NAVIGATION,
        "seeker-blind": _NAVIGATION,
        "quadrotor-obstacles": _NAVIGATION,
        "crowd": _NAVIGATION,
        "crowd-8": _NAVIGATION,
        "crowd-16": _NAVIGATION,
    }
)
"""Tuned configurations by task name, each the same for every safeguard."""

SEARCH = MappingProxyType(
    {
        "environments": (16, 32, 64),
        "window": (16, 32, 64),
        "discount": (0.95, 0.98, 0.99),
        "policy_rate": (3e-4, 5e-4, 1e-3),
        "policy_rate_end": (0.05, 1.0),
        "entropy_weight": (0.0, 0.01),
        "policy_hidden": ((64, 64), (128, 128)),
        "reward_scale": (0.01, 0.05, 0.1),
        "log_std_start": (-1.0, -0.5, 0.0),
        "normalise": (False, True),
    }
)
"""What `safebench sweep --draw` chooses from: every setting uniformly."""

VARIANTS = {"ppo-lagrangian": {"cost_limit": 0.001, "multiplier_gains": (1.0, 0.1, 0.0)}}


class State(NamedTuple):
    """Everything that changes during training. networks: {"policy", "value"}, optimisers likewise.

    With a constraint there is a network "cost" too, the critic of violations, and a multiplier.
    """

    networks: dict[str, Any]
    optimisers: dict[str, optax.OptState]
    normaliser: Normaliser
    episodes: Episode
    key: PRNGKeyArray
    multiplier: Multiplier | None = None


class Window(NamedTuple):
    """What a rollout records, each with leading axes (window, environments)."""

    observation: Float[Array, "window envs o"]
    latent: Float[Array, "window envs m"]
    log_density: Float[Array, "window envs"]
    outcome: Outcome
    place: Place | None = None


class Sample(NamedTuple):
    """What the losses see of a step."""

    observation: Float[Array, "*batch o"]
    latent: Float[Array, "*batch m"]
    log_density: Float[Array, "*batch"]
    advantage: Float[Array, "*batch"]
    target: Float[Array, "*batch"]
    cost_target: Float[Array, "*batch"] | None = None
    place: Place | None = None


def make(env: Env, config: Config, interactions: int) -> Learner:
    """PPO on `env` for a budget of `interactions` steps (which sets the learning-rate schedules).

    Raises:
        ValueError: if the budget does not cover one update, or if the safeguard is not one-to-one and the
            density of applied actions is asked for.
    """
    if config.density == "applied":
        require_density(env)
    per_update = config.environments * config.window
    updates = interactions // per_update
    if updates < 1:
        raise ValueError(
            f"a budget of {interactions} interactions is less than one update: "
            f"environments x window = {config.environments} x {config.window} = {per_update}"
        )
    size = per_update // config.batches
    policy_net = MLP(
        config.policy_hidden, env.action_size, config.activation, output_scale=0.01, agents=env.agents
    )
    value_net = MLP(config.value_hidden, env.agents, config.activation, agents=env.agents)

    def optimiser(rate: float, end: float):
        schedule = optax.linear_schedule(rate, rate * end, updates * config.fits * config.batches)
        return optax.chain(optax.clip_by_global_norm(config.gradient_clip), optax.adam(schedule))

    rates = {
        "policy": optimiser(config.policy_rate, config.policy_rate_end),
        "value": optimiser(config.value_rate, config.value_rate_end),
    }
    if config.cost_limit is not None:
        rates["cost"] = optimiser(config.value_rate, config.value_rate_end)

    def scaled(normaliser: Normaliser, observation: Array) -> Array:
        return normalise(normaliser, observation) if config.normalise else observation.astype(jnp.float32)

    def gaussian(policy, normaliser: Normaliser, observation: Array) -> tuple[Array, Array]:
        mean = forward(policy_net, policy["network"], scaled(normaliser, observation))
        return mean, jnp.broadcast_to(policy["log_std"], mean.shape)

    def values(value, normaliser: Normaliser, observation: Array) -> Array:
        return forward(value_net, value, scaled(normaliser, observation)).mean(axis=-1)

    def initialise(key: PRNGKeyArray) -> State:
        policy_key, value_key, episode_key, key = jax.random.split(key, 4)
        blank = jnp.zeros(env.observation_size)
        policy = {
            "network": policy_net.init(policy_key, blank),
            "log_std": jnp.full(env.action_size, config.log_std_start, jnp.float32),
        }
        networks = {"policy": policy, "value": value_net.init(value_key, blank)}
        if config.cost_limit is not None:
            networks["cost"] = value_net.init(jax.random.fold_in(value_key, 1), blank)
        return State(
            networks=networks,
            optimisers={name: rates[name].init(networks[name]) for name in networks},
            normaliser=fresh_normaliser(env.observation_size),
            episodes=jax.vmap(env.begin)(jax.random.split(episode_key, config.environments)),
            key=key,
            multiplier=None if config.cost_limit is None else fresh_multiplier(),
        )

    def rollout(state: State, key: PRNGKeyArray) -> tuple[Episode, Window]:
        def act(episodes: Episode, observation: Array, noise: Array):
            mean, log_std = gaussian(state.networks["policy"], state.normaliser, observation)
            latent = mean + jnp.exp(log_std) * noise
            place = Place(episodes.x, episodes.corridor) if config.density == "applied" else None
            return jnp.tanh(latent), (latent, log_density(latent, mean, log_std), place)

        shape = (config.window, config.environments, env.action_size)
        noise = jax.random.normal(key, shape, jnp.float32)
        episodes, steps = unroll(env, act, state.episodes, noise)
        latent, density, place = steps.kept
        return episodes, Window(steps.observation, latent, density, steps.outcome, place)

    def estimates(state: State, window: Window, critic: str, rewards: Array) -> tuple[Array, Array]:
        """What the critic should have said of every step, and by how much that exceeds what it says."""
        outcome, value = window.outcome, state.networks[critic]
        targets = lambda_returns(
            rewards,
            values(value, state.normaliser, outcome.observation),
            outcome.truncated,
            config.discount,
            config.trace,
        ).astype(jnp.float32)
        return targets, targets - values(value, state.normaliser, window.observation)

    def samples(state: State, window: Window) -> Sample:
        outcome, cost_targets = window.outcome, None
        rewards = config.reward_scale * (outcome.reward - env.regularisation * outcome.distance**2)
        targets, advantages = estimates(state, window, "value", rewards)
        if state.multiplier is not None:
            violations = outcome.safety.violations.astype(rewards.dtype)
            cost_targets, excess = estimates(state, window, "cost", violations)
            advantages = penalised(advantages, excess, state.multiplier).astype(jnp.float32)
        recorded = Sample(
            *(window.observation, window.latent, window.log_density, advantages, targets, cost_targets),
            window.place,
        )
        return jax.tree.map(lambda leaf: leaf.reshape(per_update, *leaf.shape[2:]), recorded)

    def loss(networks, normaliser: Normaliser, batch: Sample, noise: Array):
        mean, log_std = gaussian(networks["policy"], normaliser, batch.observation)
        ratio = jnp.exp(log_density(batch.latent, mean, log_std) - batch.log_density)
        advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
        clipped = jnp.clip(ratio, 1.0 - config.ratio_clip, 1.0 + config.ratio_clip)
        objective = jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        bonus = jnp.mean(entropy(mean + jnp.exp(log_std) * noise, log_std))
        if batch.place is not None:
            action = jnp.tanh(mean + jnp.exp(log_std) * noise)
            slopes = jax.vmap(log_determinant, in_axes=(None, 0, 0))(env, batch.place, action)
            bonus += jnp.mean(slopes).astype(bonus.dtype)
        policy_loss = -objective - config.entropy_weight * bonus
        value_loss = jnp.mean((values(networks["value"], normaliser, batch.observation) - batch.target) ** 2)
        if batch.cost_target is not None:
            costs = values(networks["cost"], normaliser, batch.observation)
            value_loss += jnp.mean((costs - batch.cost_target) ** 2)
        return policy_loss + value_loss, (policy_loss, value_loss)

    def fit(state: State, recorded: Sample, key: PRNGKeyArray):
        order_key, noise_key = jax.random.split(key)
        orders = jax.vmap(lambda k: jax.random.permutation(k, per_update))(
            jax.random.split(order_key, config.fits)
        )
        indices = orders[:, : size * config.batches].reshape(-1, size)
        noise_keys = jax.random.split(noise_key, len(indices))

        def one(carry, inputs):
            networks, optimisers = carry
            indices, key = inputs
            batch = jax.tree.map(lambda leaf: leaf[indices], recorded)
            noise = jax.random.normal(key, batch.latent.shape, jnp.float32)
            gradient, losses = jax.grad(loss, has_aux=True)(networks, state.normaliser, batch, noise)
            norm = optax.global_norm(gradient["policy"])
            fitted, moments = {}, {}
            for name, rate in rates.items():
                change, moments[name] = rate.update(gradient[name], optimisers[name], networks[name])
                fitted[name] = optax.apply_updates(networks[name], change)
            return (fitted, moments), (*losses, norm)

        return jax.lax.scan(one, (state.networks, state.optimisers), (indices, noise_keys))

    def update(state: State) -> tuple[State, Progress]:
        rollout_key, fit_key, key = jax.random.split(state.key, 3)
        episodes, window = rollout(state, rollout_key)
        learned, (policy_losses, value_losses, norms) = fit(state, samples(state, window), fit_key)
        # A NaN in any minibatch stays in the parameters and so in the last losses: the update is not made.
        finite = jnp.isfinite(policy_losses[-1] + value_losses[-1] + norms[-1])
        finite &= jnp.isfinite(optax.global_norm(learned[0]))
        networks, optimisers = keep_if(finite, learned, (state.networks, state.optimisers))
        multiplier = move_multiplier(
            state.multiplier, window.outcome.safety, config.cost_limit, config.multiplier_gains
        )
        following = State(
            networks=networks,
            optimisers=optimisers,
            normaliser=keep_if(finite, absorb(state.normaliser, window.observation), state.normaliser),
            episodes=episodes,
            key=key,
            multiplier=keep_if(finite, multiplier, state.multiplier),
        )
        skipped = (~finite).astype(jnp.int32)
        return following, Progress(
            total(window.outcome.safety), policy_losses[-1], value_losses[-1], norms[-1], skipped
        )

    def act(policy, observation: Array) -> Array:
        network, normaliser = policy
        return jnp.tanh(forward(policy_net, network, scaled(normaliser, observation)))

    return Learner(
        initialise,
        update,
        lambda state: (state.networks["policy"]["network"], state.normaliser),
        act,
        per_update,
    )

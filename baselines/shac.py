"""SHAC: short-horizon actor-critic through the differentiable guard and physics (Xu et al. 2022).

Each update rolls a window of steps in several environments, differentiates the discounted window
return plus the target critic's bootstrap through safeguard and physics, takes one policy step, and
fits the critic to TD(lambda) targets. Starting values: Walter et al., arXiv 2506.01665, appendix.

With a `cost_limit` it is SHAC-Lagrangian: the loss is the Lagrangian of return and cost, where the cost of a
step is how far its state lies beyond the constraints, with its derivative through safeguard and physics, and
a second critic values the costs after the window. The multiplier follows the violations themselves.
"""

from dataclasses import dataclass, replace
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
    Multiplier,
    Normaliser,
    Outcome,
    Progress,
    Steps,
    absorb,
    clip_gradient,
    forward,
    fresh_multiplier,
    fresh_normaliser,
    keep_if,
    lambda_returns,
    move_multiplier,
    normalise,
    penalised,
    require_betas,
    require_constraint,
    require_count,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_weight,
    require_widths,
    require_within,
    running_discount,
    total,
    unroll,
)


@dataclass(frozen=True)
class Config:
    """environments: parallel environments. window: steps differentiated through, per update.

    discount: gamma. trace: lambda of the TD(lambda) targets. target_retention: weight of the old target
    critic in its Polyak average. value_fits x value_batches: passes over a window x minibatches each.
    policy_rate and value_rate decay linearly to `policy_rate_end` and `value_rate_end` times
    themselves. *_betas: Adam's. *_hidden: widths of hidden layers. gradient_clip: global norm.
    state_gradient_clip: bound on the derivative of one environment's discounted, scaled return by its
    state, applied at every step of the backward pass (a chaotic rollout would drown the others).
    reward_scale: factor on rewards and on the safeguard's penalty, to suit the critic's learning rate.
    log_std_start: initial log deviation of the exploration noise before tanh, learned.
    normalise: running observation normalisation. Its moving scales disturb the policy, so it is for
        observations of unlike sizes.
    cost_limit: the largest share of training steps that may violate a constraint; None: no constraint.
    multiplier_gains: proportional, integral and derivative gain of its multiplier.
    cost_margin: how far inside the constraints the cost that is differentiated begins, in half-widths.
    """

    environments: int = 4
    window: int = 32
    discount: float = 0.95
    trace: float = 0.95
    target_retention: float = 0.4
    value_fits: int = 8
    value_batches: int = 1
    policy_rate: float = 2e-3
    policy_rate_end: float = 0.01
    value_rate: float = 2e-3
    value_rate_end: float = 0.05
    policy_betas: tuple[float, float] = (0.7, 0.95)
    value_betas: tuple[float, float] = (0.7, 0.95)
    policy_hidden: tuple[int, ...] = (128, 128)
    value_hidden: tuple[int, ...] = (128, 128, 128)
    gradient_clip: float = 1.0
    state_gradient_clip: float = 30.0
    reward_scale: float = 1.0
    log_std_start: float = -1.0
    normalise: bool = False
    cost_limit: float | None = None
    multiplier_gains: tuple[float, float, float] | None = None
    cost_margin: float | None = None

    def __post_init__(self):
        require_each(require_count, self, "environments", "window", "value_fits", "value_batches")
        require_each(require_share, self, "discount", "trace", "target_retention")
        require_each(require_positive, self, "policy_rate", "value_rate", "reward_scale")
        require_each(require_positive, self, "gradient_clip", "state_gradient_clip")
        require_each(require_weight, self, "policy_rate_end", "value_rate_end")
        require_each(require_betas, self, "policy_betas", "value_betas")
        require_each(require_widths, self, "policy_hidden", "value_hidden")
        require_within("log_std_start", self.log_std_start, -20, 20)
        require_flag("normalise", self.normalise)
        require_constraint(self.cost_limit, self.multiplier_gains)
        if self.cost_margin is not None:
            require_share("cost_margin", self.cost_margin)
        elif self.cost_limit is not None:
            raise ValueError("cost_margin must be a number between 0 and 1 with a cost_limit, not None")
        steps = self.environments * self.window
        if self.value_batches > steps:
            raise ValueError(
                f"value_batches must be at most environments x window = {self.environments} x {self.window} "
                f"= {steps}, not {self.value_batches}"
            )


# As good as a critic of 128, 128, 128 with 8 fits, in less than half the time:
# docs/records/tuning-shac-size.json.
_SMALL_CRITIC = Config(value_fits=4, value_hidden=(64, 64))

# A day; rewards reach -900; observations are in kW, kWh and degrees.
_ENERGY = Config(environments=16, window=24, reward_scale=0.01, normalise=True)

# Targets differ by episode; many joints need many updates, and a wide policy.
_ARM = Config(environments=8, reward_scale=0.05, policy_hidden=(256, 256))

SETTINGS = MappingProxyType(
    {
        # results/tuning/pendulum/shac.json.
        "pendulum": replace(
            _SMALL_CRITIC, window=16, discount=0.98, policy_rate=4e-3, value_rate=1e-3, log_std_start=-2.0
        ),
        "quadrotor": _SMALL_CRITIC,
        # Goals differ by episode, and are seconds away.
        "quadrotor3d": Config(environments=16, discount=0.98),
        # The way to a target may lead away from it first.
        "arm2": Config(environments=16, discount=0.98, reward_scale=0.05, policy_hidden=(256, 256)),
        "arm4": _ARM,
        "arm7": _ARM,
        "arm14": _ARM,
        "energy": _ENERGY,
        "energy-heating": _ENERGY,
        # A gap closes over many steps; leaders differ by episode.
        "cruise": Config(environments=16, discount=0.98),
        # Six minutes of steps of a second; starts are up to 140 m from the port.
        "docking": Config(environments=32, discount=0.98),
        "docking-line-of-sight": Config(environments=32, discount=0.98),
        # Swings that pay later; without much noise some seeds never leave the hanging pole.
        "cartpole-swingup": Config(discount=0.97, log_std_start=0.0),
        # Scenes differ by episode: many environments at once. The way is long: rewards reach -10.
        "seeker": Config(environments=32, discount=0.98, reward_scale=0.05),
        "seeker-blind": Config(environments=32, discount=0.98, reward_scale=0.05),
        # One window is 48 of 500 steps, of episodes that differ: many at once.
        "quadrotor-obstacles": Config(environments=32, window=48, discount=0.98, reward_scale=0.05),
        "arm2-obstacles": Config(environments=32, discount=0.98, reward_scale=0.05),
        "crowd": Config(environments=32, discount=0.98, reward_scale=0.05),
        "crowd-8": Config(environments=32, discount=0.98, reward_scale=0.05),
        "crowd-16": Config(environments=32, discount=0.98, reward_scale=0.05),
    }
)
"""Tuned configurations by task name, each the same for every safeguard."""

SEARCH = MappingProxyType(
    {
        "environments": (4, 8, 16, 32),
        "window": (16, 32, 48),
        "discount": (0.95, 0.98, 0.99),
        "policy_rate": (1e-3, 2e-3, 4e-3),
        "value_rate": (1e-3, 2e-3),
        "reward_scale": (0.01, 0.05, 1.0),
        "log_std_start": (-2.0, -1.0, 0.0),
        "normalise": (False, True),
    }
)
"""What `safebench sweep --draw` chooses from: every setting uniformly. The critic's size and fits change the
time, not the return (docs/records/tuning-shac-size.json)."""

VARIANTS = {"shac-lagrangian": {"cost_limit": 0.001, "multiplier_gains": (1.0, 0.1, 0.0), "cost_margin": 0.0}}


class Critic(NamedTuple):
    """A value network, its slow copy and its optimiser's moments."""

    value: Any
    target: Any
    optimiser: optax.OptState


class State(NamedTuple):
    """Everything that changes during training. cost_critic and multiplier: with a constraint only."""

    policy: Any
    policy_optimiser: optax.OptState
    critic: Critic
    normaliser: Normaliser
    episodes: Episode
    key: PRNGKeyArray
    cost_critic: Critic | None = None
    multiplier: Multiplier | None = None


def make(env: Env, config: Config, interactions: int) -> Learner:
    """SHAC on `env` for a budget of `interactions` steps (which sets the learning-rate schedules).

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
    policy_net = MLP(
        config.policy_hidden, env.action_size, layer_norm=True, output_scale=0.01, agents=env.agents
    )
    value_net = MLP(config.value_hidden, env.agents, agents=env.agents)

    def optimiser(rate: float, end: float, betas: tuple[float, float], steps: int):
        schedule = optax.linear_schedule(rate, rate * end, steps)
        return optax.chain(optax.clip_by_global_norm(config.gradient_clip), optax.adam(schedule, *betas))

    policy_optimiser = optimiser(config.policy_rate, config.policy_rate_end, config.policy_betas, updates)
    value_steps = updates * config.value_fits * config.value_batches
    value_optimiser = optimiser(config.value_rate, config.value_rate_end, config.value_betas, value_steps)

    def scaled(normaliser: Normaliser, observation: Array) -> Array:
        return normalise(normaliser, observation) if config.normalise else observation.astype(jnp.float32)

    def values(parameters, normaliser: Normaliser, observation: Array) -> Array:
        return forward(value_net, parameters, scaled(normaliser, observation)).mean(axis=-1)

    def fresh_critic(key: PRNGKeyArray) -> Critic:
        value = value_net.init(key, jnp.zeros(env.observation_size))
        return Critic(value, value, value_optimiser.init(value))

    def initialise(key: PRNGKeyArray) -> State:
        policy_key, value_key, episode_key, key = jax.random.split(key, 4)
        blank = jnp.zeros(env.observation_size)
        policy = {
            "network": policy_net.init(policy_key, blank),
            "log_std": jnp.full(env.action_size, config.log_std_start, jnp.float32),
        }
        constrained = config.cost_limit is not None
        return State(
            policy=policy,
            policy_optimiser=policy_optimiser.init(policy),
            critic=fresh_critic(value_key),
            normaliser=fresh_normaliser(env.observation_size),
            episodes=jax.vmap(env.begin)(jax.random.split(episode_key, config.environments)),
            key=key,
            cost_critic=fresh_critic(jax.random.fold_in(value_key, 1)) if constrained else None,
            multiplier=fresh_multiplier() if constrained else None,
        )

    def bounded(x: Array) -> Array:  # the loss is a mean over the window's steps, hence the division
        return clip_gradient(x, config.state_gradient_clip / per_update)

    def rollout(policy, normaliser: Normaliser, episodes: Episode, noise: Array) -> tuple[Episode, Steps]:
        def act(_episodes: Episode, observation: Array, noise: Array) -> tuple[Array, None]:
            mean = forward(policy_net, policy["network"], scaled(normaliser, observation))
            return jnp.tanh(mean + jnp.exp(policy["log_std"]) * noise), None

        return unroll(env, act, episodes, noise, bounded)

    def policy_loss(policy, state: State, noise: Array):
        episodes, window = rollout(policy, state.normaliser, state.episodes, noise)
        outcome = window.outcome
        ends = outcome.truncated.at[-1].set(True)  # where a return stops and the critic takes over
        discounts = running_discount(outcome.truncated, config.discount)

        def summed(critic: Critic, rewards: Array) -> tuple[Array, Array]:
            bootstrap = values(critic.target, state.normaliser, outcome.observation)
            gains = discounts * (rewards + config.discount * jnp.where(ends, bootstrap, 0.0))
            return jnp.mean(gains), bootstrap

        gain, bootstrap = summed(state.critic, config.reward_scale * outcome.reward)
        penalty = config.reward_scale * env.regularisation * jnp.mean(outcome.distance**2)
        if state.multiplier is None or state.cost_critic is None:
            return -gain + penalty, (episodes, window, bootstrap, None)
        cost, cost_bootstrap = summed(state.cost_critic, costs(outcome))
        loss = -penalised(gain - penalty, cost, state.multiplier)
        return loss, (episodes, window, bootstrap, cost_bootstrap)

    def costs(outcome: Outcome) -> Array:
        """How far each state lies beyond the constraints, from `cost_margin` inside them on."""
        assert config.cost_margin is not None
        return jax.nn.relu(outcome.safety.worst_margin + config.cost_margin)

    def fit(
        state: State, critic: Critic, window: Steps, signal: Array, bootstrap: Array, key: PRNGKeyArray
    ) -> tuple[Critic, Array]:
        """The critic after its passes over the window, and its last error."""
        observations = scaled(state.normaliser, window.observation).reshape(per_update, -1)
        targets = lambda_returns(
            signal, bootstrap, window.outcome.truncated, config.discount, config.trace
        ).astype(jnp.float32)
        targets = targets.reshape(per_update)
        size = per_update // config.value_batches

        def one(carry, indices: Array | None):
            value, moments = carry
            rows = slice(None) if indices is None else indices

            def loss(value):
                found = forward(value_net, value, observations[rows]).mean(axis=-1)
                return jnp.mean((found - targets[rows]) ** 2)

            error, gradient = jax.value_and_grad(loss)(value)
            change, moments = value_optimiser.update(gradient, moments, value)
            return (optax.apply_updates(value, change), moments), error

        batches = None  # the whole window at once
        if config.value_batches > 1:
            orders = jax.vmap(lambda k: jax.random.permutation(k, per_update))(
                jax.random.split(key, config.value_fits)
            )
            batches = orders[:, : size * config.value_batches].reshape(-1, size)
        (value, moments), errors = jax.lax.scan(
            one, (critic.value, critic.optimiser), batches, config.value_fits * config.value_batches
        )
        return critic._replace(value=value, optimiser=moments), errors[-1]

    def followed(new: Critic, old: Critic, finite: Array) -> Critic:
        """The critic after an update, made if `finite`; its slow copy follows."""
        value = keep_if(finite, new.value, old.value)
        target = optax.incremental_update(value, old.target, 1.0 - config.target_retention)
        return Critic(value, target, keep_if(finite, new.optimiser, old.optimiser))

    def update(state: State) -> tuple[State, Progress]:
        noise_key, fit_key, key = jax.random.split(state.key, 3)
        noise = jax.random.normal(
            noise_key, (config.window, config.environments, env.action_size), jnp.float32
        )
        gradient_of = jax.value_and_grad(policy_loss, has_aux=True)
        (loss, aux), gradient = gradient_of(state.policy, state, noise)
        episodes, window, bootstrap, cost_bootstrap = aux
        norm = optax.global_norm(gradient)
        change, moments = policy_optimiser.update(gradient, state.policy_optimiser, state.policy)

        rewards = config.reward_scale * window.outcome.reward
        critic, value_loss = fit(state, state.critic, window, rewards, bootstrap, fit_key)
        cost_critic = state.cost_critic
        if cost_critic is not None:
            cost_key = jax.random.fold_in(fit_key, 1)
            signal = costs(window.outcome)
            cost_critic, cost_loss = fit(state, cost_critic, window, signal, cost_bootstrap, cost_key)
            value_loss += cost_loss
        finite = jnp.isfinite(norm) & jnp.isfinite(value_loss)
        if cost_critic is not None and state.cost_critic is not None:
            cost_critic = followed(cost_critic, state.cost_critic, finite)
        multiplier = move_multiplier(
            state.multiplier, window.outcome.safety, config.cost_limit, config.multiplier_gains
        )

        def keep(new, old):  # a step with a gradient that is not finite is skipped and counted
            return keep_if(finite, new, old)

        following = State(
            policy=keep(optax.apply_updates(state.policy, change), state.policy),
            policy_optimiser=keep(moments, state.policy_optimiser),
            critic=followed(critic, state.critic, finite),
            normaliser=keep(absorb(state.normaliser, window.observation), state.normaliser),
            episodes=episodes,
            key=key,
            cost_critic=cost_critic,
            multiplier=keep(multiplier, state.multiplier),
        )
        skipped = (~finite).astype(jnp.int32)
        return following, Progress(total(window.outcome.safety), loss, value_loss, norm, skipped)

    def act(policy, observation: Array) -> Array:
        network, normaliser = policy
        return jnp.tanh(forward(policy_net, network, scaled(normaliser, observation)))

    return Learner(
        initialise, update, lambda state: (state.policy["network"], state.normaliser), act, per_update
    )

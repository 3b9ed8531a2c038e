"""SAC: soft actor-critic with twin critics and a learned temperature (Haarnoja et al. 2018). Rewards only.

Each update takes some steps in several environments, stores them in a ring of past transitions, and then
makes some gradient steps on minibatches drawn from it; the ring is part of the training state, so a run
stays a pure function of its key. The safeguard is part of the environment: the stored action is the
PROPOSED one, and a regularised safeguard costs reward, kappa |applied - proposed|^2 per step. Tasks end
by truncation only, so every target bootstraps from the state reached, before any reset.

With `safeguard_in` "policy" it is part of the policy: the critics judge APPLIED actions, the policy climbs
Q(s, g(s, a)) through the safeguard g, and kappa |g(s, a) - a|^2 is added to its loss, not taken off rewards.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from safebench.learner import (
    MLP,
    Activation,
    Env,
    Episode,
    Learner,
    Normaliser,
    Place,
    Progress,
    Safety,
    absorb,
    forward,
    fresh_normaliser,
    keep_if,
    log_density,
    log_determinant,
    normalise,
    require_choice,
    require_count,
    require_density,
    require_each,
    require_flag,
    require_positive,
    require_share,
    require_widths,
    require_within,
    smallest,
    total,
    unroll,
)

LOG_STD_RANGE = (-5.0, 2.0)
"""The policy's log deviation is clipped to this."""
LARGEST_BUFFER = 100_000_000
"""Transitions: more fit no memory."""
LARGEST_REWARD = 1e9
"""A bound above it bounds nothing: leave it out."""


@dataclass(frozen=True)
class Config:
    """environments: parallel environments. steps: of each per update.

    gradient_steps_per_interaction: minibatches per environment step. batch: transitions in each.
    buffer: transitions remembered, rounded up to whole updates. starts: interactions with uniformly
    random actions, before any learning, rounded up to whole updates. discount: gamma.
    target_retention: weight of the old target critics in their Polyak average. policy_delay,
    target_delay: the policy and temperature, and the targets, move at every so-manieth gradient step of
    an update. temperature_start: initial weight of the entropy, learned towards an entropy of -m.
    *_rate: learning rates, constant. *_hidden: widths of hidden layers. activation: of all networks.
    gradient_clip: global norm, each network by itself. reward_scale: factor on rewards, against which the
    entropy is weighed. reward_bound: critics learn from scaled rewards no larger than this in magnitude;
    None: from all. Where nothing bounds the states, one that ran away would drown all others. normalise:
    running observation normalisation.
    safeguard_in: "policy", or None: in the environment. density: "applied", the entropy is that of applied
    actions, or None: of proposed ones. The former needs a safeguard that is one-to-one.
    """

    environments: int = 8
    steps: int = 8
    gradient_steps_per_interaction: float = 0.25
    batch: int = 256
    buffer: int = 100_000
    starts: int = 1000
    discount: float = 0.95
    target_retention: float = 0.995
    policy_delay: int = 1
    target_delay: int = 1
    policy_rate: float = 1e-3
    value_rate: float = 1e-3
    temperature_rate: float = 1e-3
    temperature_start: float = 0.1
    policy_hidden: tuple[int, ...] = (128, 128)
    value_hidden: tuple[int, ...] = (128, 128)
    activation: Activation = "relu"
    gradient_clip: float = 10.0
    reward_scale: float = 1.0
    reward_bound: float | None = None
    normalise: bool = True
    safeguard_in: Literal["policy"] | None = None
    density: Literal["applied"] | None = None

    def __post_init__(self):
        require_each(require_count, self, "environments", "steps", "batch", "policy_delay", "target_delay")
        require_count("buffer", self.buffer, most=LARGEST_BUFFER)
        require_count("starts", self.starts, least=0, most=LARGEST_BUFFER)
        require_each(require_share, self, "discount", "target_retention")
        require_each(require_positive, self, "policy_rate", "value_rate", "temperature_rate")
        require_each(require_positive, self, "temperature_start", "gradient_clip", "reward_scale")
        require_each(require_widths, self, "policy_hidden", "value_hidden")
        if self.reward_bound is not None:
            require_positive("reward_bound", self.reward_bound)
            require_within("reward_bound", self.reward_bound, 0, LARGEST_REWARD)
        require_choice("activation", self.activation, Activation)
        require_flag("normalise", self.normalise)
        require_choice("safeguard_in", self.safeguard_in, Literal["policy", None])
        require_choice("density", self.density, Literal["applied", None])
        require_within("gradient_steps_per_interaction", self.gradient_steps_per_interaction, 0, 1000)
        if self.buffer < self.batch:
            raise ValueError(f"buffer must be at least batch = {self.batch}, not {self.buffer}")
        steps, share = self.environments * self.steps, self.gradient_steps_per_interaction
        if round(steps * share) < 1:
            raise ValueError(
                f"gradient_steps_per_interaction must make a gradient step in an update of environments x "
                f"steps = {self.environments} x {self.steps} = {steps} interactions, not {share}"
            )


_ENERGY = Config(
    gradient_steps_per_interaction=0.05,
    batch=128,
    discount=0.98,
    policy_rate=5e-4,
    policy_hidden=(64, 64),
    reward_scale=0.01,
)

# The pendulum's critics, and how often its policy moves, were chosen for speed at equal return, on seeds
# 1000 to 1002: docs/records/tuning-sac-size.json, which says why the quadrotor keeps its own. Rewards are
# bounded, the ring is short and observations keep their scale since unguarded it spins away, at thousands of
# rad/s: on these seeds it ends at -8.3 to -9.7 from the paper's start, with the bound alone at -158 to -280,
# without the bound at -2e9. At a corner of the constraints the scaled reward is -1.3.
SETTINGS = MappingProxyType(
    {
        "pendulum": Config(
            gradient_steps_per_interaction=0.125,
            batch=128,
            buffer=10_000,
            starts=0,
            policy_delay=2,
            policy_hidden=(64, 64),
            value_hidden=(64, 64),
            reward_scale=0.1,
            reward_bound=2.0,
            normalise=False,
        ),
        "quadrotor": Config(
            gradient_steps_per_interaction=0.125,
            batch=128,
            discount=0.99,
            policy_hidden=(64, 64),
            reward_scale=0.1,
        ),
        "energy": _ENERGY,
        "energy-heating": _ENERGY,
    }
)
"""Tuned configurations by task name, each the same for every safeguard."""

SEARCH = MappingProxyType(
    {
        "gradient_steps_per_interaction": (0.05, 0.125, 0.25),
        "batch": (128, 256),
        "discount": (0.95, 0.98, 0.99),
        "policy_delay": (1, 2),
        "policy_rate": (5e-4, 1e-3),
        "value_rate": (5e-4, 1e-3),
        "temperature_start": (0.03, 0.1, 0.3),
        "policy_hidden": ((64, 64), (128, 128)),
        "value_hidden": ((64, 64), (128, 128)),
        "reward_scale": (0.01, 0.1, 1.0),
        "normalise": (False, True),
    }
)
"""What `safebench sweep --draw` chooses from: every setting uniformly."""


class Learned(NamedTuple):
    """What gradient steps change. critics and targets: parameters of both critics, stacked."""

    policy: Any
    critics: Any
    targets: Any
    log_temperature: Float[Array, ""]
    policy_optimiser: optax.OptState
    value_optimiser: optax.OptState
    temperature_optimiser: optax.OptState


class Transition(NamedTuple):
    """What the ring remembers, in float32.

    action: the proposed one; the applied one where the safeguard is in the policy.
    places: where it began and ended, in the precision of states, for settings that ask the safeguard again.
    """

    observation: Float[Array, "*batch o"]
    action: Float[Array, "*batch m"]
    reward: Float[Array, "*batch"]
    reached: Float[Array, "*batch o"]
    places: tuple[Place, Place] | None = None


class State(NamedTuple):
    """Everything that changes during training. stored: transitions ever put into the ring."""

    learned: Learned
    ring: Transition
    stored: Int[Array, ""]
    normaliser: Normaliser
    episodes: Episode
    key: PRNGKeyArray


def make(env: Env, config: Config, interactions: int) -> Learner:
    """SAC on `env` for a budget of `interactions` steps.

    Raises:
        ValueError: if the budget ends with the random start, or before one update, or if the safeguard is not
            one-to-one and the density of applied actions is asked for.
    """
    in_policy, of_applied = config.safeguard_in == "policy", config.density == "applied"
    if of_applied:
        require_density(env)
    per_update = config.environments * config.steps
    if interactions < max(per_update, config.starts + 1):
        raise ValueError(
            f"a budget of {interactions} interactions is less than one update and the random start: "
            f"environments x steps = {config.environments} x {config.steps} = {per_update}, "
            f"starts = {config.starts}"
        )
    gradient_steps = round(per_update * config.gradient_steps_per_interaction)
    blocks = math.ceil(config.buffer / per_update)  # the ring is written in whole updates
    size, m = env.observation_size, env.action_size
    agents = env.agents
    policy_net = MLP(config.policy_hidden, 2 * m, config.activation, output_scale=0.01, agents=agents)
    critic_net = MLP(config.value_hidden, agents, config.activation, agents=agents)

    def optimiser(rate: float):
        return optax.chain(optax.clip_by_global_norm(config.gradient_clip), optax.adam(rate))

    policy_optimiser, value_optimiser = optimiser(config.policy_rate), optimiser(config.value_rate)
    temperature_optimiser = optimiser(config.temperature_rate)

    def scaled(normaliser: Normaliser, observation: Array) -> Array:
        return normalise(normaliser, observation) if config.normalise else observation.astype(jnp.float32)

    def gaussian(policy, observation: Array) -> tuple[Array, Array]:
        outputs = forward(policy_net, policy, observation)
        pairs = outputs.reshape(*outputs.shape[:-1], agents, 2, m // agents)
        mean, log_std = (pairs[..., part, :].reshape(*outputs.shape[:-1], m) for part in (0, 1))
        return mean, jnp.clip(log_std, *LOG_STD_RANGE)

    def propose(policy, observation: Array, noise: Array) -> tuple[Array, Array]:
        """A sampled action and its log density."""
        mean, log_std = gaussian(policy, observation)
        latent = mean + jnp.exp(log_std) * noise
        return jnp.tanh(latent), log_density(latent, mean, log_std)

    def enact(policy, observation: Array, noise: Array, place: Place | None) -> tuple[Array, Array, Array]:
        """As `propose`, of the action that the critics judge; and its squared correction."""
        action, density = propose(policy, observation, noise)
        correction = jnp.zeros_like(density)
        if place is None:
            return action, density, correction
        if of_applied:
            slopes = jax.vmap(log_determinant, in_axes=(None, 0, 0))(env, place, action)
            density = density - slopes.astype(jnp.float32)
        if in_policy:
            guarded = jax.vmap(env.applied)(place, action)
            action, correction = guarded.action.astype(jnp.float32), guarded.distance**2
        return action, density, correction.astype(jnp.float32)

    def judge(critics, observation: Array, action: Array) -> Float[Array, " 2 *batch"]:
        parts = [part.reshape(*part.shape[:-1], agents, -1) for part in (observation, action)]
        inputs = jnp.concatenate(parts, axis=-1).reshape(*action.shape[:-1], size + m)
        return jax.vmap(lambda one: forward(critic_net, one, inputs).mean(axis=-1))(critics)

    def initialise(key: PRNGKeyArray) -> State:
        policy_key, value_key, episode_key, key = jax.random.split(key, 4)
        policy = policy_net.init(policy_key, jnp.zeros(size))
        critics = jax.vmap(lambda k: critic_net.init(k, jnp.zeros(size + m)))(jax.random.split(value_key))
        log_temperature = jnp.log(jnp.asarray(config.temperature_start, jnp.float32))
        rows, real = blocks * per_update, jnp.float32
        episodes = jax.vmap(env.begin)(jax.random.split(episode_key, config.environments))
        place = Place(episodes.x, episodes.corridor)
        at = jax.tree.map(lambda leaf: jnp.zeros((rows, *leaf.shape[1:]), leaf.dtype), place)
        return State(
            learned=Learned(
                policy=policy,
                critics=critics,
                targets=critics,
                log_temperature=log_temperature,
                policy_optimiser=policy_optimiser.init(policy),
                value_optimiser=value_optimiser.init(critics),
                temperature_optimiser=temperature_optimiser.init(log_temperature),
            ),
            ring=Transition(
                jnp.zeros((rows, size), real),
                jnp.zeros((rows, m), real),
                jnp.zeros(rows, real),
                jnp.zeros((rows, size), real),
                (at, at) if in_policy or of_applied else None,
            ),
            stored=jnp.zeros((), jnp.int32),
            normaliser=fresh_normaliser(size),
            episodes=episodes,
            key=key,
        )

    def bounded(reward: Array) -> Array:
        largest = config.reward_bound
        return reward if largest is None else jnp.clip(reward, -largest, largest)

    def collect(state: State, key: PRNGKeyArray) -> tuple[Episode, Transition, Safety]:
        """`steps` steps of every environment, as (per_update, ...) transitions."""
        explore = state.stored < config.starts

        def act(episodes: Episode, observation: Array, key: PRNGKeyArray):
            noise_key, uniform_key = jax.random.split(key)
            shape = (config.environments, m)
            noise = jax.random.normal(noise_key, shape, jnp.float32)
            proposed, _ = propose(state.learned.policy, scaled(state.normaliser, observation), noise)
            uniform = jax.random.uniform(uniform_key, shape, jnp.float32, -1.0, 1.0)
            action = jnp.where(explore, uniform, proposed)
            return action, (action, Place(episodes.x, episodes.corridor))

        episodes, steps = unroll(env, act, state.episodes, jax.random.split(key, config.steps))
        outcome, (action, place) = steps.outcome, steps.kept
        penalty = 0.0 if in_policy else env.regularisation * outcome.distance**2
        seen = Transition(
            steps.observation,
            outcome.applied if in_policy else action,
            bounded(config.reward_scale * (outcome.reward - penalty)),
            outcome.observation,
            (place, steps.place) if in_policy or of_applied else None,
        )
        flat = jax.tree.map(lambda leaf: leaf.reshape(per_update, *leaf.shape[2:]), seen)
        narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), flat._replace(places=None))
        return episodes, narrow._replace(places=flat.places), total(outcome.safety)

    def critic_loss(critics, learned: Learned, batch: Transition, noise: Array):
        action, density, _ = enact(learned.policy, batch.reached, noise, batch.places and batch.places[1])
        ahead = smallest(judge(learned.targets, batch.reached, action), axis=0)
        soft = ahead - jnp.exp(learned.log_temperature) * density
        target = jax.lax.stop_gradient(batch.reward + config.discount * soft)
        return jnp.mean((judge(critics, batch.observation, batch.action) - target) ** 2)

    def policy_loss(policy, learned: Learned, batch: Transition, noise: Array):
        action, density, correction = enact(
            policy, batch.observation, noise, batch.places and batch.places[0]
        )
        worth = smallest(judge(learned.critics, batch.observation, action), axis=0)
        loss = jnp.mean(jnp.exp(learned.log_temperature) * density - worth)
        if in_policy:
            loss += config.reward_scale * env.regularisation * jnp.mean(correction)
        return loss, jnp.mean(density)

    def improve(learned: Learned, batch: Transition, noise: Array) -> tuple[Learned, Array, Array]:
        """One step of the policy and of the temperature, with the policy's loss and gradient norm."""
        gradient_of = jax.value_and_grad(policy_loss, has_aux=True)
        (loss, density), gradient = gradient_of(learned.policy, learned, batch, noise)
        change, moments = policy_optimiser.update(gradient, learned.policy_optimiser, learned.policy)
        # d/d log_temperature of -log_temperature (density + target entropy), target entropy -m
        slope = m - density
        shift, temperature_moments = temperature_optimiser.update(
            slope, learned.temperature_optimiser, learned.log_temperature
        )
        learned = learned._replace(
            policy=optax.apply_updates(learned.policy, change),
            policy_optimiser=moments,
            log_temperature=learned.log_temperature + shift,
            temperature_optimiser=temperature_moments,
        )
        return learned, loss, optax.global_norm(gradient)

    def learn(state: State, ring: Transition, stored: Array, normaliser: Normaliser, key: PRNGKeyArray):
        """The gradient steps of one update."""
        filled = jnp.minimum(stored, blocks * per_update)
        ready = stored >= config.starts

        def one(learned: Learned, inputs):
            index, key = inputs
            draw_key, value_key, policy_key = jax.random.split(key, 3)
            batch = jax.tree.map(
                lambda leaf: leaf[jax.random.randint(draw_key, (config.batch,), 0, filled)], ring
            )
            batch = batch._replace(
                observation=scaled(normaliser, batch.observation), reached=scaled(normaliser, batch.reached)
            )
            value_noise = jax.random.normal(value_key, (config.batch, m), jnp.float32)
            policy_noise = jax.random.normal(policy_key, (config.batch, m), jnp.float32)

            value_loss, gradient = jax.value_and_grad(critic_loss)(
                learned.critics, learned, batch, value_noise
            )
            change, moments = value_optimiser.update(gradient, learned.value_optimiser, learned.critics)
            following = learned._replace(
                critics=optax.apply_updates(learned.critics, change), value_optimiser=moments
            )
            # `index` is the same for all seeds, so these conditions stay branches under vmap.
            zero = jnp.zeros((), jnp.float32)
            following, loss, norm = jax.lax.cond(
                index % config.policy_delay == 0,
                lambda: improve(following, batch, policy_noise),
                lambda: (following, zero, zero),
            )
            rate = jnp.where(index % config.target_delay == 0, 1.0 - config.target_retention, 0.0)
            targets = optax.incremental_update(following.critics, learned.targets, rate.astype(jnp.float32))
            finite = jnp.isfinite(optax.global_norm(gradient) + norm + loss + following.log_temperature)
            made = keep_if(ready & finite, following._replace(targets=targets), learned)
            losses = jnp.where(ready, jnp.stack([loss, value_loss, norm]), 0.0)
            return made, (losses, (ready & ~finite).astype(jnp.int32))

        steps = (jnp.arange(gradient_steps), jax.random.split(key, gradient_steps))
        return jax.lax.scan(one, state.learned, steps)

    def update(state: State) -> tuple[State, Progress]:
        collect_key, learn_key, key = jax.random.split(state.key, 3)
        episodes, seen, safety = collect(state, collect_key)
        place = state.stored % (blocks * per_update)
        ring = jax.tree.map(
            lambda old, new: jax.lax.dynamic_update_slice_in_dim(old, new, place, axis=0), state.ring, seen
        )
        stored = state.stored + per_update
        absorbed = absorb(state.normaliser, seen.observation)
        sound = jnp.all(jnp.isfinite(absorbed.mean)) & jnp.all(jnp.isfinite(absorbed.squares))
        normaliser = keep_if(sound, absorbed, state.normaliser)
        learned, (losses, skipped) = learn(state, ring, stored, normaliser, learn_key)
        policy_steps = math.ceil(gradient_steps / config.policy_delay)
        sums = losses.sum(axis=0)
        progress = Progress(
            safety, sums[0] / policy_steps, sums[1] / gradient_steps, sums[2] / policy_steps, skipped.sum()
        )
        return State(learned, ring, stored, normaliser, episodes, key), progress

    def act(policy, observation: Array) -> Array:
        parameters, normaliser = policy
        return jnp.tanh(gaussian(parameters, scaled(normaliser, observation))[0])

    return Learner(
        initialise, update, lambda state: (state.learned.policy, state.normaliser), act, per_update
    )

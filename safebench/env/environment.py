"""The one environment: a task, with a safeguard inside `step`, counting safety at every step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.env.corridor import FIXED, Corridor
from safebench.env.safeguard import Guarded, Safeguard
from safebench.env.safety import Safety
from safebench.env.task import Context, Task
from safebench.physics.affine import predict
from safebench.physics.quiet import quiet
from safebench.record.result import INTERVENTION

with quiet():  # brax imports MJX
    from brax.envs.base import Env as BraxEnv
    from brax.envs.base import State


NO_GOALS: Any = np.zeros(0, bool)


class Episode(NamedTuple):
    """Where one environment stands. `key` drives its disturbances and its resets.

    corridor: where the safe set is now, if it moves (see safebench.env.corridor).
    """

    x: Float[Array, " n"]
    context: Context
    steps: Int[Array, ""]
    key: PRNGKeyArray
    corridor: Corridor = FIXED


class Place(NamedTuple):
    """What safe actions depend on: of an episode, its state and its corridor."""

    x: Float[Array, "*batch n"]
    corridor: Corridor = FIXED


class Outcome(NamedTuple):
    """What one step gave.

    observation: of the state reached, before any reset: what a truncated return bootstraps from.
    applied: the action after the safeguard. distance: |applied - proposed|.
    truncated: the horizon is reached and a fresh episode begins. Tasks never terminate otherwise.
    reached: which of the task's goals the next state has reached; without a goal of length 0.
    """

    observation: Float[Array, " o"]
    reward: Float[Array, ""]
    applied: Float[Array, " m"]
    distance: Float[Array, ""]
    truncated: Bool[Array, ""]
    safety: Safety
    reached: Bool[Array, " goals"] = NO_GOALS


def guarded_step(
    task: Task,
    safeguard: Safeguard,
    x: Float[Array, " n"],
    action: Float[Array, " m"],
    w: Float[Array, " q"],
    corridor: Corridor = FIXED,
) -> tuple[Float[Array, " n"], Guarded]:
    """The next state after the safeguarded action under disturbance w, and what the safeguard did."""
    affine = task.dynamics.linearise(x)
    guarded = safeguard(action.astype(x.dtype), tasks.allowed(task, x, affine, corridor))
    # The one-step model is exact, so it IS the step: no second physics call.
    return predict(affine, guarded.action, w), guarded


def _differ(before: Corridor, after: Corridor) -> Bool[Array, ""]:
    """Whether two corridors have different numbers; FIXED, which has none, is always itself."""
    sides = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return jnp.any(jnp.array([jnp.any(old != new) for old, new in sides], bool))


class Env(BraxEnv):
    """A brax environment (for brax's learners and wrappers) and typed episodes (for ours). Final.

    Gradients flow through the safeguard and the physics. Actions are normalised to [-1, 1].
    """

    def __init__(
        self,
        task: Task,
        safeguard: Safeguard,
        regularisation: float | Float[Array, ""] = 0.0,
        one_to_one: bool = False,
    ):
        """regularisation: kappa >= 0; learners add kappa |applied - proposed|^2 to their loss.

        one_to_one: applied actions have a density, since no two proposals give the same one.
        """
        self.task = task
        self.safeguard = safeguard
        self.regularisation = regularisation
        self.one_to_one = one_to_one

    def begin(self, key: PRNGKeyArray) -> Episode:
        """A fresh episode from a start inside the safe set."""
        now, later = jax.random.split(key)
        x, context, corridor = tasks.start(self.task, now)
        return Episode(x, context, jnp.zeros((), jnp.int32), later, corridor)

    def begin_at(
        self, x: Float[Array, " n"], context: Context, key: PRNGKeyArray, corridor: Corridor = FIXED
    ) -> Episode:
        """An episode from a given state, in a given corridor where the safe set moves."""
        return Episode(jnp.asarray(x), context, jnp.zeros((), jnp.int32), key, corridor)

    def observe(self, episode: Episode) -> Float[Array, " o"]:
        """The observation at the episode's state."""
        return tasks.observe(self.task, episode.x, episode.context, episode.corridor)

    def advance(self, episode: Episode, action: Float[Array, " m"]) -> tuple[Episode, Outcome]:
        """One step; at the horizon the returned episode is a fresh one (never the same start twice).

        Every step draws one; safebench.learning.unroll draws one a window.
        """
        key, noise_key, fresh_key = jax.random.split(episode.key, 3)
        reached, outcome = self._step(episode._replace(key=key), action, noise_key)
        fresh = self.begin(fresh_key)
        following = jax.tree.map(lambda a, b: jnp.where(outcome.truncated, a, b), fresh, reached)
        return following, outcome

    def applied(self, place: Place, action: Float[Array, " m"]) -> Guarded:
        """What the safeguard makes of an action somewhere, without a step; differentiable."""
        x = place.x
        affine = self.task.dynamics.linearise(x)
        return self.safeguard(action.astype(x.dtype), tasks.allowed(self.task, x, affine, place.corridor))

    def transition(self, episode: Episode, action: Float[Array, " m"]) -> tuple[Episode, Outcome]:
        """One step; what comes at the horizon is left to the caller."""
        key, noise_key = jax.random.split(episode.key)
        return self._step(episode._replace(key=key), action, noise_key)

    def _step(
        self, episode: Episode, action: Float[Array, " m"], noise_key: PRNGKeyArray
    ) -> tuple[Episode, Outcome]:
        task, x, context = self.task, episode.x, episode.context
        w = task.disturb(noise_key, context).astype(x.dtype)
        after, guarded = guarded_step(task, self.safeguard, x, action, w, episode.corridor)
        reward = task.reward(x, guarded.action, after, context)
        following = task.advance(context)
        kept = safe_set.contains(task.safe_set, after, episode.corridor)
        corridor = tasks.moved(task, after, following, episode.corridor)
        reached = Episode(after, following, episode.steps + 1, episode.key, corridor)
        violated, beyond = tasks.violation(task, after, following)
        finite = guarded.finite & jnp.all(jnp.isfinite(after)) & jnp.isfinite(reward)
        safety = Safety(
            steps=jnp.ones((), jnp.int32),
            violations=violated.astype(jnp.int32),
            # Once an agent has left its corridor it is given others, which need not be clear: what violates
            # is outside every set that is certified.
            departures=(~kept | violated).astype(jnp.int32),
            infeasible=(~guarded.feasible).astype(jnp.int32),
            last_line=guarded.last_line.astype(jnp.int32),
            interventions=(guarded.distance > INTERVENTION).astype(jnp.int32),
            non_finite=(~finite).astype(jnp.int32),
            switches=_differ(episode.corridor, corridor).astype(jnp.int32),
            correction=guarded.distance,
            worst_margin=beyond,
        )
        return reached, Outcome(
            observation=self.observe(reached),
            reward=reward,
            applied=guarded.action,
            distance=guarded.distance,
            truncated=reached.steps >= task.horizon,
            safety=safety,
            reached=tasks.reached(task, after, following),
        )

    # brax API ---------------------------------------------------------------------------------------

    def reset(self, rng: PRNGKeyArray) -> State:
        """brax's reset. Horizon and auto-reset are left to brax's own wrappers."""
        episode = self.begin(rng)
        zero = jnp.zeros((), episode.x.dtype)
        metrics = dict.fromkeys(Safety._fields, zero)
        return State(episode, self.observe(episode), zero, zero, metrics, {"cost": zero})

    def step(self, state: State, action: Float[Array, " m"]) -> State:
        """brax's step: the same guarded transition; safety counters of this step in `metrics`.

        `info["cost"]` is 1.0 if the step violates the constraints, else 0.0, as learners of constrained
        problems read it.
        """
        reached, outcome = self.transition(state.pipeline_state, action)
        metrics = {name: jnp.asarray(v, reached.x.dtype) for name, v in outcome.safety._asdict().items()}
        return state.replace(
            pipeline_state=reached,
            obs=outcome.observation,
            reward=outcome.reward,
            metrics=state.metrics | metrics,
            info=state.info | {"cost": metrics["violations"]},
        )

    @property
    def observation_size(self) -> int:
        """Length of the observation."""
        shape = jax.eval_shape(lambda key: self.observe(self.begin(key)), jax.random.key(0))
        return shape.shape[0]

    @property
    def action_size(self) -> int:
        """Number of actions."""
        return len(self.task.action_names)

    @property
    def agents(self) -> int:
        """The equal parts of observation and action: agents that are alike and may share a policy."""
        return self.task.agents

    @property
    def backend(self) -> str:
        """The physics in use."""
        return self.task.dynamics.physics

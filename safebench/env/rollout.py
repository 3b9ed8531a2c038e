"""One episode, every step kept: what `safebench play` shows."""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from safebench.env import task as tasks
from safebench.env.corridor import FIXED, Corridor
from safebench.env.environment import INTERVENTION, Env, Episode
from safebench.env.picture import Picture
from safebench.env.safe_set import SafeSet, moves
from safebench.env.safety import Safety, counters, total
from safebench.env.task import Task
from safebench.record.result import Counters
from safebench.sets.polytope import Polytope, contains, ray_distance

Start = Literal["reference", "random", "boundary"]
Act = Callable[[Int[Array, ""], Float[Array, " o"]], Float[Array, " m"]]
"""(step, observation) -> proposed action."""


class Rollout(NamedTuple):
    """T steps; all arrays are numpy.

    states: x_0 .. x_T. times [s]: theirs. proposed, applied: a_0 .. a_{T-1}, before and after the safeguard.
    state_low, state_high: along every coordinate of x_t, the slice of the safe set through x_t; NaN where
        the line misses the set. action_low, action_high: the same of the safe action set through the
        applied action.
    corridors: where the safe set was at x_t, its sides of shape (steps_plus_1, k); FIXED if it does not move.
    reached: which of the task's goals x_1 .. x_T had reached.
    pictures: of the scene at x_t, every array with a leading axis of time; None if the task has none.
    """

    times: Float[np.ndarray, " steps_plus_1"]
    states: Float[np.ndarray, "steps_plus_1 n"]
    proposed: Float[np.ndarray, "steps m"]
    applied: Float[np.ndarray, "steps m"]
    rewards: Float[np.ndarray, " steps"]
    safety: Safety
    counters: Counters
    state_low: Float[np.ndarray, "steps_plus_1 n"]
    state_high: Float[np.ndarray, "steps_plus_1 n"]
    action_low: Float[np.ndarray, "steps m"]
    action_high: Float[np.ndarray, "steps m"]
    corridors: Corridor
    reached: Bool[np.ndarray, "steps goals"]
    pictures: Picture | None

    @property
    def total_reward(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())

    @property
    def intervened(self) -> np.ndarray:
        """At which steps the safeguard changed the action."""
        return np.asarray(self.safety.correction) > INTERVENTION

    @property
    def arrivals(self) -> Float[np.ndarray, " goals"]:
        """When each goal was first reached, in seconds; NaN: it never was."""
        first = self.times[1 + np.argmax(self.reached, axis=0)]
        return np.where(self.reached.any(axis=0), first, np.nan)


def roll_out(env: Env, act: Act, start: Episode, steps: int) -> Rollout:
    """Run `act` from `start`, safeguard and disturbance on, without a reset in between."""
    task = env.task
    endless = Env(dataclasses.replace(task, horizon=steps + 1), env.safeguard)

    def step(episode: Episode, index: Array):
        proposed = jnp.asarray(act(index, endless.observe(episode)), episode.x.dtype)
        allowed = tasks.allowed(task, episode.x, task.dynamics.linearise(episode.x), episode.corridor)
        following, outcome = endless.advance(episode, proposed)
        return following, (_seen(task, following), proposed, outcome, allowed)

    run = jax.jit(
        lambda start: (_seen(task, start), jax.lax.scan(step, start, jnp.arange(steps))[1]),
        compiler_options=task.dynamics.compiler_options,
    )
    first, (later, proposed, outcome, allowed) = jax.tree.map(np.asarray, run(start))
    states, corridors, pictures = jax.tree.map(
        lambda one, many: np.concatenate([one[None], many]), first, later
    )
    state_low, state_high = slices(
        np.asarray(task.safe_set.normals), offsets_along(task.safe_set, corridors), states
    )
    action_low, action_high = slices(
        np.asarray(allowed.normals), np.asarray(allowed.offsets), outcome.applied
    )
    return Rollout(
        times=task.control_period * np.arange(steps + 1),
        states=states,
        proposed=proposed,
        applied=outcome.applied,
        rewards=outcome.reward,
        safety=outcome.safety,
        counters=counters(total(outcome.safety)),
        state_low=state_low,
        state_high=state_high,
        action_low=action_low,
        action_high=action_high,
        corridors=corridors,
        reached=outcome.reached,
        pictures=pictures,
    )


def _seen(task: Task, episode: Episode) -> tuple[Array, Corridor, Picture | None]:
    if task.picture is None:
        return episode.x, episode.corridor, None
    picture = task.picture(episode.x, episode.context, episode.corridor)
    return episode.x, episode.corridor, jax.tree.map(jnp.asarray, picture)


def offsets_along(safe_set: SafeSet, corridors: Corridor) -> Float[np.ndarray, "*t rows"]:
    """The offsets of S(corridor)'s rows, for one corridor or along time; of a fixed set without time."""
    offsets = np.asarray(safe_set.offsets)
    if not moves(safe_set):
        return offsets
    return offsets + corridors.low @ safe_set.low_rates.T + corridors.high @ safe_set.high_rates.T


def begin(env: Env, start: Start, key: PRNGKeyArray) -> Episode:
    """An episode from the task's reference start, from a random one, or from the safe set's boundary.

    Where the safe set moves, the boundary is that of a random start's corridor.

    Raises:
        ValueError: if the task has no reference start.
    """
    task = env.task
    if start == "reference":
        if task.reference_start is None:
            raise ValueError(f"{task.name!r} has no reference start: choose --start random or boundary")
        x, context = task.reference_start
        return env.begin_at(jnp.asarray(x, task.starts.dtype), context, key)
    episode = env.begin(key)
    if start == "random":
        return episode
    x = boundary_point(task, np.asarray(episode.x), jax.random.fold_in(key, 1), episode.corridor)
    if task.corridors is not None:
        return episode._replace(x=jnp.asarray(x))
    context = task.begin(jax.random.fold_in(key, 2), jnp.asarray(x))
    return env.begin_at(jnp.asarray(x), context, episode.key)


def boundary_point(
    task: Task, x: Float[np.ndarray, " n"], key: PRNGKeyArray, corridor: Corridor = FIXED
) -> Float[np.ndarray, " n"]:
    """Where a random ray from x, a state in S(corridor), leaves it: the last point that is still inside."""
    drawn = np.asarray(jax.random.normal(key, task.constrained.shape), x.dtype)
    direction = tasks.with_others(task, drawn * task.constraints.radius)
    corridor = jax.tree.map(np.asarray, corridor)
    rows = Polytope(task.safe_set.normals, offsets_along(task.safe_set, corridor))
    reach = ray_distance(rows, x, direction)
    for inward in (1e-15, 1e-12, 1e-9, 1e-6):  # the last bits decide on which side of the face it is
        candidate = (x + (1 - inward) * reach * direction).astype(x.dtype)
        if contains(rows, candidate):
            return candidate
    return x


def random_actions(actions: int, steps: int, key: PRNGKeyArray) -> Act:
    """A policy of independent uniform actions in [-1, 1], the same for every safeguard."""
    table = jax.random.uniform(key, (steps, actions), minval=-1.0, maxval=1.0)
    return lambda step, observation: table[step]


def zero_actions(actions: int) -> Act:
    """The policy that always proposes zero."""
    return lambda step, observation: jnp.zeros(actions)


def slices(
    normals: Float[np.ndarray, "*t rows n"],
    offsets: Float[np.ndarray, "*t rows"],
    points: Float[np.ndarray, "t n"],
) -> tuple[Float[np.ndarray, "t n"], Float[np.ndarray, "t n"]]:
    """The interval of each coordinate, the others held, on which normals @ x <= offsets (NaN: empty)."""
    room = offsets - np.squeeze(normals @ points[..., None], -1)
    room = np.where(np.abs(room) < 1e-9 * (1 + np.abs(offsets)), 0.0, room)  # a point on a face is inside
    bounds = [_bounds(normals[..., i], room) for i in range(points.shape[-1])]  # all at once are many numbers
    low, high = (points + np.stack(side, axis=-1) for side in zip(*bounds, strict=True))
    hopeless = low > high
    return np.where(hopeless, np.nan, low), np.where(hopeless, np.nan, high)


def _bounds(slope: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Along one coordinate: slope d <= room for low <= d <= high, row by row; inf > -inf if no d will do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = room / slope
    high = np.min(np.where(slope > 0, reach, np.inf), axis=-1)
    low = np.max(np.where(slope < 0, reach, -np.inf), axis=-1)
    # A row without this coordinate cannot be mended by moving along it.
    hopeless = np.any((slope == 0) & (room < 0), axis=-1)
    return np.where(hopeless, np.inf, low), np.where(hopeless, -np.inf, high)

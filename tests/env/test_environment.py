"""The guarded environment: safety through the true step, gradients, resets, truncation, brax."""

import dataclasses
import functools
import itertools

import every_task
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import places

from safebench.env import safe_set
from safebench.env import task as tasks
from safebench.env.environment import Env, Place
from safebench.runs import presets

TASKS = every_task.FILES
QUICK = ("pendulum", "energy")
EACH = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in TASKS]
PAIRS = 1024


def guard_of(name):
    _, module, config = presets.resolve(name)
    return module.make(config)


@functools.cache
def programs(task_name, task_of):
    """PAIRS places in a task's safe set, its action sets at such, and its true step; compiled once."""
    task = task_of(task_name)
    x, _, corridor = places(task)(PAIRS).start
    sets = jax.jit(jax.vmap(lambda x, at: tasks.allowed(task, x, task.dynamics.linearise(x), at)))
    return x, corridor, sets, jax.jit(jax.vmap(task.dynamics.step))


def worst_departures(task_name, task_of, name):
    """How many (state, action) pairs leave the safe set at some vertex of the disturbance box."""
    task = task_of(task_name)
    x, corridor, sets, step = programs(task_name, task_of)
    a = np.random.default_rng(0).uniform(-1.5, 1.5, (len(x), len(task.action_names)))
    guarded = jax.jit(jax.vmap(guard_of(name)))(a, sets(x, corridor))
    contains = jax.jit(jax.vmap(lambda y, at: safe_set.contains(task.safe_set, y, at)))
    q = len(task.disturbance.lower)
    inside = np.ones(len(x), bool)
    for corner in itertools.product([-1, 1], repeat=q):
        w = task.disturbance.centre + np.array(corner) * task.disturbance.radius
        after = step(x, guarded.action, np.tile(w, (len(x), 1)))
        inside &= np.asarray(contains(after, corridor))
    return int((~inside).sum()), guarded, a


@pytest.mark.parametrize(
    ("task_name", "name"),
    [
        *(pytest.param(task, "ray-mask", marks=[] if task in QUICK else pytest.mark.slow) for task in TASKS),
        *(
            pytest.param(task, "boundary-projection", marks=[] if task in QUICK else pytest.mark.weekly)
            for task in TASKS
        ),
    ],
)
def test_guarded_actions_keep_every_state_safe_for_every_disturbance(task_name, name, task_of):
    departures, guarded, a = worst_departures(task_name, task_of, name)
    assert departures == 0
    assert bool(guarded.feasible.all())
    assert not bool(guarded.last_line.any())
    assert (np.abs(guarded.action - a).max(axis=1) > 1e-6).mean() > 0.05, "the guard never acted"


@pytest.mark.parametrize("task_name", EACH)
def test_without_a_safeguard_the_same_check_fails(task_name, task_of):
    departures, _, _ = worst_departures(task_name, task_of, "none")
    assert departures > 0


@pytest.mark.parametrize("task_name", EACH)
def test_the_certified_action_is_allowed_everywhere_in_the_set(task_name, task_of):
    x, corridor, sets_of, _ = programs(task_name, task_of)
    sets = sets_of(x, corridor)
    slack = sets.offsets - np.einsum("brm,bm->br", sets.normals, sets.centre)
    assert float(slack.min()) > 0


def rollout_return(env, weights):
    """(actions (N, m), x) -> weighted return of N guarded steps; weights select the length."""

    def run(actions, x):
        start = env.begin_at(x, env.task.begin(jax.random.key(1), x), jax.random.key(2))

        def step(episode, action):
            episode, outcome = env.advance(episode, action)
            return episode, outcome.reward

        return jnp.sum(weights * jax.lax.scan(step, start, actions)[1])

    return run


@pytest.mark.parametrize(
    "name",
    [
        "ray-mask",
        pytest.param("boundary-projection", marks=pytest.mark.slow),
        pytest.param("none", marks=pytest.mark.slow),
        pytest.param("ray-mask-hyperbolic", marks=pytest.mark.slow),
    ],
)
def test_gradients_of_guarded_rollouts_match_finite_differences(name, task_of):
    env = Env(task_of("pendulum", "compiled"), guard_of(name))
    check_gradients(env, lengths=(2, 64))


@pytest.mark.slow
def test_gradients_through_mjx_match_finite_differences(task_of):
    check_gradients(Env(task_of("pendulum"), guard_of("ray-mask")), lengths=(2, 64))


def check_gradients(env, lengths, steps=64):
    rng = np.random.default_rng(4)
    actions = jnp.asarray(0.7 * np.tanh(rng.normal(size=(steps, env.action_size))))
    x = jnp.asarray([1.1, -2.0])

    @jax.jit
    def value_and_gradient(weights, actions, x):
        return jax.value_and_grad(rollout_return(env, weights), argnums=(0, 1))(actions, x)

    for length in lengths:
        weights = jnp.asarray(np.arange(steps) < length, float)
        _, (by_action, by_state) = value_and_gradient(weights, actions, x)
        assert np.isfinite(by_action).all()
        assert np.abs(by_action[: length - 1]).max() > 0
        for _ in range(3):
            along_actions = jnp.asarray(rng.normal(size=actions.shape))
            along_state = jnp.asarray(rng.normal(size=x.shape))
            h = 1e-7
            ahead, _ = value_and_gradient(weights, actions + h * along_actions, x + h * along_state)
            behind, _ = value_and_gradient(weights, actions - h * along_actions, x - h * along_state)
            expected = (ahead - behind) / (2 * h)
            found = jnp.vdot(by_action, along_actions) + jnp.vdot(by_state, along_state)
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_at_the_horizon_a_fresh_episode_begins_and_the_last_observation_is_kept(task_of):
    task = task_of("pendulum", "compiled")
    env = Env(task, guard_of("boundary-projection"))
    advance = jax.jit(env.advance)
    starts = []
    episode = jax.jit(env.begin)(jax.random.key(0))
    for _ in range(2):
        episode = episode._replace(steps=jnp.asarray(task.horizon - 2))
        episode, outcome = advance(episode, jnp.zeros(1))
        assert not outcome.truncated
        np.testing.assert_array_equal(outcome.observation, env.observe(episode))
        episode, outcome = advance(episode, jnp.zeros(1))
        assert outcome.truncated
        assert episode.steps == 0
        assert not np.array_equal(outcome.observation, env.observe(episode))
        assert safe_set.contains(task.safe_set, episode.x)
        starts.append(np.asarray(episode.x))
    assert not np.array_equal(*starts)


def test_a_nan_action_is_counted_and_replaced_by_the_certified_one(task_of):
    env = Env(task_of("pendulum", "compiled"), guard_of("ray-mask"))
    episode = env.begin(jax.random.key(0))
    _, outcome = jax.jit(env.advance)(episode, jnp.full(1, jnp.nan))
    assert outcome.safety.non_finite == 1
    assert outcome.safety.departures == 0
    assert np.isfinite(outcome.observation).all()


def test_brax_wrappers_drive_the_environment(task_of):
    from brax.envs.wrappers.training import wrap

    env = wrap(Env(task_of("pendulum", "compiled"), guard_of("ray-mask")), episode_length=3)
    keys = jax.random.split(jax.random.PRNGKey(0), 4)
    state = jax.jit(env.reset)(keys)
    step = jax.jit(env.step)
    for _ in range(3):
        state = step(state, jnp.ones((4, 1)))
    assert state.done.all()
    assert state.info["truncation"].all()
    assert state.metrics["violations"].sum() == 0
    assert state.obs.shape == (4, env.observation_size)


@pytest.mark.parametrize("safeguard", ["none", "ray-mask"])
def test_the_cost_of_a_step_is_in_brax_info_through_all_wrappers(safeguard, task_of):
    from brax.envs.wrappers.training import AutoResetWrapper, EpisodeWrapper, VmapWrapper

    bare = Env(task_of("pendulum", "compiled"), guard_of(safeguard))
    env = AutoResetWrapper(EpisodeWrapper(VmapWrapper(bare), 40, 1))
    first = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), 8))
    np.testing.assert_array_equal(first.info["cost"], np.zeros(8))
    step = jax.jit(lambda state: env.step(state, jnp.ones((8, 1))))
    followed = [first := step(first) for _ in range(60)]
    costs = np.stack([state.info["cost"] for state in followed])
    violations = np.stack([state.metrics["violations"] for state in followed])
    assert costs.dtype == first.info["cost"].dtype
    np.testing.assert_array_equal(costs, violations)
    assert set(np.unique(costs)) == ({0.0, 1.0} if safeguard == "none" else {0.0})


@pytest.mark.parametrize("task_name", EACH)
def test_starts_are_safe_and_differ(task_name, task_of):
    task = task_of(task_name)
    keys = jax.random.split(jax.random.key(0), 1024)
    x, context, corridor = jax.jit(jax.vmap(lambda key: tasks.start(task, key)))(keys)
    inside = jax.vmap(lambda x, at: safe_set.contains(task.safe_set, x, at))(x, corridor)
    assert bool(inside.all())
    violated, _ = jax.vmap(lambda x, context: tasks.violation(task, x, context))(x, context)
    assert not violated.any()
    different = len(np.unique(task.starts, axis=0)) / len(task.starts)
    if task.corridors is None:
        assert different == 1
        assert bool(jax.vmap(lambda x: safe_set.contains(task.safe_set, x))(jnp.asarray(task.starts)).all())
        spread = np.ptp(task.starts[:, task.constrained], axis=0)
        assert (spread / (2 * task.constraints.radius) > 0.5).all()
    else:
        assert different > 0.5  # of scenes there may be a pool
        assert bool(jax.vmap(lambda at: safe_set.may_be(task.safe_set, at))(corridor).all())
        assert float(jnp.min(jax.vmap(task.corridors.clearance)(context, corridor))) >= 0


@pytest.mark.parametrize("task_name", ["pendulum", pytest.param("seeker", marks=pytest.mark.slow)])
def test_what_is_applied_and_where_a_step_led_can_be_asked_for(task_name, task_of):
    """Just before the horizon, so that `advance` ends in a reset and `transition` does not."""
    task = dataclasses.replace(task_of(task_name, "compiled"), horizon=1)
    env = Env(task, guard_of("ray-mask"))

    @jax.jit
    def both(key, action):
        episode = env.begin(key)
        asked = env.applied(Place(episode.x, episode.corridor), action)
        return asked, env.advance(episode, action), env.transition(episode, action)

    asked, (fresh, outcome), (reached, same) = both(jax.random.key(0), jnp.ones(env.action_size))
    np.testing.assert_allclose(asked.action, outcome.applied, atol=1e-12)
    np.testing.assert_allclose(asked.distance, outcome.distance, atol=1e-12)
    assert outcome.truncated
    for a, b in zip(jax.tree.leaves(outcome), jax.tree.leaves(same), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    np.testing.assert_allclose(env.observe(reached), outcome.observation, atol=1e-12)
    assert int(reached.steps) == 1
    assert int(fresh.steps) == 0
    assert not np.allclose(reached.x, fresh.x)

"""Windows of steps: the same as one step after the other, with fresh episodes drawn once a window."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env import safe_set
from safebench.env.environment import Env
from safebench.learner import unroll
from safebench.runs import presets

ENVIRONMENTS, WINDOW = 3, 5


def made(task_of, task="pendulum", horizon=None):
    _, module, config = presets.resolve("ray-mask")
    task = task_of(task, "compiled")
    return Env(task if horizon is None else dataclasses.replace(task, horizon=horizon), module.make(config))


def unrolled(env, episodes, actions):
    """The window, and what each step began from."""

    def act(episodes, observation, action):
        return action, (episodes.x, observation, episodes.steps)

    return jax.jit(functools.partial(unroll, env, act))(episodes, actions)


def episodes_of(env, steps=0):
    keys = jax.random.split(jax.random.key(3), ENVIRONMENTS)
    episodes = jax.jit(jax.vmap(env.begin))(keys)
    return episodes._replace(steps=jnp.full(ENVIRONMENTS, steps, jnp.int32))


def actions_of(env, steps=WINDOW):
    return jax.random.uniform(
        jax.random.key(4), (steps, ENVIRONMENTS, env.action_size), minval=-2.0, maxval=2.0
    )


@pytest.mark.parametrize("task", ["pendulum", pytest.param("seeker", marks=pytest.mark.slow)])
def test_a_window_is_its_steps_one_after_the_other(task, task_of):
    env = made(task_of, task)
    start, actions = episodes_of(env), actions_of(env)
    end, steps = unrolled(env, start, actions)
    transition = jax.jit(jax.vmap(env.transition))
    episodes = start
    for index, action in enumerate(actions):
        np.testing.assert_array_equal(steps.kept[0][index], episodes.x)
        np.testing.assert_allclose(steps.observation[index], steps.kept[1][index])
        episodes, outcome = transition(episodes, action)
        np.testing.assert_allclose(steps.outcome.reward[index], outcome.reward, rtol=1e-9)
        np.testing.assert_allclose(steps.outcome.observation[index], outcome.observation, atol=1e-9)
        np.testing.assert_allclose(steps.place.x[index], episodes.x, atol=1e-9)
    np.testing.assert_allclose(end.x, episodes.x, atol=1e-9)
    np.testing.assert_array_equal(jax.random.key_data(end.key), jax.random.key_data(episodes.key))
    assert not np.asarray(steps.outcome.truncated).any()
    assert (np.asarray(steps.outcome.distance) > 0).any(), "the guard never acted"


def test_a_horizon_within_the_window_is_followed_by_a_fresh_episode(task_of):
    env = made(task_of)
    start, actions = episodes_of(env, steps=env.task.horizon - 2), actions_of(env)
    _, steps = unrolled(env, start, actions)
    truncated = np.asarray(steps.outcome.truncated)
    np.testing.assert_array_equal(truncated.sum(axis=1), [0, ENVIRONMENTS, 0, 0, 0])
    began, counted = (np.asarray(steps.kept[part]) for part in (0, 2))
    np.testing.assert_array_equal(counted[:, 0] % env.task.horizon, [env.task.horizon - 2, -1 % 240, 0, 1, 2])
    # What truncated steps bootstrap from is where they led, not where the next episode began.
    assert np.abs(np.asarray(steps.place.x)[1] - began[2]).max() > 1e-3
    np.testing.assert_allclose(np.asarray(steps.place.x)[0], began[1])
    assert all(bool(safe_set.contains(env.task.safe_set, jnp.asarray(x))) for x in began[2])
    assert len(np.unique(began[2], axis=0)) == ENVIRONMENTS


def test_no_start_comes_twice_however_short_the_horizon(task_of):
    env = made(task_of, horizon=1)
    _, steps = unrolled(env, episodes_of(env), actions_of(env, 12))
    assert np.asarray(steps.outcome.truncated).all()
    began = np.asarray(steps.kept[0]).reshape(-1, 2)
    assert len(np.unique(began, axis=0)) == len(began)


def test_the_next_window_has_other_starts(task_of):
    env = made(task_of)
    seen = []
    episodes = episodes_of(env, steps=env.task.horizon - 1)
    for _ in range(2):
        episodes, steps = unrolled(env, episodes, actions_of(env))
        seen.append(np.asarray(steps.kept[0][1]))
        episodes = episodes._replace(steps=jnp.full(ENVIRONMENTS, env.task.horizon - 1, jnp.int32))
    assert not np.isclose(*seen).any()


def test_the_bound_sees_every_state_and_the_gradient_passes_through_it(task_of):
    env = made(task_of)
    start, actions = episodes_of(env), 0.1 * actions_of(env)

    def reach(actions, factor):
        end, _ = unroll(env, lambda _e, _o, action: (action, None), start, actions, lambda x: factor * x)
        return jnp.sum(end.x)

    slope = jax.jit(jax.grad(reach))
    assert np.abs(slope(actions, 1.0)[0]).max() > 0
    np.testing.assert_array_equal(slope(actions, 0.0)[:-1], 0.0)

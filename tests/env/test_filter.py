"""The safety filter: what it takes, and that it is the environment's guarded step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.env.environment import Env
from safebench.env.filter import safety_filter
from safebench.runs import presets


@pytest.fixture(scope="module")
def ray_mask():
    _, module, config = presets.resolve("ray-mask")
    return module.make(config)


@pytest.fixture(scope="module")
def guarded(task_of, ray_mask):
    return safety_filter(task_of("quadrotor", "compiled"), ray_mask)


def test_it_is_what_the_environment_does(guarded, task_of, ray_mask):
    env = Env(task_of("quadrotor", "compiled"), ray_mask)
    step = jax.jit(env.advance)
    changed = 0
    for seed in range(50):
        episode = env.begin(jax.random.key(seed))
        action = np.random.default_rng(seed).uniform(-1, 1, 2)
        ours = guarded(episode.x, action)
        _, outcome = step(episode, action)
        np.testing.assert_allclose(ours.action, outcome.applied, rtol=0, atol=1e-12)
        assert ours.feasible
        changed += bool(ours.distance > 1e-6)
    assert 0 < changed < 50  # some are changed, some are not


@pytest.mark.slow
def test_it_takes_lists_integers_and_single_precision(guarded):
    x, a = np.zeros(6), np.array([1.0, 0.0])
    expected = guarded(x, a)
    assert expected.action.dtype == jnp.float64
    for state, action in (
        ([0.0] * 6, [1.0, 0.0]),
        (np.zeros(6, int), np.array([1, 0])),
        (x.astype(np.float32), a.astype(np.float32)),
    ):
        np.testing.assert_array_equal(guarded(state, action).action, expected.action)


def test_other_lengths_are_refused(guarded):
    with pytest.raises(ValueError, match=r"the state has shape \(5,\), expected \(6,\): x, z, roll"):
        guarded(np.zeros(5), np.zeros(2))
    with pytest.raises(ValueError, match=r"the action has shape \(\), expected \(2,\): thrust, roll"):
        guarded(np.zeros(6), 0.0)
    with pytest.raises(ValueError, match=r"the state has shape \(3, 6\)"):
        guarded(np.zeros((3, 6)), np.zeros(2))


def test_what_is_not_finite_or_outside_is_said(guarded):
    assert not guarded(np.zeros(6), np.array([np.nan, 0.0])).finite
    outside = guarded(np.array([9.0, 0, 0, 0, 0, 0]), np.zeros(2))
    assert not outside.feasible
    assert np.isfinite(outside.action).all()
    assert not guarded(np.full(6, np.nan), np.zeros(2)).feasible

"""SAC alone: which rewards its critics learn from."""

import jax
import numpy as np
import pytest

from safebench import registry
from safebench.env.environment import Env
from safebench.runs import presets

BOUND = 0.5


@pytest.fixture(scope="module")
def remembered(task_of):
    """The rewards in the ring after one update, of a policy that nothing keeps from falling."""
    sac = registry.load("learner", "sac")
    _, module, config = presets.resolve("none")
    env = Env(task_of("pendulum", "compiled"), module.make(config))

    def rewards(bound):
        settings = sac.Config(
            environments=4, steps=32, batch=8, buffer=128, starts=128, policy_hidden=(8,), reward_bound=bound
        )
        learner = sac.make(env, settings, 10_000)
        state, _ = jax.jit(learner.update)(learner.initialise(jax.random.key(0)))
        return np.asarray(state.ring.reward)

    return rewards


def test_rewards_beyond_the_bound_count_as_the_bound(remembered):
    every, bounded = remembered(None), remembered(BOUND)
    assert np.abs(every).max() > 2 * BOUND  # the control
    np.testing.assert_array_equal(bounded, np.clip(every, -BOUND, BOUND))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match="reward_bound must be"):
        registry.load("learner", "sac").Config(reward_bound=bad)

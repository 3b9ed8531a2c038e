"""The six-tuple of Safety-Gymnasium: the cost that `info` tells, in its place, at the horizon too."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from safebench.gymnasium import SixTuple, VectorSixTuple


def test_one_environment_gives_its_cost_third():
    env = SixTuple(gymnasium.make("safebench/pendulum-none-v1", physics="compiled"))
    env.reset(seed=0)
    env.action_space.seed(0)
    costs = []
    for _ in range(100):
        observation, reward, cost, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert (type(reward), terminated, truncated) == (float, False, False)
        assert cost == info["cost"]
        costs.append(cost)
    assert set(costs) == {0.0, 1.0}


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_batch_loses_no_cost_at_the_horizon(mode):
    """The control is `info["cost"]`, which speaks of the fresh episode where the same step began it."""
    env = VectorSixTuple(
        gymnasium.make_vec("safebench/pendulum-none-v1", 4, physics="compiled", autoreset_mode=mode)
    )
    env.reset(seed=0)
    for _ in range(env.unwrapped.env.task.horizon):
        _, _, cost, _, truncated, info = env.step(np.ones((4, 1), np.float32))
        assert cost.shape == (4,)
    assert truncated.all()
    assert cost.all()  # the whirling pendulum is too fast
    assert info["cost"].any() == (mode is AutoresetMode.NEXT_STEP)

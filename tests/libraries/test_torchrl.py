"""TorchRL reads our environments and their cost, one and many."""

import gymnasium
import pytest
import torch
from torchrl.data import Unbounded
from torchrl.envs import GymEnv, GymWrapper, check_env_specs, default_info_dict_reader

import safebench.gymnasium as adapter

STEPS = 200


def reader(*shape):
    return default_info_dict_reader(["cost"], [Unbounded(shape, dtype=torch.float64)])


def one(safeguard):
    return GymEnv(adapter.gymnasium_id("pendulum", safeguard), physics="compiled").set_info_dict_reader(
        reader()
    )


def many(safeguard):
    name = adapter.gymnasium_id("pendulum", safeguard)
    envs = gymnasium.make_vec(name, 4, physics="compiled", autoreset_mode="Disabled")
    return GymWrapper(envs).set_info_dict_reader(reader(4))


@pytest.mark.parametrize(("made", "shape"), [(one, ()), (many, (4,))])
def test_it_reads_the_cost_of_every_step(made, shape):
    torch.manual_seed(0)
    costs = {}
    for safeguard in ("ray-mask", "none"):
        env = made(safeguard)
        check_env_specs(env)
        env.set_seed(0)
        costs[safeguard] = env.rollout(STEPS)["next", "cost"]
        assert costs[safeguard].shape == (*shape, STEPS)
    assert costs["ray-mask"].sum() == 0
    assert set(costs["none"].unique().tolist()) == {0.0, 1.0}


def test_a_batch_goes_on_after_the_horizon():
    env = many("ray-mask")
    env.set_seed(0)
    found = env.rollout(300, break_when_any_done=False)
    assert found["next", "truncated"].sum() == 4
    assert found["next", "cost"].sum() == 0

"""Stable-Baselines3 trains on our environments, and its own check finds nothing."""

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import safebench.gymnasium as adapter

STEPS = 24_576


class Costs(BaseCallback):
    """Adds up the cost of every step of training."""

    def __init__(self):
        super().__init__()
        self.total = 0.0
        self.counted = 0

    def _on_step(self):
        costs = [info["cost"] for info in self.locals["infos"]]
        self.total += sum(costs)
        self.counted += len(costs)
        return True


@pytest.fixture(scope="module")
def trained():
    """safeguard -> (mean return before, after, costs of training)."""
    torch.set_num_threads(1)

    def train(safeguard):
        name = adapter.gymnasium_id("pendulum", safeguard)
        envs = make_vec_env(name, 8, seed=0, env_kwargs={"physics": "compiled", "render_mode": None})
        agent = PPO(
            "MlpPolicy",
            envs,
            n_steps=128,
            batch_size=256,
            gamma=0.95,
            learning_rate=1e-3,
            seed=0,
            device="cpu",
        )
        start, _ = evaluate_policy(agent, envs, n_eval_episodes=16)
        costs = Costs()
        agent.learn(STEPS, callback=costs)
        end, _ = evaluate_policy(agent, envs, n_eval_episodes=16)
        return start, end, costs

    return {safeguard: train(safeguard) for safeguard in ("ray-mask", "none")}


@pytest.mark.parametrize("safeguard", ["ray-mask", "none"])
def test_its_own_check_finds_nothing(safeguard):
    check_env(gymnasium.make(adapter.gymnasium_id("pendulum", safeguard), physics="compiled").unwrapped)


def test_ppo_learns_and_never_violates_behind_a_safeguard(trained):
    start, end, costs = trained["ray-mask"]
    print(f"ray-mask: {start:.1f} -> {end:.1f}")
    assert costs.counted == STEPS
    assert costs.total == 0
    assert np.isfinite(end)
    assert end > start + 0.25 * abs(start)


@pytest.mark.filterwarnings("ignore:.*render_mode='rgb_array':UserWarning")
def test_it_makes_environments_by_their_id_alone():
    """It asks for pictures, and then goes without."""
    envs = make_vec_env("safebench/energy-none-v1", 2)
    assert envs.reset().shape == (2, envs.observation_space.shape[0])


def test_without_one_it_violates(trained):
    """The control."""
    start, end, costs = trained["none"]
    print(f"none: {start:.1f} -> {end:.1f}, {costs.total:.0f} violations")
    assert costs.total > 0

"""brax's own learners on our environment: they train, and stay safe. Minutes."""

import functools

import jax
import numpy as np
import pytest
from brax.training.agents.apg import networks as apg_networks
from brax.training.agents.apg import train as brax_apg
from brax.training.agents.ppo import networks as ppo_networks
from brax.training.agents.ppo import train as brax_ppo

from safebench.env.environment import Env
from safebench.runs import presets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(jax.__version_info__ >= (0, 10), reason="the learners of brax 0.14.2 need jax < 0.10"),
]


@pytest.fixture(scope="module")
def env(task_of):
    _, module, config = presets.resolve("ray-mask")
    return Env(task_of("pendulum", "compiled"), module.make(config))


def check(metrics, steps):
    """Finite and safe: brax sums an episode's metrics, so every step of the evaluation counts."""
    assert all(np.isfinite(value).all() for value in metrics.values())
    assert metrics["eval/episode_steps"] == metrics["eval/avg_episode_length"] == steps
    assert metrics["eval/episode_interventions"] > 0
    for counter in ("violations", "departures", "infeasible", "last_line", "non_finite"):
        assert metrics[f"eval/episode_{counter}"] == 0


def test_brax_ppo_trains_on_our_environment(env):
    _, _, metrics = brax_ppo.train(
        env,
        num_timesteps=2048,
        num_envs=16,
        episode_length=64,
        unroll_length=16,
        batch_size=16,
        num_minibatches=2,
        num_eval_envs=8,
        num_evals=2,
        normalize_observations=True,
        network_factory=functools.partial(
            ppo_networks.make_ppo_networks, policy_hidden_layer_sizes=(16,), value_hidden_layer_sizes=(16,)
        ),
    )
    check(metrics, 64)


def test_brax_apg_trains_on_our_environment(env):
    _, _, metrics = brax_apg.train(
        env,
        episode_length=64,
        policy_updates=4,
        horizon_length=16,
        num_envs=8,
        num_eval_envs=8,
        num_evals=2,
        learning_rate=1e-3,
        max_gradient_norm=1.0,
        normalize_observations=True,
        network_factory=functools.partial(apg_networks.make_apg_networks, hidden_layer_sizes=(16,)),
    )
    check(metrics, 64)

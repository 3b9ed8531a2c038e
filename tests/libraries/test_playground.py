"""MuJoCo Playground: our environments in its registry, its wrappers around them, brax's PPO on both."""

import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from brax.training.agents.ppo import networks
from brax.training.agents.ppo import train as ppo
from mujoco_playground import MjxEnv, registry, wrapper
from mujoco_playground.config import dm_control_suite_params

import safebench.playground
from safebench.adapters.identifiers import every

safebench.playground.register()


def load(task, safeguard, **overrides):
    overrides = {"physics": "compiled"} | overrides
    return registry.load(safebench.playground.playground_name(task, safeguard), config_overrides=overrides)


def test_every_task_with_every_preset_is_registered_and_nothing_is_lost():
    names = {safebench.playground.playground_name(*pair) for pair in every()}
    suite = set(registry.dm_control_suite.ALL_ENVS)
    assert names <= suite
    assert "CartpoleBalance" in suite
    safebench.playground.register()
    assert set(registry.dm_control_suite.ALL_ENVS) == suite
    assert "safebench-quadrotor-ray-mask" in names


def test_it_is_what_playground_expects():
    env = registry.load("safebench-pendulum-ray-mask")
    assert isinstance(env, MjxEnv)
    assert env.mjx_model.nq == env.mj_model.nq == 1
    assert env.dt == env.sim_dt == env.mj_model.opt.timestep
    assert mujoco.MjModel.from_xml_path(env.xml_path).nu == env.action_size == 1
    config = registry.get_default_config("safebench-pendulum-ray-mask")
    assert (config.physics, config.episode_length) == ("mjx", 240)
    parameters = dm_control_suite_params.brax_ppo_config("safebench-pendulum-ray-mask")
    assert parameters.episode_length == 240
    state = jax.jit(env.reset)(jax.random.PRNGKey(0))
    after = jax.jit(env.step)(state, jnp.ones(1))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert state.obs.shape == (env.observation_size,)


def test_a_state_can_be_drawn():
    """As Playground's `render_array` puts it into the model, without a window."""
    env = load("quadrotor", "ray-mask")
    state = jax.jit(env.reset)(jax.random.PRNGKey(0))
    data = mujoco.MjData(env.mj_model)
    data.qpos, data.qvel = state.data.qpos, state.data.qvel
    data.mocap_pos, data.mocap_quat = state.data.mocap_pos, state.data.mocap_quat
    data.xfrc_applied = state.data.xfrc_applied
    mujoco.mj_forward(env.mj_model, data)
    np.testing.assert_array_equal([*data.qpos, *data.qvel], state.data.episode.x)
    assert data.qpos.any()


@pytest.mark.parametrize("full_reset", [False, True])
@pytest.mark.parametrize("safeguard", ["none", "ray-mask"])
def test_its_wrappers_count_the_cost_and_begin_again_at_the_horizon(safeguard, full_reset):
    env = wrapper.wrap_for_brax_training(
        load("pendulum", safeguard), episode_length=40, full_reset=full_reset
    )
    first = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), 8))

    def step(state, _):
        after = env.step(state, jnp.ones((8, 1)))
        return after, (after.metrics["violations"], after.done, after.data.episode.steps)

    _, (violations, done, steps) = jax.jit(lambda state: jax.lax.scan(step, state, length=60))(first)
    assert done.sum() == 8
    assert done[39].all()
    assert not steps[39].any()  # the episode itself began again, not only what is seen of it
    assert set(np.unique(violations)) == ({0.0, 1.0} if safeguard == "none" else {0.0})


def test_brax_ppo_trains_through_playgrounds_wrappers():
    _, _, metrics = ppo.train(
        load("pendulum", "ray-mask"),
        wrap_env_fn=wrapper.wrap_for_brax_training,
        num_timesteps=2048,
        num_envs=16,
        episode_length=64,
        unroll_length=16,
        batch_size=16,
        num_minibatches=2,
        num_eval_envs=8,
        num_evals=2,
        network_factory=functools.partial(
            networks.make_ppo_networks, policy_hidden_layer_sizes=(16,), value_hidden_layer_sizes=(16,)
        ),
    )
    assert metrics["eval/episode_steps"] == 64
    assert metrics["eval/episode_interventions"] > 0
    assert metrics["eval/episode_violations"] == 0


def test_what_is_proven_for_one_model_is_not_run_with_another():
    with pytest.raises(ValueError, match=r"ctrl_dt and sim_dt are .*: the certificate of 'pendulum' is for"):
        load("pendulum", "ray-mask", ctrl_dt=0.1)
    with pytest.raises(ValueError, match="impl is 'warp'"):
        load("pendulum", "ray-mask", impl="warp")
    env = load("pendulum", "ray-mask")
    randomised = wrapper.wrap_for_brax_training(env, 40, randomization_fn=lambda model: (model, None))
    with pytest.raises(ValueError, match="domain randomisation would leave the model"):
        randomised.reset(jax.random.split(jax.random.PRNGKey(0), 2))
    with pytest.raises(ValueError, match="the task 'docking' has no MJCF"):
        load("docking", "none").mj_model  # noqa: B018

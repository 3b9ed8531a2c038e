"""Many environments in one program: each is the single one, whatever becomes of it at the horizon."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

import safebench.gymnasium as adapter

ID = "safebench/pendulum-none-v1"
ENVS = 3


def ours(mode=AutoresetMode.NEXT_STEP, name=ID, envs=ENVS):
    return gymnasium.make_vec(name, envs, physics="compiled", autoreset_mode=mode)


def theirs(mode):
    """Gymnasium's own loop over single environments."""
    singles = [lambda: gymnasium.make(ID, physics="compiled")] * ENVS
    return SyncVectorEnv(singles, autoreset_mode=mode)


def assert_same(found, expected):
    """Nested info, and arrays up to the rounding of another program."""
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif expected.dtype == object:
        assert [each is None for each in found] == [each is None for each in expected]
        for one, other in zip(found, expected, strict=True):
            assert one is None or np.allclose(one, other, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("seed", [0, 11])
def test_a_batch_is_what_gymnasium_makes_of_single_ones(mode, seed):
    batch, loop = ours(mode), theirs(mode)
    assert batch.metadata["autoreset_mode"] is mode
    assert batch.observation_space == loop.observation_space
    assert batch.action_space == loop.action_space
    assert_same(batch.reset(seed=seed)[1], loop.reset(seed=seed)[1])
    horizon = batch.unwrapped.env.task.horizon
    generator = np.random.default_rng(seed)
    ended = 0
    for step in range(horizon + 10):
        if step == 5:  # from now on their horizons differ
            mask = {"reset_mask": np.array([False, True, False])}
            for one, other in zip(*(env.reset(options=dict(mask)) for env in (batch, loop)), strict=True):
                assert_same(one, other)
        actions = generator.uniform(-0.2, 0.2, (ENVS, 1)).astype(np.float32)
        found, expected = batch.step(actions), loop.step(actions)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
        ended += int(found[3].sum())
    assert ended == ENVS


def test_a_batch_that_is_never_reset_asks_for_it():
    env = ours(AutoresetMode.DISABLED)
    env.reset(seed=0)
    for _ in range(env.unwrapped.env.task.horizon):
        *_, truncated, _ = env.step(np.zeros((ENVS, 1), np.float32))
    assert truncated.all()
    env.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"environments \[1\]"):
        env.step(np.zeros((ENVS, 1), np.float32))
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert not env.step(np.zeros((ENVS, 1), np.float32))[3].any()


def test_cost_is_counted_in_every_environment_and_a_safeguard_prevents_it():
    costs = {}
    for safeguard in ("none", "ray-mask"):
        env = ours(name=adapter.gymnasium_id("pendulum", safeguard), envs=8)
        env.reset(seed=0)
        env.action_space.seed(0)
        steps = [env.step(env.action_space.sample())[-1] for _ in range(100)]
        costs[safeguard] = np.array([info["cost"] for info in steps])
        np.testing.assert_array_equal(costs[safeguard], [info["violations"] for info in steps])
    assert costs["ray-mask"].sum() == 0
    assert (costs["none"].sum(axis=0) > 0).sum() > 4


def test_seeds_may_be_listed():
    env = ours()
    listed, _ = env.reset(seed=[4, 9, 4])
    np.testing.assert_array_equal(listed[0], listed[2])
    np.testing.assert_array_equal(ours().reset(seed=4)[0][0], listed[0])
    assert not np.array_equal(listed[0], listed[1])
    with pytest.raises(ValueError, match="2 seeds: expected 3"):
        env.reset(seed=[1, 2])


def test_gymnasiums_own_wrappers_work_on_it():
    env = RecordEpisodeStatistics(NormalizeObservation(ours()))
    env.reset(seed=0)
    for _ in range(env.unwrapped.env.task.horizon):
        *_, info = env.step(np.zeros((ENVS, 1), np.float32))
    assert info["episode"]["l"].tolist() == [env.unwrapped.env.task.horizon] * ENVS


def test_what_is_wrong_is_said_in_one_line():
    with pytest.raises(
        ValueError, match="autoreset_mode must be one of 'NextStep', 'SameStep', 'Disabled', not"
    ):
        adapter.VectorEnvironment("pendulum", "none", autoreset_mode="next")
    with pytest.raises(ValueError, match="num_envs must be at least 1, not 0"):
        adapter.VectorEnvironment("pendulum", "none", 0)
    env = adapter.VectorEnvironment("pendulum", "none", ENVS, physics="compiled")
    with pytest.raises(gymnasium.error.ResetNeeded, match="first step"):
        env.step(np.zeros((ENVS, 1)))
    with pytest.raises(ValueError, match="nothing to keep"):
        env.reset(options={"reset_mask": np.array([True, False, False])})
    env.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask must be 3 booleans"):
        env.reset(options={"reset_mask": np.array([False] * 3)})
    with pytest.raises(ValueError, match=r"shape \(3,\): expected \(3, 1\)"):
        env.step(np.zeros(3))

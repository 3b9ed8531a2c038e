"""Learners against probe tasks whose optimal values and actions are known exactly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
from compiling import ORDINARY

from safebench import registry
from safebench.baselines import apg, ppo, sac, shac
from safebench.learning.learner import train
from safebench.learning.networks import MLP, normalise

DISCOUNT = 0.9
COMMON = {"environments": 16, "policy_hidden": (32,), "discount": DISCOUNT, "policy_rate": 1e-2}
CRITIC = {"value_hidden": (32, 32), "value_rate": 1e-2}
# learner: (module, config, updates)
RUNS = {
    "apg": (apg, apg.Config(window=32, policy_rate_end=0.01, **COMMON), 300),
    "shac": (
        shac,
        shac.Config(window=8, value_fits=8, policy_rate_end=0.01, normalise=True, **CRITIC, **COMMON),
        400,
    ),
    "ppo": (
        ppo,
        ppo.Config(
            window=16, fits=4, batches=4, entropy_weight=0.0, policy_rate_end=0.01, **CRITIC, **COMMON
        ),
        150,
    ),
    "sac": (
        sac,
        sac.Config(
            batch=64,
            buffer=8192,
            starts=256,
            target_retention=0.9,
            temperature_start=1e-3,
            **CRITIC | COMMON | {"policy_rate": 3e-3, "value_rate": 3e-3},
        ),
        150,
    ),
}
WITH_CRITIC = ("shac", "ppo", "sac")


@functools.cache
def trained(name):
    """Probe name -> the training state after a run; all probes train in one program."""
    module, config, updates = RUNS[name]

    def run(probe):
        env = probes.environment(probe)
        per_update = module.make(env, config, 10**9).interactions
        learner = module.make(env, config, updates * per_update)
        return train(learner, updates, jax.random.key(0))

    run = jax.jit(jax.vmap(run), compiler_options=ORDINARY)(probes.stacked())
    assert run.progress.skipped.sum() == 0
    states = [jax.tree.map(lambda leaf, i=i: leaf[i], run.state) for i in range(len(probes.PROBES))]
    return dict(zip(probes.PROBES, states, strict=True))


def policy_of(name, probe):
    """The learner's deterministic policy on a probe: observation -> action."""
    module, config, _ = RUNS[name]
    learner = module.make(probes.environment(probes.PROBES[probe]), config, 10**6)
    return functools.partial(learner.act, learner.policy(trained(name)[probe]))


def critic_values(name, probe, observations):
    """What the learner's critic says of observations (SAC's: mean of both, at action 0)."""
    state = trained(name)[probe]
    scaled = jax.vmap(lambda o: normalise(state.normaliser, o))(jnp.asarray(observations))
    _, config, _ = RUNS[name]
    net = MLP(config.value_hidden, 1, "elu" if name == "shac" else config.activation)
    if name == "sac":
        inputs = jnp.concatenate([scaled, jnp.zeros((len(scaled), 1))], axis=-1)
        return jax.vmap(lambda one: net.apply(one, inputs)[:, 0])(state.learned.critics).mean(axis=0)
    return net.apply(state.critic.value if name == "shac" else state.networks["value"], scaled)[:, 0]


def mostly_slow(names):
    """One learner in the default tests, the others in the slow ones: each takes a training."""
    return [name if name == "shac" else pytest.param(name, marks=pytest.mark.slow) for name in names]


def test_every_learner_is_probed():
    assert {run[0] for run in RUNS.values()} == {
        registry.load("learner", name) for name in registry.names("learner")
    }  # variants with a constraint: tests/baselines/test_lagrangian.py


@pytest.mark.parametrize("name", mostly_slow(WITH_CRITIC))
def test_the_value_of_a_constant_reward_goes_on_beyond_truncation(name):
    # A learner that took truncation for the end would find at most 4.1 = 1 + .9 + ... + .9^4.
    found = critic_values(name, "constant_reward", np.zeros((1, 3)))
    np.testing.assert_allclose(found, 1 / (1 - DISCOUNT), rtol=0.02)


@pytest.mark.parametrize("name", mostly_slow(WITH_CRITIC))
def test_values_are_discounted_round_a_ring(name):
    expected = DISCOUNT ** np.array([2, 1, 0]) / (1 - DISCOUNT**3)
    found = critic_values(name, "ring_of_places", np.eye(3))
    np.testing.assert_allclose(found, expected, rtol=0.03)  # neighbours differ by 10 %


@pytest.mark.parametrize("name", mostly_slow(RUNS))
def test_the_best_action_of_a_single_step_is_found(name):
    x = np.linspace(-0.9, 0.9, 7)
    observations = np.stack([x, 0 * x, 0 * x], axis=1)
    found = jax.vmap(policy_of(name, "single_step"))(observations)
    np.testing.assert_allclose(found[:, 0], 0.5 * x, atol=0.05)


@pytest.mark.parametrize("name", mostly_slow(RUNS))
def test_a_reward_two_steps_later_is_credited_to_its_action(name):
    x = np.random.default_rng(1).uniform(0.2, 0.5, (8, 3)) * [1, 1, 0]
    found = jax.vmap(policy_of(name, "delayed_action"))(x)
    np.testing.assert_allclose(found, 0.4, atol=0.05)


@functools.cache
def regulator_costs():
    """(least cost, act -> cost) from every start: discounted over 200 steps, 0.9^200 < 1e-9."""
    env = probes.environment(probes.PROBES["regulator"])
    starts = probes.PROBES["regulator"].starts
    p, _ = probes.riccati(DISCOUNT)

    def cost(act):
        def step(carry, _):
            x, weight, total = carry
            a = jnp.clip(act(x), -1.0, 1.0)
            after = env.task.dynamics.step(x, a, jnp.zeros(1))
            return (after, weight * DISCOUNT, total - weight * env.task.reward(x, a, after, ())), None

        def from_start(x):
            return jax.lax.scan(step, (x, jnp.ones(()), jnp.zeros(())), length=200)[0][2]

        return np.asarray(jax.jit(jax.vmap(from_start))(jnp.asarray(starts)))

    return np.einsum("ij,jk,ik->i", starts[:, :2], p, starts[:, :2]), cost


def test_the_riccati_value_is_the_cost_of_the_riccati_gain():
    least, cost = regulator_costs()
    _, gain = probes.riccati(DISCOUNT)
    np.testing.assert_allclose(cost(lambda x: -gain @ x[:2]), least, rtol=1e-6)
    for factor in (0.7, 1.3):
        assert cost(lambda x, factor=factor: -factor * gain @ x[:2]).sum() > 1.01 * least.sum()


@pytest.mark.parametrize("name", mostly_slow(["shac", "apg"]))
def test_analytic_gradients_solve_the_linear_quadratic_regulator(name):
    least, cost = regulator_costs()
    found = cost(policy_of(name, "regulator"))
    assert (found >= least * (1 - 1e-6)).all(), "no policy beats the Riccati value"
    assert found.sum() < 1.01 * least.sum()

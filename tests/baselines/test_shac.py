"""SHAC's parts against plain loops, and what every run of it must satisfy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from safebench.baselines import shac
from safebench.env.environment import Env
from safebench.learning.learner import train
from safebench.runs import presets

TINY = dataclasses.replace(
    shac.Config(), environments=4, window=8, policy_hidden=(16,), value_hidden=(16,), value_fits=2
)


def test_lambda_returns_match_the_definition():
    rng = np.random.default_rng(0)
    steps, discount, trace = 7, 0.9, 0.8
    rewards, values = rng.normal(size=(2, steps, 1))
    truncated = np.zeros((steps, 1), bool)
    truncated[3] = True

    def from_step(t):  # sum over k-step returns, weighted (1 - trace) trace^(k-1); the rest on the last
        end = next((s for s in range(t, steps) if truncated[s, 0]), steps - 1)
        total, weight, partial = 0.0, 1.0, 0.0
        for k, s in enumerate(range(t, end + 1)):
            partial += discount**k * rewards[s, 0]
            bootstrapped = partial + discount ** (k + 1) * values[s, 0]
            share = weight if s == end else weight * (1 - trace)
            total, weight = total + share * bootstrapped, weight * trace
        return total

    found = shac.lambda_returns(*map(jnp.asarray, (rewards, values, truncated)), discount, trace)
    np.testing.assert_allclose(found[:, 0], [from_step(t) for t in range(steps)], rtol=1e-12)


def test_discounts_restart_after_a_truncated_step():
    truncated = jnp.asarray([[False], [True], [False], [False]])
    found = shac.running_discount(truncated, 0.5)
    np.testing.assert_array_equal(found[:, 0], [1.0, 0.5, 1.0, 0.5])


@pytest.fixture(scope="module")
def learner(task_of):
    _, module, config = presets.resolve("ray-mask")
    env = Env(task_of("pendulum", "compiled"), module.make(config))
    return shac.make(env, TINY, interactions=320)


@pytest.fixture(scope="module")
def run(learner):
    program = jax.jit(jax.vmap(lambda key: train(learner, 10, key)))
    return lambda seeds: program(jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32)))


@pytest.mark.slow
def test_a_seed_decides_a_run_whatever_runs_beside_it(run):
    first, again, other = run([3, 5]), run([3, 5]), run([5, 4])
    leaves = [jax.tree.leaves(trained.state.policy) for trained in (first, again, other)]
    for a, b, c in zip(*leaves, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a[1], c[0], rtol=1e-5, atol=1e-6)
        assert a.ndim < 3 or not np.array_equal(a[0], a[1])


def test_training_counts_every_step_and_stays_safe(run):
    safety = run([0, 1]).progress.safety
    np.testing.assert_array_equal(safety.steps.sum(axis=1), [320, 320])
    assert safety.interventions.sum() > 0
    for counter in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
        assert counter.sum() == 0


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_is_skipped_counted_and_kept_from_other_seeds(learner):
    keys = jax.vmap(jax.random.key)(jnp.arange(2, dtype=jnp.uint32))
    states = jax.vmap(learner.initialise)(keys)
    poison = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.nan), states.policy)
    after, progress = jax.jit(jax.vmap(learner.update))(states._replace(policy=poison))
    np.testing.assert_array_equal(progress.skipped, [1, 0])
    np.testing.assert_array_equal(progress.safety.non_finite > 0, [True, False])
    assert progress.safety.departures.sum() == 0
    assert all(np.isfinite(leaf[1]).all() for leaf in jax.tree.leaves(after.policy))


def test_a_budget_below_one_update_is_refused(learner, task_of):
    env = Env(task_of("pendulum", "compiled"), presets.resolve("none")[1].make())
    with pytest.raises(ValueError, match="less than one update"):
        shac.make(env, TINY, interactions=31)

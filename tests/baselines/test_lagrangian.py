"""Learners with a soft constraint against a probe whose constrained optimum is known in closed form."""

import dataclasses
import functools

import constrained_probe
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import ORDINARY

from safebench.baselines import ppo, shac
from safebench.learning.learner import train

SHARE = 0.1
HALF_WIDTHS = (0.5, 2.0)
"""Of the constraint: one that binds, and one that no action can break."""
EVERY_STEP_VIOLATES = HALF_WIDTHS[0] + constrained_probe.SPREAD
"""From this action on, were the constraint the first one."""
CONSTRAINT = {"cost_limit": SHARE, "multiplier_gains": (1.0, 0.3, 0.0)}
COMMON = {
    "environments": 16,
    "window": 16,
    "policy_hidden": (16,),
    "value_hidden": (16,),
    "discount": 0.9,
    "policy_rate": 1e-2,
    "policy_rate_end": 0.02,
    "log_std_start": -3.0,
}
RUNS = {
    "shac": (shac, shac.Config(value_fits=4, **COMMON), {"cost_margin": 0.0}, 400),
    "ppo": (
        ppo,
        ppo.Config(fits=4, batches=4, entropy_weight=0.0, **COMMON | {"log_std_start": -2.0}),
        {},
        400,
    ),
}
LEARNERS = ["shac", pytest.param("ppo", marks=pytest.mark.slow)]


@functools.cache
def trained(name, constrained):
    """Actions, shares of violations in the last quarter of training, and multipliers, by half-width."""
    module, config, more, updates = RUNS[name]
    if constrained:
        config = dataclasses.replace(config, **CONSTRAINT, **more)

    def run(half_width):
        env = constrained_probe.environment(half_width)
        per_update = module.make(env, config, 10**9).interactions
        learner = module.make(env, config, updates * per_update)
        state, progress = train(learner, updates, jax.random.key(0))
        late = jax.tree.map(lambda leaf: leaf[3 * updates // 4 :], progress.safety)
        action = learner.act(learner.policy(state), jnp.zeros(3))[0]
        return action, late.violations.sum() / late.steps.sum(), state.multiplier, progress.skipped.sum()

    action, share, multiplier, skipped = jax.jit(jax.vmap(run), compiler_options=ORDINARY)(
        jnp.array(HALF_WIDTHS)
    )
    assert skipped.sum() == 0
    return np.asarray(action), np.asarray(share), multiplier


@pytest.mark.parametrize("name", LEARNERS)
def test_the_multiplier_leads_to_the_constrained_optimum(name):
    actions, shares, multiplier = trained(name, True)
    assert actions[0] == pytest.approx(constrained_probe.best_action(HALF_WIDTHS[0], SHARE), abs=0.05)
    assert shares[0] == pytest.approx(SHARE, abs=0.03)
    assert multiplier.value[0] > 0.1


@pytest.mark.parametrize("name", LEARNERS)
def test_a_constraint_that_does_not_bind_has_no_multiplier(name):
    actions, shares, multiplier = trained(name, True)
    assert multiplier.value[1] == shares[1] == 0
    assert actions[1] > EVERY_STEP_VIOLATES


@pytest.mark.parametrize("name", LEARNERS)
def test_without_the_constraint_the_limit_is_broken(name):
    actions, shares, multiplier = trained(name, False)
    assert multiplier is None
    assert (actions > EVERY_STEP_VIOLATES).all()
    assert shares[0] > 0.95
    assert shares[1] == 0


def learned(name, state):
    """Every number of the multiplier and of what values costs."""
    critic = state.networks["cost"] if name == "ppo" else state.cost_critic.value
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves((state.multiplier, critic))])


@pytest.mark.parametrize("name", RUNS)
def test_states_that_are_not_finite_move_neither_multiplier_nor_cost_critic(name):
    module, config, more, _ = RUNS[name]
    config = dataclasses.replace(config, **CONSTRAINT, **more)
    learner = module.make(constrained_probe.environment(0.1), config, 10**6)
    update = jax.jit(learner.update)
    healthy = learner.initialise(jax.random.key(0))
    episodes = healthy.episodes._replace(x=healthy.episodes.x * jnp.nan)
    after, progress = update(healthy._replace(episodes=episodes))
    assert progress.skipped == 1
    assert progress.safety.violations > 0
    np.testing.assert_array_equal(learned(name, after), learned(name, healthy))
    after, progress = update(healthy)  # the control: finite states move both
    assert progress.skipped == 0
    assert after.multiplier.value > 0
    assert (learned(name, after)[3:] != learned(name, healthy)[3:]).any()

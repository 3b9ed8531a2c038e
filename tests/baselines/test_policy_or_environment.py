"""The safeguard in the policy: what SAC's critics and policy see, and PPO's entropy."""

import dataclasses
import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest

from safebench.baselines import ppo, sac
from safebench.env.environment import Env, Place
from safebench.env.safeguard import Guarded
from safebench.learning.applied_density import NoDensity
from safebench.runs import api
from safebench.runs.cell import Cell
from safebench.runs.prepare import prepare

SAC = sac.Config(
    environments=4, steps=8, policy_hidden=(8,), value_hidden=(8,), batch=8, buffer=64, starts=32
)
PPO = ppo.Config(environments=4, window=8, fits=2, batches=2, policy_hidden=(8,), value_hidden=(8,))


def made(module, config, env, updates=3):
    """The state after some updates, and the last one's progress."""
    learner = module.make(env, config, 10_000)
    state = jax.jit(learner.initialise)(jax.random.key(0))
    update = jax.jit(learner.update)
    for _ in range(updates):
        state, progress = update(state)
    return state, progress


def squeezed(factor):
    """A safeguard that multiplies every action."""

    def apply(a, actions):
        yes, no = jnp.ones((), bool), jnp.zeros((), bool)
        return Guarded(
            factor * a, jnp.abs(1 - factor) * jnp.abs(a[0]), feasible=yes, last_line=no, finite=yes
        )

    return apply


def probed(factor, kappa=0.0):
    return Env(probes.environment(probes.single_step()).task, squeezed(factor), kappa, one_to_one=factor != 0)


def same(first, second):
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"safeguard_in": "policy"}, {"density": "applied"}])
def test_without_a_safeguard_nothing_changes(changes):
    env = probed(1.0)
    plain, _ = made(sac, SAC, env)
    other, _ = made(sac, dataclasses.replace(SAC, **changes), env)
    for a, b in zip(jax.tree.leaves(plain.learned), jax.tree.leaves(other.learned), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)  # two programs: rounding


def test_in_the_policy_the_ring_keeps_applied_actions_and_whole_rewards():
    config = dataclasses.replace(SAC, safeguard_in="policy")
    env = probed(0.5, kappa=3.0)
    inside, _ = made(sac, config, env, updates=1)  # the random start: the same proposals
    around, _ = made(sac, SAC, env, updates=1)
    np.testing.assert_allclose(inside.ring.action[:32], 0.5 * around.ring.action[:32], rtol=1e-6)
    cost = 3.0 * (0.5 * around.ring.action[:32, 0]) ** 2
    np.testing.assert_allclose(inside.ring.reward[:32] - cost, around.ring.reward[:32], atol=1e-5)
    before, after = inside.ring.places
    np.testing.assert_allclose(before.x[:32], inside.ring.observation[:32], atol=1e-6)
    np.testing.assert_allclose(after.x[:32], inside.ring.reached[:32], atol=1e-6)


@pytest.mark.slow
def test_in_the_policy_the_gradient_passes_through_the_safeguard():
    """A safeguard with one answer leaves the policy nothing to climb; in the environment it is not seen."""
    config = dataclasses.replace(SAC, temperature_start=1e-12, temperature_rate=1e-12)
    env = probed(0.0)
    _, inside = made(sac, dataclasses.replace(config, safeguard_in="policy"), env)
    _, around = made(sac, config, env)
    assert inside.gradient_norm < 1e-9
    assert around.gradient_norm > 1e-6
    _, pulled = made(sac, dataclasses.replace(config, safeguard_in="policy"), probed(0.0, kappa=1.0))
    assert pulled.gradient_norm > 1e-4  # what a regularised safeguard is for


@pytest.mark.slow
def test_the_density_of_applied_actions_differs_by_the_determinant():
    """log |det| = log 0.5 for every action: the entropy is smaller by that, whatever the policy."""
    still = dict.fromkeys(("policy_rate", "value_rate", "temperature_rate"), 1e-12)
    config = dataclasses.replace(SAC, **still)
    _, plain = made(sac, config, probed(0.5))
    _, applied = made(sac, dataclasses.replace(config, density="applied"), probed(0.5))
    # The loss is the mean of temperature log pi - Q: one more -temperature log 0.5.
    np.testing.assert_allclose(applied.policy_loss - plain.policy_loss, 0.1 * np.log(2), rtol=1e-3)


@pytest.mark.parametrize(
    "preset",
    [
        "ray-mask",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("boundary-projection", "ray-mask-hyperbolic")),
    ],
)
def test_the_gradient_through_applied_actions_is_that_of_differences(preset, task_of):
    task = task_of("quadrotor", "compiled")
    env = Env(task, api.guard(preset))
    places = Place(jnp.asarray(task.starts[:64]))
    actions = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (64, 2)))
    weights = jnp.array([1.0, -0.7])

    def worth(place, action):
        applied = env.applied(place, action)
        return jnp.sum(jnp.sin(weights * applied.action)), applied.distance

    values = jax.jit(jax.vmap(worth))
    gradient, distance = jax.jit(jax.vmap(jax.grad(worth, argnums=1, has_aux=True)))(places, actions)
    changed = np.asarray(distance) > 1e-6
    assert changed.sum() > 0
    for axis in np.eye(2):
        coarse, fine = (
            (values(places, actions + h * axis)[0] - values(places, actions - h * axis)[0]) / (2 * h)
            for h in (2e-6, 1e-6)
        )
        smooth = np.abs(coarse - fine) < 1e-6
        assert smooth.mean() > 0.9
        np.testing.assert_allclose((gradient @ axis)[smooth], fine[smooth], atol=1e-6)


@pytest.mark.slow
def test_of_ppo_only_the_entropy_bonus_changes():
    env = probed(0.5)
    none = dataclasses.replace(PPO, entropy_weight=0.0)
    some = dataclasses.replace(PPO, entropy_weight=0.3)
    plain, _ = made(ppo, none, env, updates=2)
    applied, _ = made(ppo, dataclasses.replace(none, density="applied"), env, updates=2)
    assert same(plain.networks, applied.networks)
    plain, before = made(ppo, some, env, updates=2)
    applied, after = made(ppo, dataclasses.replace(some, density="applied"), env, updates=2)
    # The determinant is the same for every action: the loss shifts by its logarithm, nothing else.
    np.testing.assert_allclose(after.policy_loss - before.policy_loss, 0.3 * np.log(2), rtol=1e-5)
    for a, b in zip(jax.tree.leaves(plain.networks), jax.tree.leaves(applied.networks), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(("module", "config"), [(sac, SAC), (ppo, PPO)])
def test_a_density_that_does_not_exist_is_refused(module, config):
    with pytest.raises(NoDensity, match="one-to-one"):
        module.make(probed(0.0), dataclasses.replace(config, density="applied"), 10_000)
    with pytest.raises(ValueError, match=r"density.*'applied', None"):
        dataclasses.replace(config, density="proposed")


def test_a_cell_names_the_safeguards_that_have_a_density():
    cell = Cell("custom", "pendulum", "boundary-projection", "sac", (0,), 10_000, physics="compiled")
    cell = dataclasses.replace(cell, learner_changes=(("density", "applied"),))
    with pytest.raises(ValueError, match="which 'boundary-projection' is not: choose from none, ray-mask,"):
        prepare(cell)
    prepare(dataclasses.replace(cell, safeguard="ray-mask"))


def test_the_table_in_the_documentation_is_that_of_the_record():
    docs = Path(__file__).parents[2] / "docs"
    record = json.loads((docs / "records" / "policy-or-environment.json").read_text())
    lines = runpy.run_path(str(docs / "examples" / "policy_or_environment.py"))["lines"]
    page = (docs / "policy-or-environment.md").read_text()
    begin, end = (f"<!-- records/policy-or-environment: {part} -->\n" for part in ("begin", "end"))
    assert page.split(begin)[1].split(end)[0].strip().splitlines()[2:] == lines(record)
    assert all(row["violations"] == row["skipped"] == 0 for row in record["rows"])

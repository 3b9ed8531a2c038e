"""What every learner must satisfy, whatever its algorithm, and its shipped settings."""

import dataclasses
import functools

import every_task
import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest

from safebench import registry
from safebench.env.environment import Env
from safebench.env.safeguard import Guarded
from safebench.runs import presets
from safebench.runs.suites import budget

LEARNERS = registry.names("learner")
ALGORITHMS = [name for name in LEARNERS if not registry.find("learner", name).options]
"""Learners that are no variant of another one, with its code and a few settings more."""
ANALYTIC = ("apg", "shac", "shac-lagrangian")
# Fields that make an update small, where a learner has them.
TINY = {
    "environments": 4, "window": 8, "steps": 8, "policy_hidden": (8,), "value_hidden": (8,), "fits": 2,
    "value_fits": 2, "batches": 2, "batch": 8, "buffer": 64, "starts": 32,
}  # fmt: skip
SOME_SLOW = [
    name if name in ("ppo", "shac") else pytest.param(name, marks=pytest.mark.slow) for name in LEARNERS
]
QUICK = ("pendulum",)
SHIPPED = [
    pytest.param(
        learner,
        task,
        marks=[] if task in QUICK else [pytest.mark.slow] if learner in ALGORITHMS else [pytest.mark.weekly],
    )
    for learner in LEARNERS
    for task in registry.load("learner", learner).SETTINGS
]


def default(name):
    """The default settings of a learner, its variant's included."""
    found = registry.find("learner", name)
    return dataclasses.replace(found.module.Config(), **found.options)


def tiny(name, env):
    module = registry.load("learner", name)
    fields = {field.name for field in dataclasses.fields(module.Config)}
    config = dataclasses.replace(default(name), **{k: v for k, v in TINY.items() if k in fields})
    return module.make(env, config, 10_000)


def guarded(task, preset="ray-mask"):
    _, module, config = presets.resolve(preset)
    return Env(task, module.make(config), config.regularisation)


@pytest.fixture(scope="module")
def updater(task_of):
    """name -> (learner, its jitted update of many seeds), compiled once."""

    @functools.cache
    def build(name):
        learner = tiny(name, guarded(task_of("pendulum", "compiled")))
        return learner, jax.jit(jax.vmap(learner.update))

    return build


def start(learner, seeds):
    return jax.vmap(learner.initialise)(jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32)))


@pytest.mark.parametrize("name", SOME_SLOW)
def test_seeds_train_safely_reproducibly_and_apart(name, updater):
    learner, update = updater(name)
    first = start(learner, [3, 5, 3])
    state, early = update(first)
    state, late = update(state)
    for progress in (early, late):
        safety = progress.safety
        np.testing.assert_array_equal(safety.steps, 3 * [learner.interactions])
        for counter in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
            assert counter.sum() == 0
        assert safety.non_finite.sum() == progress.skipped.sum() == 0
        assert all(np.isfinite(part).all() for part in progress[1:4])
        assert progress.policy_loss[0] != progress.policy_loss[1]
    assert late.safety.interventions.sum() + early.safety.interventions.sum() > 0
    assert (late.gradient_norm > 0).all()
    for leaf in jax.tree.leaves(learner.policy(state)):
        np.testing.assert_array_equal(leaf[0], leaf[2])  # one seed, one result
    moved = [
        np.abs(after - before).max() > 0
        for before, after in zip(
            jax.tree.leaves(learner.policy(first)[0]), jax.tree.leaves(learner.policy(state)[0]), strict=True
        )
    ]
    assert all(moved), "an update must move every parameter"


@pytest.mark.parametrize("name", SOME_SLOW)
def test_a_seed_with_nan_is_counted_and_harms_no_other(name, updater):
    learner, update = updater(name)
    healthy, _ = update(start(learner, [3, 5, 7]))  # SAC's random start is over now

    def poison(leaf):
        return leaf.at[0].set(jnp.nan) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    where = {"ppo": "networks", "sac": "learned"}.get(name.removesuffix("-lagrangian"), "policy")
    sick = healthy._replace(**{where: jax.tree.map(poison, getattr(healthy, where))})
    expected, _ = update(healthy)
    found, progress = update(sick)
    assert progress.skipped[0] > 0
    assert progress.safety.non_finite[0] > 0
    assert progress.skipped[1:].sum() == progress.safety.non_finite[1:].sum() == 0
    assert progress.safety.departures.sum() == progress.safety.violations.sum() == 0
    for a, b in zip(
        jax.tree.leaves(learner.policy(found)), jax.tree.leaves(learner.policy(expected)), strict=True
    ):
        np.testing.assert_array_equal(a[1:], b[1:])
        assert np.isfinite(a[1:]).all()


@pytest.mark.parametrize("name", SOME_SLOW)
def test_regularisation_reaches_the_loss(name):
    """A guard that claims a distance of 1 at every step costs kappa per step."""

    def claim(action, actions):
        yes, no = jnp.ones((), bool), jnp.zeros((), bool)
        return Guarded(action, jnp.ones(()), feasible=yes, last_line=no, finite=yes)

    def one(kappa, constant):
        reward = probes.constant_reward()._replace(constant=constant)
        learner = tiny(name, Env(probes.environment(reward).task, claim, kappa))
        state, progress = learner.update(learner.initialise(jax.random.key(0)))
        return state, progress

    both = jax.jit(jax.vmap(one))
    state, progress = both(jnp.array([0.5, 0.0, 0.0]), jnp.array([1.0, 0.5, 1.0]))
    if name in ANALYTIC:
        np.testing.assert_allclose(progress.policy_loss[0] - progress.policy_loss[2], 0.5, rtol=1e-6)
    else:  # as if every reward were smaller by kappa
        np.testing.assert_allclose(progress.value_loss[0], progress.value_loss[1], rtol=1e-6)
        assert abs(progress.value_loss[0] - progress.value_loss[2]) > 0.01
    if name == "sac":
        np.testing.assert_array_equal(np.unique(state.ring.reward[0]), [0.0, 0.5])


@pytest.mark.parametrize("name", LEARNERS)
def test_only_analytic_learners_differentiate_the_environment(name, task_of):
    task = task_of("pendulum", "compiled")
    opaque = jax.custom_jvp(lambda x, a, after: task.reward(x, a, after, ()))

    @opaque.defjvp
    def refuse(primals, tangents):
        raise NotImplementedError("differentiated")

    env = guarded(dataclasses.replace(task, reward=lambda x, a, after, context: opaque(x, a, after)))
    learner = tiny(name, env)

    def trace():
        return jax.eval_shape(learner.update, jax.eval_shape(learner.initialise, jax.random.key(0)))

    if name in ANALYTIC:
        with pytest.raises(NotImplementedError, match="differentiated"):
            trace()
    else:
        trace()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_budget_below_one_update_is_refused(name, task_of):
    module = registry.load("learner", name)
    env = guarded(task_of("pendulum", "compiled"))
    with pytest.raises(ValueError, match="a budget of 10 interactions"):
        module.make(env, default(name), 10)


@pytest.mark.parametrize(("name", "task"), SHIPPED)
def test_shipped_settings_name_a_task_and_make_a_learner_for_it(name, task, task_of):
    assert task in registry.names("task")
    module = registry.load("learner", name)
    config = dataclasses.replace(module.SETTINGS[task], **registry.find("learner", name).options)
    assert type(config) is module.Config
    learner = module.make(guarded(task_of(task, "compiled")), config, budget(task))
    assert 0 < learner.interactions <= budget(task)
    state = jax.eval_shape(learner.initialise, jax.random.key(0))
    following, _ = jax.eval_shape(learner.update, state)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), following) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_every_field_of_a_config_is_documented(name):
    config = registry.load("learner", name).Config
    for field in dataclasses.fields(config):
        family = f"*_{field.name.rpartition('_')[2]}"
        assert field.name in config.__doc__ or family in config.__doc__, field.name


def every_pair(tasks, safeguards):
    """(learner, task, safeguard) such that every algorithm meets every task and every safeguard.

    Safeguards meet tasks in tests/safeguards/test_on_every_task.py.
    """
    for i, name in enumerate(ALGORITHMS):
        for j in range(max(len(tasks), len(safeguards))):
            yield name, tasks[j % len(tasks)], safeguards[(i + j) % len(safeguards)]


VARIANTS = [
    (name, task, "ray-mask")
    for name in LEARNERS
    if name not in ALGORITHMS
    for task in ("quadrotor", "seeker")
]
COMBINATIONS = sorted({*every_pair(every_task.FILES, registry.names("safeguard")), *VARIANTS})


def test_the_combinations_cover_every_pair():
    kinds = ALGORITHMS, every_task.FILES, registry.names("safeguard")
    for other in (1, 2):
        met = {(names[0], names[other]) for names in COMBINATIONS if names not in VARIANTS}
        assert met == {(a, b) for a in kinds[0] for b in kinds[other]}


def in_ci(name, task, safeguard):
    """Every task once, learners and safeguards in turn; the others once a week."""
    place = every_task.FILES.index(task)
    return (name, task, safeguard) in VARIANTS or ALGORITHMS.index(name) == place % len(ALGORITHMS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "safeguard"),
    [pytest.param(*each, marks=[] if in_ci(*each) else pytest.mark.weekly) for each in COMBINATIONS],
)
def test_every_learner_trains_on_every_task_with_every_safeguard(name, task, safeguard, task_of):
    env = guarded(task_of(task, "compiled"), safeguard)
    learner = tiny(name, env)
    state = jax.jit(lambda: start(learner, [0, 1]))()
    update = jax.jit(jax.vmap(learner.update))
    for _ in range(2):  # SAC's first is random
        state, progress = update(state)
    safety = progress.safety
    assert safety.non_finite.sum() == progress.skipped.sum() == 0
    assert (progress.gradient_norm > 0).all()
    if presets.resolve(safeguard)[1].CERTIFIED:
        for counter in (safety.violations, safety.departures, safety.infeasible, safety.last_line):
            assert counter.sum() == 0
